//! Why a frame gave no packet. Each reason is a counter; together with the decoded frames they add up to all
//! frames read.

/// A reason. The order is that of the layers, and of the `stats` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Skip {
    /// A link type that is not followed.
    LinkType,
    /// The link-layer header is cut.
    LinkTruncated,
    /// A link-layer control or management frame, or an 802.11 frame whose payload is encrypted.
    LinkControl,
    /// An EtherType that carries no IP: ARP, LLDP, spanning tree, ...
    NotIp,
    /// The IP header is cut.
    IpTruncated,
    /// The IP header contradicts itself: version, header length, total length.
    IpMalformed,
    /// An extension header chain that is cut, circular or too long.
    IpExtension,
    /// An IP protocol without ports: IGMP, OSPF, ESP, ...
    NoPorts,
    /// ICMP or ICMPv6 that is no error, or quotes no packet with ports.
    Icmp,
    /// A fragment whose first fragment was not seen (or not yet), so its ports are not known.
    FragmentWithoutFirst,
    /// A fragment that contradicts its datagram: overlapping, beyond 65,535 bytes, too many of them.
    FragmentMalformed,
    /// The transport header is cut.
    TransportTruncated,
    /// The transport header contradicts itself: data offset, length.
    TransportMalformed,
    /// A tunnel whose inside cannot be followed and that has no outer ports (GRE, IP-in-IP).
    Tunnel,
    /// Tunnels nested deeper than the limit.
    TooDeep,
}

impl Skip {
    /// All reasons in order.
    pub const ALL: [Self; 15] = [
        Self::LinkType,
        Self::LinkTruncated,
        Self::LinkControl,
        Self::NotIp,
        Self::IpTruncated,
        Self::IpMalformed,
        Self::IpExtension,
        Self::NoPorts,
        Self::Icmp,
        Self::FragmentWithoutFirst,
        Self::FragmentMalformed,
        Self::TransportTruncated,
        Self::TransportMalformed,
        Self::Tunnel,
        Self::TooDeep,
    ];

    /// Name in the `stats` record: lower case with underscores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinkType => "link_type",
            Self::LinkTruncated => "link_truncated",
            Self::LinkControl => "link_control",
            Self::NotIp => "not_ip",
            Self::IpTruncated => "ip_truncated",
            Self::IpMalformed => "ip_malformed",
            Self::IpExtension => "ip_extension",
            Self::NoPorts => "no_ports",
            Self::Icmp => "icmp",
            Self::FragmentWithoutFirst => "fragment_without_first",
            Self::FragmentMalformed => "fragment_malformed",
            Self::TransportTruncated => "transport_truncated",
            Self::TransportMalformed => "transport_malformed",
            Self::Tunnel => "tunnel",
            Self::TooDeep => "too_deep",
        }
    }
}

/// Frames decoded and frames skipped, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    /// Frames that gave at least one packet.
    pub decoded: u64,
    skipped: [u64; Skip::ALL.len()],
}

impl Skips {
    /// Counts what became of one frame.
    pub fn count(&mut self, outcome: Result<(), Skip>) {
        match outcome {
            Ok(()) => self.decoded += 1,
            Err(skip) => self.skipped[skip as usize] += 1,
        }
    }

    /// Adds those of other frames.
    pub fn add(&mut self, other: &Self) {
        self.decoded += other.decoded;
        self.skipped.iter_mut().zip(other.skipped).for_each(|(sum, count)| *sum += count);
    }

    /// Frames skipped for this reason.
    #[must_use]
    pub fn of(&self, skip: Skip) -> u64 {
        self.skipped[skip as usize]
    }

    /// Frames skipped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.skipped.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let mut skips = Skips::default();
        for (place, skip) in Skip::ALL.into_iter().enumerate() {
            assert_eq!(skip as usize, place);
            skips.count(Err(skip));
            assert_eq!(skips.of(skip), 1);
        }
        skips.count(Ok(()));
        assert_eq!((skips.decoded, skips.total()), (1, 15));
        let mut names: Vec<_> = Skip::ALL.iter().map(|s| s.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Skip::ALL.len());
    }
}
