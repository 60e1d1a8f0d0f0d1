//! Linux: socket tables and socket owners from `/proc`.

use std::collections::HashMap;

use procfs::net::{TcpState, UdpState};
use procfs::process::FDTarget;

use super::{Listener, Process};
use crate::wire::{Endpoint, Transport};

/// All sockets that wait for somebody: TCP in the LISTEN state, UDP bound without a peer.
pub(super) fn sockets() -> procfs::ProcResult<Vec<Listener>> {
    let owners = owners_by_inode();
    let mut listeners = Vec::new();
    let mut add = |transport, local: std::net::SocketAddr, inode| {
        let local = Endpoint::new(local.ip(), local.port());
        listeners.push(Listener { transport, local, process: owners.get(&inode).cloned() });
    };
    // A kernel without IPv6 has no tcp6 table: that is no error.
    for entry in procfs::net::tcp()?.into_iter().chain(procfs::net::tcp6().unwrap_or_default()) {
        if entry.state == TcpState::Listen {
            add(Transport::Tcp, entry.local_address, entry.inode);
        }
    }
    for entry in procfs::net::udp()?.into_iter().chain(procfs::net::udp6().unwrap_or_default()) {
        if entry.state != UdpState::Established {
            add(Transport::Udp, entry.local_address, entry.inode);
        }
    }
    Ok(listeners)
}

/// Which process holds which socket. Processes that vanish or may not be looked into are left out.
fn owners_by_inode() -> HashMap<u64, Process> {
    let users = user_names();
    let mut owners = HashMap::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let Ok(descriptors) = process.fd() else { continue };
        let inodes: Vec<u64> = descriptors
            .flatten()
            .filter_map(|fd| if let FDTarget::Socket(inode) = fd.target { Some(inode) } else { None })
            .collect();
        if inodes.is_empty() {
            continue;
        }
        let Some(described) = describe(&process, &users) else { continue };
        owners.extend(inodes.into_iter().map(|inode| (inode, described.clone())));
    }
    owners
}

fn describe(process: &procfs::process::Process, users: &HashMap<u32, String>) -> Option<Process> {
    let uid = process.uid().ok()?;
    Some(Process {
        pid: u32::try_from(process.pid()).ok()?,
        name: process.stat().ok()?.comm,
        exe: process.exe().ok().map(|path| path.display().to_string()),
        user: Some(users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())),
    })
}

/// User names by number, from the password file; empty when there is none.
fn user_names() -> HashMap<u32, String> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            Some((uid, name.to_owned()))
        })
        .collect()
}
