//! How much of a TCP stream the other host has not acknowledged. Writing to a socket says only that the
//! system took the bytes; on Linux it can be asked what became of them (`SIOCOUTQ`, see tcp(7)).

use std::net::TcpStream;

/// Bytes that were written and are not acknowledged yet. Zero where the system cannot be asked: a record then
/// counts as delivered when it is written.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "there is no safe wrapper of this ioctl among our crates")]
pub(super) fn unsent(stream: &TcpStream) -> u64 {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `stream` is borrowed, and this request (SIOCOUTQ, which has
    // the number of TIOCOUTQ) writes one int to where the pointer points.
    let answer = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if answer == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Bytes that were written and are not acknowledged yet: not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn unsent(_stream: &TcpStream) -> u64 {
    0
}
