//! How much of what was written to a socket has not arrived. Writing says only that the system took the
//! bytes; on Linux it can be asked what became of them (`SIOCOUTQ`, see tcp(7)).

use std::os::fd::AsRawFd;

/// Bytes that were written and that the other host has not acknowledged (TCP), or that the receiver has not
/// read (Unix sockets; with what the system itself needs for them). Zero where the system cannot be asked: a
/// record then counts as delivered when it is written.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "there is no safe wrapper of this ioctl among our crates")]
pub(super) fn unsent(socket: &impl AsRawFd) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and this request (SIOCOUTQ, which has
    // the number of TIOCOUTQ) writes one int to where the pointer points.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if answer == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Bytes that were written and did not arrive: not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn unsent(_socket: &impl AsRawFd) -> u64 {
    0
}
