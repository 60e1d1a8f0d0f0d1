//! Which interfaces there are, and what to tell a user whose interface cannot be watched.
//!
//! libpcap says what went wrong in words only (the pcap crate drops its status codes), so the kind of error
//! is read from the words, and from whether the interface is in the list.

use std::fmt;
use std::net::IpAddr;

use super::Error;

/// An interface that may be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The name to give to `-i`.
    pub name: String,
    /// What the system says it is; empty when it says nothing.
    pub description: String,
    /// True when it is up.
    pub up: bool,
    /// Its addresses, as the system lists them.
    pub addresses: Vec<IpAddr>,
}

/// One line: name, state, addresses, description. The description is the system's, not a stranger's.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let (name, state) = (&self.name, if self.up { "up" } else { "down" });
        let rest = [addresses.join(" "), self.description.clone()].join("  ");
        write!(f, "{}", format!("{name:<16} {state:<5} {rest}").trim_end())
    }
}

/// Lists the interfaces, the likeliest first, as libpcap orders them.
///
/// # Errors
/// [`Error::Interface`] when the system does not list them.
pub fn interfaces() -> Result<Vec<Interface>, Error> {
    let devices = pcap::Device::list().map_err(|error| Error::Interface {
        interface: "any".into(),
        why: format!("the interfaces cannot be listed: {}", super::said(&error)),
    })?;
    Ok(devices
        .into_iter()
        .map(|device| Interface {
            up: device.flags.is_up(),
            addresses: device.addresses.iter().map(|address| address.addr).collect(),
            description: device.desc.unwrap_or_default(),
            name: device.name,
        })
        .collect())
}

/// Refuses names that libpcap could misread.
pub(super) fn check(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains('\0') {
        return Err(unknown(name, "that is no interface name"));
    }
    Ok(())
}

/// Tells permission, unknown names and everything else apart.
pub(super) fn advice_for(name: &str, said: &str) -> Error {
    let permission = ["permi", "CAP_NET_RAW", "root"].iter().any(|word| said.contains(word));
    if permission {
        return Error::Permission { interface: name.into(), why: format!("{said}; {}", grant()) };
    }
    let known = interfaces().unwrap_or_default().iter().any(|interface| interface.name == name);
    if !known || said.contains("No such device") {
        return unknown(name, said);
    }
    Error::Interface { interface: name.into(), why: format!("{said}; see: ip link show {name}") }
}

fn unknown(name: &str, said: &str) -> Error {
    let names: Vec<String> = interfaces().unwrap_or_default().into_iter().map(|known| known.name).collect();
    let why = format!("{said}; the interfaces here are: {}", names.join(", "));
    Error::Interface { interface: name.into(), why }
}

/// How to get the right to capture.
fn grant() -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "ghostport".into(), |path| path.display().to_string());
    format!("run it as root, or once: sudo setcap cap_net_raw+ep {program}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_of_trouble_apart_and_says_what_to_do() {
        let denied = "Attempt to create packet socket failed - CAP_NET_RAW may be required";
        let Error::Permission { why, .. } = advice_for("eth0", denied) else { panic!("a permission error") };
        assert!(why.contains("setcap cap_net_raw+ep /"), "{why}");
        let gone = advice_for("no-such-interface", "No such device exists");
        assert!(matches!(&gone, Error::Interface { why, .. } if why.contains("the interfaces here are: ")));
        assert!(matches!(check("a\0b"), Err(Error::Interface { .. })));
    }
}
