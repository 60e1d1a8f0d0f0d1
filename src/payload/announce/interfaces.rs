//! Well-known RPC interfaces: identifiers and what they are for.
//!
//! Sources: the interface identifiers stated in the Microsoft Open Specifications named beside each row; the
//! Exchange ones in [MS-OXCRPC], [MS-OXABREF] and [MS-NSPI], and (information store, system attendant,
//! message transfer agent, XDS) in J.-B. Marchand, "Windows network services internals", sections on Exchange
//! (hsc.fr/ressources/articles/win_net_srv/msrpc_exchange.html), which lists what a server registers.

/// (identifier as the registry writes it, name).
const INTERFACES: &[(&str, &str)] = &[
    ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", "endpoint mapper"), // C706 appendix O
    ("a4f1db00-ca47-1067-b31f-00dd010662da", "Exchange EMSMDB"), // [MS-OXCRPC]
    ("5261574a-4572-206e-b268-6b199213b4e4", "Exchange AsyncEMSMDB"), // [MS-OXCRPC]
    ("1544f5e0-613c-11d1-93df-00c04fd7bd09", "Exchange directory referral"), // [MS-OXABREF]
    ("f5cc5a18-4264-101a-8c59-08002b2f8426", "Exchange or directory NSPI"), // [MS-NSPI]
    ("a4f1db00-ca47-1067-b31e-00dd010662da", "Exchange store administration"),
    ("99e64010-b032-11d0-97a4-00c04fd6551d", "Exchange store administration"),
    ("89742ace-a9ed-11cf-9c0c-08002be7ae86", "Exchange store administration"),
    ("0e4a0156-dd5d-11d2-8c2f-00c04fb6bcde", "Exchange information store"),
    ("1453c42c-0fa6-11d2-a910-00c04f990f3b", "Exchange information store"),
    ("10f24e8e-0fa6-11d2-a910-00c04f990f3b", "Exchange information store"),
    ("9e8ee830-4459-11ce-979b-00aa005ffebe", "Exchange message transfer agent"),
    ("38a94e72-a9bc-11d2-8faf-00c04fa378ff", "Exchange message transfer agent queues"),
    ("469d6ec0-0d87-11ce-b13f-00aa003bac6c", "Exchange system attendant"),
    ("83d72bf0-0d89-11ce-b13f-00aa003bac6c", "Exchange system attendant"),
    ("f930c514-1215-11d3-99a5-00a0c9b61b04", "Exchange system attendant cluster"),
    ("12345778-1234-abcd-ef00-0123456789ac", "security account manager (samr)"), // [MS-SAMR]
    ("12345778-1234-abcd-ef00-0123456789ab", "local security authority (lsarpc)"), // [MS-LSAD]
    ("12345678-1234-abcd-ef00-01234567cffb", "netlogon"),                        // [MS-NRPC]
    ("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "directory replication (drsuapi)"), // [MS-DRSR]
    ("7c44d7d4-31d5-424c-bd5e-2b3e1f323d22", "directory replication (dsaop)"),   // [MS-DRSR]
    ("367abb81-9844-35f1-ad32-98f038001003", "service control (svcctl)"),        // [MS-SCMR]
    ("4b324fc8-1670-01d3-1278-5a47bf6ee188", "server service (srvsvc)"),         // [MS-SRVS]
    ("6bffd098-a112-3610-9833-46c3f87e345a", "workstation service (wkssvc)"),    // [MS-WKST]
    ("1ff70682-0a51-30e8-076d-740be8cee98b", "task scheduler (atsvc)"),          // [MS-TSCH]
    ("86d35949-83c9-4044-b424-db363231fd0c", "task scheduler"),                  // [MS-TSCH]
    ("378e52b0-c0a9-11cf-822d-00aa0051e40f", "task scheduler (sasec)"),          // [MS-TSCH]
    ("12345678-1234-abcd-ef00-0123456789ab", "print spooler (spoolss)"),         // [MS-RPRN]
    ("76f03f96-cdfd-44fc-a22c-64950a001209", "print spooler (async)"),           // [MS-PAR]
    ("338cd001-2244-31f1-aaaa-900038001003", "remote registry (winreg)"),        // [MS-RRP]
    ("82273fdc-e32a-18c3-3f78-827929dc23ea", "event log"),                       // [MS-EVEN]
    ("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "event log 6"),                     // [MS-EVEN6]
    ("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57", "DCOM activation"),                 // [MS-DCOM]
    ("99fcfec4-5260-101b-bbcb-00aa0021347a", "DCOM object exporter"),            // [MS-DCOM]
    ("000001a0-0000-0000-c000-000000000046", "DCOM system activator"),           // [MS-DCOM]
    ("897e2e5f-93f3-4376-9c9c-fd2277495c27", "DFS replication"),                 // [MS-FRS2]
    ("f5cc59b4-4264-101a-8c59-08002b2f8426", "file replication (frsrpc)"),       // [MS-FRS1]
    ("50abc2a4-574d-40b3-9d66-ee4fd5fba076", "DNS server management"),           // [MS-DNSP]
    ("5b821720-f63b-11d0-aad2-00c04fc324db", "DHCP server management"),          // [MS-DHCPM]
    ("91ae6020-9e3c-11cf-8d7c-00aa00c091be", "certificate enrolment"),           // [MS-ICPR]
    ("2f5f6520-ca46-1067-b319-00dd010662da", "telephony (tapsrv)"),              // [MS-TRP]
    ("3919286a-b10c-11d0-9ba8-00c04fd92ef5", "domain role (dssetup)"),           // [MS-DSSP]
    ("c681d488-d850-11d0-8c52-00c04fd90f7e", "encrypting file system"),          // [MS-EFSR]
    ("8fb6d884-2388-11d0-8c35-00c04fda2795", "Windows time"),                    // [MS-W32T]
    ("f5cc5a7c-4264-101a-8c59-08002b2f8426", "Exchange or directory service (XDS)"),
    ("906b0ce0-c70b-1067-b317-00dd010662da", "transaction coordinator"), // [MS-CMPO]
    ("fdb3a030-065f-11d1-bb9b-00a024ea5525", "message queuing"),         // [MS-MQMP]
    ("4fc742e0-4a10-11cf-8273-00aa004ae673", "DFS namespace management"), // [MS-DFSNM]
    ("894de0c0-0d55-11d3-a322-00c04fa321a1", "remote shutdown"),         // [MS-RSP]
    ("d95afe70-a6d5-4259-822e-2c84da1ddb0d", "remote shutdown"),         // [MS-RSP]
    ("45f52c28-7f9f-101a-b52b-08002b2efabe", "WINS administration"),     // [MS-RAIW]
    ("dea00001-6c97-11d1-8271-00a02442df7d", "PROFINET IO device"),      // IEC 61158-6-10
];

/// The identifier in its usual spelling and, when it is known, the interface's name after a space.
///
/// On the wire the first three fields are little-endian (C706 appendix A with the little-endian
/// representation that towers always use).
pub(super) fn describe(wire: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, node @ ..] = *wire;
    let first = u32::from_le_bytes([a, b, c, d]);
    let (second, third) = (u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    let [i, j, k, l, m, n, o, p] = node;
    let uuid = format!(
        "{first:08x}-{second:04x}-{third:04x}-{i:02x}{j:02x}-{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"
    );
    match INTERFACES.iter().find(|(known, _)| *known == uuid) {
        Some((_, name)) => format!("{uuid} {name}"),
        None => uuid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_well_formed_and_said_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (uuid, name) in INTERFACES {
            assert!(uuid.len() == 36 && *uuid == uuid.to_ascii_lowercase() && !name.is_empty(), "{uuid}");
            assert!(seen.insert(uuid), "{uuid} twice");
        }
    }

    #[test]
    fn an_unknown_interface_keeps_its_identifier() {
        assert_eq!(describe(&[0x11; 16]), "11111111-1111-1111-1111-111111111111");
    }
}
