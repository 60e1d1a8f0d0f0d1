//! Addresses and numbers as text, without the formatting machinery of `std`.
//!
//! Every line of output has some ten of them, and `std` writes each part of each by a call that could also
//! pad, align and sign. What comes out is the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::{ArrayString, ArrayVec};

use super::Endpoint;

/// Longest text of an address: eight groups of four hexadecimal digits.
const ADDRESS_BYTES_MAX: usize = 39;

type Bytes = ArrayVec<u8, ADDRESS_BYTES_MAX>;

/// An address as `std` writes it, which for IPv6 is what RFC 5952 asks for.
#[must_use]
pub fn address(addr: IpAddr) -> ArrayString<ADDRESS_BYTES_MAX> {
    let mut text = ArrayString::new();
    text.push_str(str::from_utf8(&ascii(addr)).unwrap_or_default());
    text
}

/// The bytes of [`address`]: hexadecimal digits, dots and colons.
#[must_use]
pub fn ascii(addr: IpAddr) -> ArrayVec<u8, ADDRESS_BYTES_MAX> {
    let mut text = Bytes::new();
    match addr {
        IpAddr::V4(addr) => dotted(&mut text, addr),
        IpAddr::V6(addr) => match addr.to_ipv4_mapped() {
            Some(mapped) => {
                text.extend(*b"::ffff:");
                dotted(&mut text, mapped);
            }
            None => grouped(&mut text, addr),
        },
    }
    text
}

/// An endpoint as `std` writes a socket's address: `10.0.0.1:80`, `[fd00::1]:80`.
#[must_use]
pub fn endpoint(end: Endpoint) -> ArrayString<{ ADDRESS_BYTES_MAX + 8 }> {
    let mut text = ArrayString::new();
    let (open, close) = if end.addr.is_ipv4() { ("", ":") } else { ("[", "]:") };
    for part in [open, &*address(end.addr), close, &*decimal(end.port.into())] {
        text.push_str(part);
    }
    text
}

/// A number, in decimal.
#[must_use]
pub fn decimal(number: u64) -> ArrayString<20> {
    let mut text = ArrayString::new();
    text.push_str(itoa::Buffer::new().format(number));
    text
}

fn dotted(text: &mut Bytes, addr: Ipv4Addr) {
    let (mut dotted, mut end) = ([0; 16], 0);
    for octet in addr.octets() {
        let (digits, length) = OCTETS[usize::from(octet)];
        dotted[end..end + 4].copy_from_slice(&digits);
        end += length;
    }
    // The last dot is one too many; what is left is shorter than an address of the other kind.
    let _ = text.try_extend_from_slice(&dotted[..end - 1]);
}

/// The digits of every octet and a dot, and how many bytes these are.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut octet = 0_u8;
    loop {
        let (hundreds, tens, ones) = (b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10);
        octets[octet as usize] = match octet {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            100.. => ([hundreds, tens, ones, b'.'], 4),
        };
        if octet == u8::MAX {
            break octets;
        }
        octet += 1;
    }
};

/// The first of the longest runs of zeros is left out, if it has two groups or more (RFC 5952 section 4.2).
fn grouped(text: &mut Bytes, addr: Ipv6Addr) {
    let groups = addr.segments();
    let (mut run, mut longest) = (0..0, 0..0);
    for (place, group) in groups.iter().enumerate() {
        run = if *group != 0 { place + 1..place + 1 } else { run.start..place + 1 };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    let (before, after) = if longest.len() < 2 {
        (&groups[..], None)
    } else {
        (&groups[..longest.start], Some(&groups[longest.end..]))
    };
    hexadecimal(text, before);
    if let Some(after) = after {
        text.extend(*b"::");
        hexadecimal(text, after);
    }
}

fn hexadecimal(text: &mut Bytes, groups: &[u16]) {
    for (place, group) in groups.iter().enumerate() {
        if place > 0 {
            text.push(b':');
        }
        let digits = 4 - group.leading_zeros().min(15) / 4;
        for digit in (0..digits).rev() {
            text.push(b"0123456789abcdef"[usize::from(group >> (4 * digit) & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addresses_are_written_as_std_writes_them(
            v4 in any::<u32>(), v6 in any::<u128>(), mask in any::<u128>(), groups in any::<[bool; 8]>(),
            port in any::<u16>(),
        ) {
            let sparse = groups.iter().fold(0, |mask, keep| mask << 16 | if *keep { 0xffff } else { 0_u128 });
            let mapped = 0xffff << 32 | u128::from(v4);
            let v6 = [v6, v6 & mask, v6 & sparse, mask & 0x000f_000f << 32 & sparse, mapped, sparse, 0, 1];
            for addr in v6.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))) {
                prop_assert_eq!(&*address(addr), addr.to_string());
                let end = Endpoint::new(addr, port);
                prop_assert_eq!(&*endpoint(end), SocketAddr::new(addr, port).to_string());
            }
            let addr = IpAddr::from(Ipv4Addr::from_bits(v4));
            prop_assert_eq!(&*address(addr), addr.to_string());
            prop_assert_eq!(&*endpoint(Endpoint::new(addr, port)), SocketAddr::new(addr, port).to_string());
        }
    }
}
