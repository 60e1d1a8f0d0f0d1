//! Which local process listens on an endpoint. Asked once per verdict, never per packet.
//!
//! What the kernel says about sockets is read as a whole ([`Listeners::refresh`]) and then looked up in
//! memory, because one look at `/proc` costs milliseconds and a verdict must not. Who calls `refresh` decides
//! how fresh the answer is.
//!
//! Invariants: an address that is not this machine's never has a process; a process that may not be looked
//! into (another user's, without root) is left out, never guessed; nothing here reads a clock.

#[cfg(target_os = "linux")]
mod linux;

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};

use crate::wire::{Endpoint, Transport};

/// A process that has a socket bound to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process identifier.
    pub pid: u32,
    /// Command name as the kernel keeps it, at most 15 bytes.
    pub name: String,
    /// Path of the program, when it may be read.
    pub exe: Option<String>,
    /// Name (or number) of the user it runs as.
    pub user: Option<String>,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Transport protocol.
    pub transport: Transport,
    /// Address and port it is bound to; an unspecified address means all of them.
    pub local: Endpoint,
    /// Who owns it, where that may be known.
    pub process: Option<Process>,
}

/// The listening sockets of this machine, as of the last refresh.
#[derive(Debug, Default)]
pub struct Listeners {
    by_port: HashMap<(Transport, u16), Vec<Listener>>,
    is_local: HashMap<IpAddr, bool>,
}

/// Addresses whose being local is remembered; beyond that they are asked about anew.
const LOCAL_ADDRESSES_MAX: usize = 4096;

impl Listeners {
    /// Knows of no socket until it is refreshed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the kernel's socket tables and the owners of the sockets.
    ///
    /// # Errors
    /// When `/proc` cannot be read, or on a system without it; the listeners known before stay.
    pub fn refresh(&mut self) -> Result<(), String> {
        let mut by_port: HashMap<_, Vec<Listener>> = HashMap::new();
        for listener in read_sockets()? {
            by_port.entry((listener.transport, listener.local.port)).or_default().push(listener);
        }
        self.by_port = by_port;
        self.is_local.clear();
        Ok(())
    }

    /// The process that listens on an endpoint of this machine.
    pub fn on(&mut self, transport: Transport, endpoint: Endpoint) -> Option<Process> {
        let bound = self.by_port.get(&(transport, endpoint.port))?;
        let exact = bound.iter().find(|l| l.local.addr == endpoint.addr);
        let any = || bound.iter().find(|l| l.local.addr.is_unspecified());
        let process = exact.or_else(any)?.process.clone()?;
        self.is_local(endpoint.addr).then_some(process)
    }

    /// All listeners, ordered by transport, port and address.
    #[must_use]
    pub fn all(&self) -> Vec<&Listener> {
        let mut all: Vec<&Listener> = self.by_port.values().flatten().collect();
        all.sort_by_key(|l| (l.transport, l.local.port, l.local.addr));
        all
    }

    fn is_local(&mut self, addr: IpAddr) -> bool {
        if self.is_local.len() >= LOCAL_ADDRESSES_MAX {
            self.is_local.clear();
        }
        // Binding to an address succeeds only on the machine that has it, and sends nothing.
        *self.is_local.entry(addr).or_insert_with(|| UdpSocket::bind((addr, 0)).is_ok())
    }
}

#[cfg(target_os = "linux")]
fn read_sockets() -> Result<Vec<Listener>, String> {
    linux::sockets().map_err(|why| format!("cannot read the socket tables under /proc: {why}"))
}

#[cfg(not(target_os = "linux"))]
fn read_sockets() -> Result<Vec<Listener>, String> {
    Err("local processes are known on Linux only".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_this_very_process_behind_a_socket_it_opened() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let endpoint = Endpoint::new(local.ip(), local.port());
        let mut listeners = Listeners::new();
        assert_eq!(listeners.on(Transport::Tcp, endpoint), None);
        if listeners.refresh().is_err() {
            println!("skipped: no /proc here");
            return;
        }
        let process = listeners.on(Transport::Tcp, endpoint).expect("our own listener");
        assert_eq!(process.pid, std::process::id());
        assert!(process.user.is_some());
        assert_eq!(listeners.on(Transport::Udp, endpoint), None);
        let elsewhere = Endpoint::new("192.0.2.1".parse().unwrap(), local.port());
        assert_eq!(listeners.on(Transport::Tcp, elsewhere), None);
        assert!(listeners.all().iter().any(|l| l.local == endpoint));
    }
}
