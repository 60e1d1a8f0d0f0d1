//! poll(2): sleep until one of several descriptors can be read, or until a time is over.
//!
//! libpcap's own read timeout does not end on a quiet link (with Linux's TPACKET_V3 ring it sleeps without a
//! limit), so a live source waits here and reads without blocking. The same wait lets standard input be
//! interrupted.
//!
//! Invariant: returns within the timeout, rounded up to the next millisecond.
#![expect(unsafe_code, reason = "poll(2) has no safe form in libc; this file holds nothing but that call")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// True when at least one descriptor is readable or broken; false when the time was over or a signal came
/// first.
///
/// # Errors
/// What poll(2) says, except an interruption.
pub(super) fn readable(fds: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<bool> {
    let mut list: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let count = libc::nfds_t::try_from(list.len()).unwrap_or(0);
    let millis = libc::c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX);
    // SAFETY: `list` is a live, exclusively borrowed array of `count` pollfd records for the whole call, and
    // the descriptors in it are borrowed, so none of them is closed meanwhile.
    let ready = unsafe { libc::poll(list.as_mut_ptr(), count, millis) };
    if ready >= 0 {
        return Ok(ready > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn waits_for_bytes_and_no_longer_than_told() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!readable(&[reader.as_fd()], Duration::from_millis(1)).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable(&[reader.as_fd()], Duration::from_secs(60)).unwrap());
    }
}
