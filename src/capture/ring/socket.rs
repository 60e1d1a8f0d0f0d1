//! The packet socket and the memory it shares with the kernel: every system call of the ring, and nothing
//! that interprets bytes.
//!
//! No crate fits: `af_packet` is GPL and unmaintained, others bring an async runtime or their own opinion of
//! what a packet is. Eight calls are less than any of them.
//!
//! Invariants: a block is lent only while the kernel has handed it to us, and given back at most once for
//! each time it was lent; the mapping lives as long as the socket.
#![expect(
    unsafe_code,
    reason = "packet sockets and mmap(2) have no safe form in libc; only the calls are here"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_void, sock_filter, sockaddr_ll, socklen_t};

/// Where the status word of a block lies, in bytes: behind version and offset of the private area
/// (linux/if_packet.h, `tpacket_block_desc`).
const STATUS_AT: usize = 8;

/// An AF_PACKET socket that takes whole frames. Until it is bound it hears nothing.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one.
    ///
    /// # Errors
    /// What socket(2) says; without CAP_NET_RAW, `PermissionDenied`.
    pub(super) fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: takes integers only.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened, is valid, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sets an option of packet sockets.
    pub(super) fn set<T: Copy>(&self, name: c_int, value: &T) -> io::Result<()> {
        self.set_at(libc::SOL_PACKET, name, value)
    }

    fn set_at<T: Copy>(&self, level: c_int, name: c_int, value: &T) -> io::Result<()> {
        let length = length_of::<T>();
        // SAFETY: the kernel reads `length` bytes at `value`, which is borrowed and exactly that large.
        let done = unsafe {
            libc::setsockopt(self.0.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
        };
        said(done)
    }

    /// Reads counters of packet sockets; as many words as are asked for.
    pub(super) fn get<const WORDS: usize>(&self, name: c_int) -> io::Result<[u32; WORDS]> {
        self.get_at(libc::SOL_PACKET, name)
    }

    fn get_at<const WORDS: usize>(&self, level: c_int, name: c_int) -> io::Result<[u32; WORDS]> {
        let mut words = [0u32; WORDS];
        let mut length = length_of::<[u32; WORDS]>();
        let at = words.as_mut_ptr().cast::<c_void>();
        // SAFETY: the kernel writes at most `length` bytes at `at`, an exclusively borrowed array of exactly
        // that size, and any bytes make valid words.
        said(unsafe { libc::getsockopt(self.0.as_raw_fd(), level, name, at, &raw mut length) })?;
        Ok(words)
    }

    /// The trouble that the kernel noted since the last time, such as `ENETDOWN`; 0 for none.
    pub(super) fn trouble(&self) -> io::Result<c_int> {
        self.get_at::<1>(libc::SOL_SOCKET, libc::SO_ERROR).map(|[code]| c_int::try_from(code).unwrap_or(0))
    }

    /// Lets only frames through that this program accepts, from now on. Replaces another in one step.
    pub(super) fn filter(&self, program: &mut [sock_filter]) -> io::Result<()> {
        let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
        // The kernel copies the `len` instructions while the call lasts, and they are borrowed for longer.
        self.set_at(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Binds to one interface, all protocols, both directions. Gives the hardware type of the interface
    /// (ARPHRD_*, linux/if_arp.h).
    pub(super) fn bind(&self, index: c_int) -> io::Result<u16> {
        let protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(3).to_be();
        let mut address = sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(17),
            sll_protocol: protocol,
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let mut length = length_of::<sockaddr_ll>();
        let at = (&raw mut address).cast::<libc::sockaddr>();
        // SAFETY: `at` is a live sockaddr_ll of `length` bytes, which the call only reads.
        said(unsafe { libc::bind(self.0.as_raw_fd(), at, length) })?;
        // SAFETY: the same address, exclusively ours, of which the call writes at most `length` bytes.
        said(unsafe { libc::getsockname(self.0.as_raw_fd(), at, &raw mut length) })?;
        Ok(address.sll_hatype)
    }

    /// Maps the ring that was asked for with `PACKET_RX_RING`.
    pub(super) fn map(self, block_bytes: usize, blocks: usize) -> io::Result<Shared> {
        let length = block_bytes * blocks;
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, self.0.as_raw_fd());
        // SAFETY: a new mapping at a place the kernel chooses; no memory of ours is touched.
        let at = unsafe { libc::mmap(null_mut(), length, access, libc::MAP_SHARED, fd, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(at.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Shared { socket: self, start, block_bytes, blocks })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A socket and its ring of blocks.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) socket: Socket,
    start: NonNull<u8>,
    block_bytes: usize,
    blocks: usize,
}

// SAFETY: the mapping belongs to this value alone and is not bound to a thread; it is only reached through
// `&mut self`.
unsafe impl Send for Shared {}

impl Shared {
    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Shows a block to `look` when the kernel has filled it, and gives it back to the kernel afterwards.
    /// `None` when it is still the kernel's, or there is no such block.
    pub(super) fn take<R>(&mut self, block: usize, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if block >= self.blocks {
            return None;
        }
        // SAFETY: `block` is below `blocks`, so all of it lies inside the mapping of `blocks * block_bytes`
        // bytes, which is page-aligned and lives as long as `self`. The kernel writes to a block only while
        // the status word is without TP_STATUS_USER; between the acquiring load that saw it and the releasing
        // store the block is ours, and `bytes` does not outlive that. The status word itself is only read and
        // written atomically by us and the kernel meanwhile.
        unsafe {
            let at = self.start.add(block * self.block_bytes);
            let status = AtomicU32::from_ptr(at.add(STATUS_AT).cast().as_ptr());
            if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return None;
            }
            let bytes = std::slice::from_raw_parts(at.as_ptr(), self.block_bytes);
            let seen = look(bytes);
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            Some(seen)
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `map` made; nothing borrowed from it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.block_bytes * self.blocks) };
    }
}

/// The number of an interface; `None` when there is none of this name.
pub(super) fn index_of(name: &str) -> Option<c_int> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is a live C string, which the call only reads.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    c_int::try_from(index).ok().filter(|index| *index > 0)
}

fn said(code: c_int) -> io::Result<()> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn length_of<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
