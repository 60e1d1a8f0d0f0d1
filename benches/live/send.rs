//! The sender: seeded frames onto an interface, as fast as told or as fast as it goes.

use std::ffi::CString;
use std::io::{self, BufRead, Write};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use crate::flood::{Flood, Traffic};

/// The environment variable that makes this program a sender: interface, flows, seconds, rate, by commas.
/// Zero seconds: every flow's first frame, once. Rate zero: as fast as it goes.
pub(crate) const TASK: &str = "GHOSTPORT_BENCH_TASK";

/// Frames handed to the kernel at once.
const BATCH: usize = 64;
/// Bytes of a record of a classic capture file before its frame, and of a frame of `Traffic::Small`.
const RECORD: usize = 16;
const FRAME: usize = 60;
/// Bytes of the head of a classic capture file.
const HEAD: usize = 24;

/// Makes the frames, says so, waits for a line, sends, and says how many went out and in how many
/// microseconds.
pub(crate) fn run(task: &str) {
    let parts: Vec<&str> = task.split(',').collect();
    let [interface, flows, seconds, rate] = parts[..] else { panic!("a task has four parts: {task}") };
    let [flows, seconds, rate] = [flows, seconds, rate].map(|text| text.parse::<u64>().expect("a number"));
    let mut file = Vec::new();
    Flood::new(Traffic::Small, flows * 2, flows, 1).write(&mut file).expect("memory takes it");
    let frames: Vec<&[u8]> = file[HEAD..].chunks_exact(RECORD + FRAME).map(|one| &one[RECORD..]).collect();
    let half = frames.len() / 2;
    let socket = open(interface);
    println!("ready");
    io::stdin().lock().read_line(&mut String::new()).expect("told to go");
    let started = Instant::now();
    let sent = if seconds == 0 {
        send(socket, &frames, 0..half, rate, None)
    } else {
        send(socket, &frames, half..frames.len(), rate, Some(Duration::from_secs(seconds)))
    };
    println!("{sent} {}", started.elapsed().as_micros());
    io::stdout().flush().expect("somebody listens");
}

/// Sends the frames of this range once, or over and over for this long. Gives how many the kernel took.
fn send(socket: i32, frames: &[&[u8]], range: Range<usize>, rate: u64, long: Option<Duration>) -> u64 {
    let started = Instant::now();
    let (mut at, mut sent, mut tried) = (range.start, 0, 0);
    while long.map_or(at < range.end, |long| started.elapsed() < long) {
        if at >= range.end {
            at = range.start;
        }
        let batch = &frames[at..(at + BATCH).min(range.end)];
        let taken = send_batch(socket, batch);
        sent += taken as u64;
        tried += batch.len() as u64;
        at += batch.len();
        if let Some(due) = tried.saturating_mul(1_000_000_000).checked_div(rate) {
            let ahead = Duration::from_nanos(due).saturating_sub(started.elapsed());
            if ahead > Duration::from_micros(200) {
                thread::sleep(ahead);
            }
        }
    }
    sent
}

/// A packet socket that sends past the queueing discipline.
fn open(interface: &str) -> i32 {
    let name = CString::new(interface).expect("a name");
    // SAFETY: plain system calls on a socket that is ours; every pointer is to a live value of the length
    // given.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        assert!(fd >= 0, "a packet socket: {}", io::Error::last_os_error());
        let mut address: libc::sockaddr_ll = MaybeUninit::zeroed().assume_init();
        address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("small");
        address.sll_ifindex = i32::try_from(libc::if_nametoindex(name.as_ptr())).expect("small");
        let length = libc::socklen_t::try_from(size_of_val(&address)).expect("small");
        assert_eq!(libc::bind(fd, (&raw const address).cast(), length), 0, "{interface}");
        let on = 1i32;
        let length = libc::socklen_t::try_from(size_of_val(&on)).expect("small");
        libc::setsockopt(fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, (&raw const on).cast(), length);
        fd
    }
}

/// How many of these frames the kernel took; it refuses when the other end's queue is full.
fn send_batch(socket: i32, frames: &[&[u8]]) -> usize {
    let parts: Vec<libc::iovec> = frames
        .iter()
        .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
        .collect();
    // SAFETY: all-zero bytes are a valid message header without address, parts and control data.
    let empty: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut messages = vec![empty; parts.len()];
    for (message, part) in messages.iter_mut().zip(&parts) {
        message.msg_hdr.msg_iov = std::ptr::from_ref(part).cast_mut();
        message.msg_hdr.msg_iovlen = 1;
    }
    let count = u32::try_from(messages.len()).expect("a batch is small");
    // SAFETY: `messages` holds `count` headers, each with one part that points into a frame; all of them live
    // until the call returns, and sending only reads the parts.
    let taken = unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), count, 0) };
    usize::try_from(taken).unwrap_or(0)
}
