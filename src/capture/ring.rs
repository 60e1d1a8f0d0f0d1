//! Live frames out of the kernel's own ring: AF_PACKET with TPACKET_V3, one ring per worker and interface.
//!
//! The kernel fills blocks of many frames and hands over whole blocks, so a busy link costs one look at a
//! word of memory per block and no system call per frame. Several rings on one interface form a fan-out
//! group: the kernel hashes each frame by its addresses and ports, the same for both directions, and
//! fragments of IPv4 are put together first because only the first of them has ports.
//!
//! What the interface is, what the user may do and what the filter means is asked of libpcap, with a handle
//! that is closed again: so both ways of capturing agree on it, and say the same when it goes wrong.
//!
//! Invariants: a ring hears nothing until all of its group are bound, in the group, and have their filter: it
//! starts with a filter that refuses everything, so no frame is seen unfiltered or twice. A frame looks as
//! libpcap shows it: its VLAN tag is back in its place, and on loopback a frame is seen once.

mod block;
mod socket;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use libc::{c_int, sock_filter};

use super::burst::{Burst, Frame, LinkType};
use super::handle::Handle;
use super::live::LiveOptions;
use super::{Error, Loss};
use block::{Slot, Slots};
use socket::{Shared, Socket};

/// Bytes of a block. As many small frames as make a burst that stays in the second-level cache; larger than
/// the largest frame.
const BLOCK_BYTES: u32 = 512 * 1024;
/// The kernel wants to know a frame size also where frames are as large as they are.
const FRAME_BYTES: u32 = 2048;
/// With fewer blocks the kernel would wait for us after each.
const BLOCKS_MIN: u32 = 2;
/// Bytes of the buffer of the handle that is only asked questions.
const ASKING_BYTES: u32 = 1024 * 1024;
/// The interface's own counters are files, and read once in so many times that the kernel's are.
const COUNTS_PER_FILE: u32 = 64;
/// Where the addresses of an Ethernet frame end, and a VLAN tag belongs.
const TAG_AT: usize = 12;
/// ARPHRD_LOOPBACK of linux/if_arp.h.
const LOOPBACK: u16 = 772;

/// What came of asking for rings.
pub(super) enum Opened {
    /// As many as were asked for.
    Rings(Vec<Ring>),
    /// None: libpcap has to do, for this reason.
    Not(String),
}

/// One ring on one interface.
pub(super) struct Ring {
    shared: Shared,
    name: String,
    /// Every frame passes loopback twice, out and in: only what comes in is taken.
    is_loopback: bool,
    index: c_int,
    input: u16,
    snaplen: usize,
    /// The block that the kernel fills next.
    block: usize,
    /// A frame and its tag, on their way together.
    tagged: Vec<u8>,
    loss: Loss,
    counts: u32,
    /// What the interface had dropped before us; `None` where another ring of the group counts.
    dropped_before: Option<u64>,
}

/// Opens `count` rings on an interface, which share its frames out.
///
/// # Errors
/// What keeps libpcap from watching the interface too.
pub(super) fn open(name: &str, input: u16, options: &LiveOptions, count: usize) -> Result<Opened, Error> {
    let asking = LiveOptions { promiscuous: false, buffer_bytes: ASKING_BYTES, ..options.clone() };
    let handle = Handle::open(name, input, &asking)?;
    if name == "any" || handle.link() != LinkType::ETHERNET {
        return Ok(Opened::Not("it is no single Ethernet".into()));
    }
    let Some(mut program) = handle.program(options.filter.as_deref().unwrap_or("")) else {
        return Ok(Opened::Not("the filter cannot be handed to the kernel".into()));
    };
    drop(handle);
    let rings = (0..count.max(1)).map(|_| Ring::open(name, input, options, count)).collect();
    let rings: io::Result<Vec<Ring>> = rings;
    let opened = rings.and_then(|mut rings| {
        if rings.len() > 1 {
            share_out(&rings)?;
        }
        if let Some(first) = rings.first_mut() {
            first.dropped_before = Some(dropped_by_interface(name));
        }
        rings.iter().try_for_each(|ring| ring.shared.socket.filter(&mut program))?;
        Ok(rings)
    });
    Ok(match opened {
        Ok(rings) => Opened::Rings(rings),
        Err(error) => Opened::Not(error.to_string()),
    })
}

/// Whether this kernel gives rings to us.
///
/// # Errors
/// Why not.
pub(super) fn probe() -> io::Result<()> {
    let socket = Socket::open()?;
    ask_for_blocks(&socket, BLOCKS_MIN, 1).map(drop)
}

impl Ring {
    fn open(name: &str, input: u16, options: &LiveOptions, count: usize) -> io::Result<Self> {
        let index = socket::index_of(name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let socket = Socket::open()?;
        let share = options.buffer_bytes / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let blocks = ask_for_blocks(&socket, share / BLOCK_BYTES, options.retire_millis())?;
        socket.filter(&mut [instruction(libc::BPF_RET | libc::BPF_K, 0)])?;
        let is_loopback = socket.bind(index)? == LOOPBACK;
        if is_loopback {
            // Kernels before 4.20 do not know this option, and libpcap has to do.
            socket.set(libc::PACKET_IGNORE_OUTGOING, &1)?;
        }
        if options.promiscuous {
            let wish = libc::packet_mreq {
                mr_ifindex: index,
                mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or(1),
                mr_alen: 0,
                mr_address: [0; 8],
            };
            // Some interfaces cannot be promiscuous; they are watched as they are.
            let _ = socket.set(libc::PACKET_ADD_MEMBERSHIP, &wish);
        }
        let shared = socket.map(BLOCK_BYTES as usize, blocks as usize)?;
        let snaplen = usize::try_from(options.snaplen).unwrap_or(usize::MAX);
        let (name, loss) = (name.to_owned(), Loss::default());
        let (block, tagged, counts, dropped_before) = (0, Vec::new(), 0, None);
        Ok(Self {
            shared,
            name,
            is_loopback,
            index,
            input,
            snaplen,
            block,
            tagged,
            loss,
            counts,
            dropped_before,
        })
    }

    /// Copies the frames of the next block, if the kernel has filled one, and gives the block back.
    ///
    /// # Errors
    /// The interface is gone, or cannot be read any more.
    pub(super) fn take(&mut self, burst: &mut Burst) -> Result<(), String> {
        let (input, snaplen, tagged) = (self.input, self.snaplen, &mut self.tagged);
        let before = burst.len();
        while burst.len() == before {
            let taken = self.shared.take(self.block, |bytes| {
                let mut slots = Slots::of(bytes);
                slots.by_ref().for_each(|slot| push(burst, &slot, input, snaplen, tagged));
                slots.left
            });
            let Some(lost) = taken else { return self.trouble() };
            // What the kernel announced and we could not find is lost, whoever is to blame.
            self.loss.dropped_kernel += u64::from(lost);
            self.block = (self.block + 1) % self.shared.blocks();
        }
        Ok(())
    }

    /// Reads the counters. One that cannot be read keeps its last value: the interface may be gone.
    pub(super) fn count(&mut self) {
        // The kernel's start at zero again whenever they are read.
        if let Ok([received, dropped, freezes]) = self.shared.socket.get(libc::PACKET_STATISTICS) {
            self.loss.received += u64::from(received);
            self.loss.dropped_kernel += u64::from(dropped);
            self.loss.freezes += u64::from(freezes);
        }
        if let Some(before) = self.dropped_before
            && self.counts.is_multiple_of(COUNTS_PER_FILE)
        {
            let now = dropped_by_interface(&self.name).saturating_sub(before);
            self.loss.dropped_interface = self.loss.dropped_interface.max(now);
        }
        self.counts = self.counts.wrapping_add(1);
    }

    /// What was lost so far, as counted last.
    pub(super) fn loss(&self) -> Loss {
        self.loss
    }

    /// How large it is, in words.
    pub(super) fn describe(&self) -> String {
        let mib = self.shared.blocks() * (BLOCK_BYTES as usize) / (1024 * 1024);
        format!("an AF_PACKET ring of {mib} MiB")
    }

    /// An interface that is down may come up again and is waited for; one that is gone is an error.
    fn trouble(&self) -> Result<(), String> {
        match self.shared.socket.trouble() {
            Ok(0) => Ok(()),
            Ok(libc::ENETDOWN) if socket::index_of(&self.name) == Some(self.index) => Ok(()),
            Ok(libc::ENETDOWN) => Err("The interface disappeared".into()),
            Ok(code) => Err(io::Error::from_raw_os_error(code).to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.socket.as_fd()
    }
}

/// Copies one frame, with its tag where it was on the wire.
#[inline]
fn push(burst: &mut Burst, slot: &Slot<'_>, input: u16, snaplen: usize, tagged: &mut Vec<u8>) {
    let (mut bytes, mut wire_len) = (slot.bytes, slot.wire_len);
    if let Some(tag) = slot.tag
        && let Some((addresses, rest)) = bytes.split_at_checked(TAG_AT)
    {
        tagged.clear();
        [addresses, &tag, rest].into_iter().for_each(|part| tagged.extend_from_slice(part));
        bytes = tagged;
        wire_len = wire_len.saturating_add(4);
    }
    let bytes = bytes.get(..snaplen).unwrap_or(bytes);
    burst.push(Frame { number: 0, time: slot.time, link: LinkType::ETHERNET, input, wire_len, bytes });
}

/// Makes the socket's ring, smaller where memory is short; gives its number of blocks.
fn ask_for_blocks(socket: &Socket, wanted: u32, retire_millis: u32) -> io::Result<u32> {
    // The enumeration of linux/if_packet.h counts from 0.
    socket.set(libc::PACKET_VERSION, &2)?;
    let mut blocks = wanted.max(BLOCKS_MIN);
    loop {
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES,
            tp_block_nr: blocks,
            tp_frame_size: FRAME_BYTES,
            tp_frame_nr: BLOCK_BYTES / FRAME_BYTES * blocks,
            tp_retire_blk_tov: retire_millis,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        match socket.set(libc::PACKET_RX_RING, &request) {
            Ok(()) => return Ok(blocks),
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && blocks > BLOCKS_MIN => blocks /= 2,
            Err(error) => return Err(error),
        }
    }
}

/// Makes the rings of one interface one group. The kernel chooses a number that no other group has, so two
/// ghostports never take each other's frames (since 4.12).
fn share_out(rings: &[Ring]) -> io::Result<()> {
    let Some((first, others)) = rings.split_first() else { return Ok(()) };
    // A group does not ask its members which directions they take.
    let directions = if first.is_loopback { libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING } else { 0 };
    let kind = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG | directions;
    first.shared.socket.set(libc::PACKET_FANOUT, &((kind | libc::PACKET_FANOUT_FLAG_UNIQUEID) << 16))?;
    let [group] = first.shared.socket.get(libc::PACKET_FANOUT)?;
    others
        .iter()
        .try_for_each(|ring| ring.shared.socket.set(libc::PACKET_FANOUT, &(kind << 16 | group & 0xffff)))
}

/// Frames that the interface says it dropped since it was made: those its memory had no room for. The same
/// two counters that libpcap adds up.
fn dropped_by_interface(name: &str) -> u64 {
    let counter = |file: &str| {
        let path = format!("/sys/class/net/{name}/statistics/{file}");
        std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0u64)
    };
    counter("rx_missed_errors").saturating_add(counter("rx_fifo_errors"))
}

/// One instruction without a jump.
fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k }
}
