//! Tests of the registry: what is said of well-known ports, counts, sources and dates, size.

use super::*;
use crate::registry::SNAPSHOT;
use crate::wire::Transport::{Sctp, Tcp, Udp};

fn ids(transport: Transport, port: u16) -> Vec<&'static str> {
    Registry::builtin().on(transport, port).iter().map(|claim| claim.id.as_str()).collect()
}

fn standing(transport: Transport, port: u16) -> (PortStatus, Vec<&'static str>) {
    let registry = Registry::builtin();
    (registry.status(transport, port), registry.tags(transport, port).names().collect())
}

#[test]
fn the_files_load() {
    if let Err(wrong) = Registry::build(&[]) {
        panic!("{wrong}");
    }
}

#[test]
fn the_four_seed_ports() {
    use PortStatus::Dormant;
    assert_eq!(ids(Tcp, 1207), ["1207/tcp/iana", "1207/tcp/softwar", "1207/tcp/exchange-rpc"]);
    assert_eq!(standing(Tcp, 1207), (Dormant, vec!["remembered", "suspicious"]));
    assert_eq!(standing(Udp, 1207), (Dormant, vec![]));
    assert_eq!(ids(Tcp, 3007), ["3007/tcp/iana", "3007/tcp/miralix-om", "3000-3007/tcp/viewgate-talon"]);
    assert_eq!(standing(Tcp, 3007), (Dormant, vec!["remembered"]));
    assert_eq!(ids(Tcp, 3098), ["3098/tcp/iana", "3098/tcp/software-ag"]);
    assert_eq!(standing(Tcp, 3098), (Dormant, vec![]));
    assert_eq!(ids(Tcp, 3206), ["3206/tcp/iana", "3206/tcp/ironmail-appliance", "3206/tcp/said-unassigned"]);
    assert_eq!(standing(Tcp, 3206), (Dormant, vec!["remembered"]));
    let names = [1207, 3007, 3098, 3206].map(|port| Registry::builtin().registered_name(Tcp, port));
    assert_eq!(names, [Some("metasage"), Some("lotusmtap"), Some("umm-port"), Some("ironmail")]);
    assert!(Registry::builtin().on(Tcp, 3206)[0].dead);
    let why = Registry::builtin().why(Tcp, 3206).join("\n");
    assert!(why.contains("assigned by IANA to ironmail, IronMail POP Proxy"), "{why}");
    assert!(why.contains("nobody runs IronMail"), "{why}");
}

#[test]
fn status_by_signs_of_life() {
    use PortStatus::{Active, Dormant, Dynamic, Reserved, Unassigned};
    let status = |transport, port| standing(transport, port).0;
    for port in [22, 80, 443, 3000, 3306, 5432, 8080, 8443, 27017] {
        assert_eq!(status(Tcp, port), Active, "{port}");
    }
    assert_eq!(status(Udp, 51820), Active); // WireGuard, though dynamic
    assert_eq!(status(Tcp, 51820), Dynamic);
    assert_eq!(status(Tcp, 1), Active); // system port with an assignment
    assert_eq!(status(Tcp, 0), Reserved);
    assert_eq!(status(Tcp, 4), Unassigned);
    assert_eq!(status(Tcp, 27374), Unassigned);
    assert_eq!(status(Tcp, 49151), Reserved);
    assert_eq!(status(Tcp, 49152), Dynamic);
    assert_eq!(status(Tcp, 1863), Dormant); // MSN Messenger: registered and dead
    assert_eq!(status(Sctp, 3007), Unassigned);
    assert_eq!(standing(Tcp, 3980), (Reserved, vec!["remembered"])); // de-assigned 2020-12-29
    assert_eq!(standing(Tcp, 27374).1, ["suspicious"]);
    assert_eq!(standing(Udp, 31337).1, ["suspicious"]);
}

#[test]
fn what_services_speak() {
    let speaks = |transport, port| Registry::builtin().on(transport, port)[0].speaks.join(" ");
    assert_eq!(speaks(Tcp, 80), "http");
    assert_eq!(speaks(Udp, 443), "tls quic");
    assert_eq!(speaks(Tcp, 135), "dcerpc");
    assert_eq!(speaks(Tcp, 445), "smb");
    assert_eq!(speaks(Tcp, 3007), "");
}

/// Ranges are expanded, and of several names on one port the one that is meant today comes first.
#[test]
fn ranges_and_names() {
    assert_eq!(ids(Tcp, 6003)[0], "6000-6063/tcp/iana");
    assert_eq!(ids(Tcp, 3323), ["3322-3325/tcp/iana"]);
    assert_eq!(ids(Tcp, 80), ["80/tcp/iana", "80/tcp/iana-www", "80/tcp/iana-www-http"]);
    assert_eq!(Registry::builtin().registered_name(Tcp, 465), Some("submissions"));
    assert_eq!(ids(Tcp, 7499), ["7499/tcp/iana-note"]);
    let gone = &Registry::builtin().on(Tcp, 2200)[0];
    assert_eq!((gone.name.as_str(), gone.until.as_deref()), ("ici", Some("2019-07-05")));
}

#[test]
fn clients_by_range() {
    let registry = Registry::builtin();
    assert_eq!(registry.clients(1023), None);
    assert!(registry.clients(1207).unwrap().contains("windows-old"));
    assert_eq!(registry.clients(5001), None);
    assert!(registry.clients(40000).unwrap().starts_with("linux, "));
    assert!(!registry.clients(65535).unwrap().contains("linux"));
    for port in 0..=u16::MAX {
        let said: Vec<&str> =
            registry.ephemeral(port).filter(|range| !range.translates).map(|range| &*range.id).collect();
        assert_eq!(registry.clients(port).unwrap_or_default(), said.join(", "), "{port}");
    }
}

#[test]
fn listed_is_what_a_claim_registers() {
    let registry = Registry::builtin();
    for transport in Transport::ALL {
        for port in 0..=u16::MAX {
            let registered = |claim: &Arc<Claim>| claim.kind == ClaimKind::Registered;
            let told = registry.on(transport, port).iter().any(registered);
            assert_eq!(registry.at(transport, port).is_listed, told, "{port}/{transport:?}");
        }
    }
}

#[test]
fn counts_are_pinned() {
    let registry = Registry::builtin();
    let mut counts = [[0_usize; 5]; 3];
    for transport in Transport::ALL {
        for port in 0..=u16::MAX {
            counts[place_of(transport)][registry.status(transport, port) as usize] += 1;
        }
    }
    // active, dormant, unassigned, reserved, dynamic; each row adds up to 65,536
    let pinned =
        [[1762, 4675, 42470, 246, 16383], [1319, 4613, 42587, 634, 16383], [56, 32, 49011, 53, 16384]];
    assert_eq!(counts, pinned);
}

/// Curated entries, each with a source by construction: one for each range and transport.
#[test]
fn every_claim_has_an_id_of_its_own_a_source_and_a_date_of_the_registry() {
    let mut kinds = std::collections::BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for place in CLAIMS {
        let mut names = BTreeSet::new();
        for (claim, _) in curated::claims(place, &mut ids, &mut wrong) {
            assert!(!claim.source.trim().is_empty(), "{}", claim.id);
            assert!(claim.date.len() == 10 && curated::dated(&claim.date), "{}: no date", claim.id);
            assert!(claim.date.as_str() >= "2026-11-21", "{}: older than the project", claim.id);
            assert!(claim.ports.start() <= claim.ports.end(), "{}", claim.id);
            let licensed = ["nmap", "openvas", "psad", "rkhunter", "wikipedia", "dshield"];
            let source = claim.source.to_lowercase();
            assert!(!licensed.iter().any(|name| source.contains(name)), "{}: {source}", claim.id);
            if names.insert(claim.id.rsplit('/').next().unwrap().to_owned()) {
                *kinds.entry(claim.kind).or_insert(0) += 1;
            }
        }
    }
    assert!(wrong.is_empty());
    assert!(kinds[&ClaimKind::Squatter] >= 450, "{kinds:?}");
    assert!(kinds[&ClaimKind::Suspicious] >= 170, "{kinds:?}");
    for port in 0..=u16::MAX {
        for claim in Registry::builtin().on(Tcp, port).iter().filter(|c| c.id.ends_with("/iana")) {
            let date = if claim.ports == (5543..=5543) { "2026-09-17" } else { SNAPSHOT };
            assert_eq!((claim.date.as_str(), claim.checked), (date, true), "{}", claim.id);
            assert!(claim.source.contains(date), "{}", claim.id);
        }
    }
}

#[test]
fn a_users_file_adds_claims_and_mistakes_have_places() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.toml");
    let text = "[[claim]]\nid = \"till\"\nports = 3098\ntransport = \"tcp\"\nkind = \"squatter\"\n\
                name = \"our tills\"\nspeaks = [\"http\"]\nstatus = \"active\"\nsource = \"wiki\"\n";
    std::fs::write(&path, text).unwrap();
    let registry = Registry::load(std::slice::from_ref(&path)).unwrap();
    assert_eq!(registry.status(Tcp, 3098), PortStatus::Active);
    assert_eq!(registry.on(Tcp, 3098).last().unwrap().id, "3098/tcp/till");
    std::fs::write(&path, text.replace("speaks", "spaeks")).unwrap();
    let wrong = Registry::load(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(wrong.starts_with(&format!("{}:7:1: error: unknown field `spaeks`", path.display())), "{wrong}");
    assert!(wrong.ends_with("help: did you mean `speaks`?"), "{wrong}");
    let missing = Registry::load(&[dir.path().join("none.toml")]).unwrap_err().to_string();
    assert!(missing.contains("none.toml: error: No such file"), "{missing}");
}

/// What a start keeps beside the compiled-in text, in bytes: well under 1 MiB. What the maps of `speaks`
/// hold is counted generously.
#[test]
fn a_start_costs_little_memory() {
    let registry = Registry::build(&[]).unwrap();
    let cells = |cells: &Cells| {
        assert!(cells.pages.iter().all(|page| page.get().is_none()), "claims are built before anybody asks");
        cells.signs.len() * size_of::<Signs>()
            + cells.spans.capacity() * size_of::<Span>()
            + size_of_val(&*cells.pages)
    };
    assert!(registry.entries.iter().all(|entry| entry.claims.get().is_none()));
    let spoken = registry.speaks.services.len() + registry.speaks.ports.len();
    let heap = registry.cells.iter().map(cells).sum::<usize>()
        + registry.rows.heap_bytes()
        + registry.entries.capacity() * size_of::<Entry>()
        + spoken * 256;
    assert!((300_000..700_000).contains(&heap), "{heap}");
    assert_eq!((size_of::<Span>(), size_of::<Entry>()), (8, 64));
}

/// The byte of a port, made at the start of numbers alone, is what its claims, read as a whole, add up to.
#[test]
fn status_and_claims_agree_on_every_port() {
    fn shared<T: Send + Sync>(_: &T) {}
    let registry = Registry::builtin();
    shared(registry);
    let mut len = 0;
    for transport in Transport::ALL {
        for port in 0..=u16::MAX {
            let claims = registry.on(transport, port);
            len += claims.len();
            assert_eq!(claims.is_empty(), !registry.is_claimed(transport, port), "{port}");
            assert!(claims.iter().all(|c| c.transport == transport && c.ports.contains(&port)));
            let said = registry.said(transport, port).map(|(claim, origin)| match origin {
                Origin::Iana(row) => Signs::of_row(&row, !claim.speaks.is_empty()),
                Origin::Curated(standing) => Signs::of_claim(claim.kind, standing),
            });
            let reserved = registry.rows_on(transport, port).map(|(_, row)| Signs::of_row(&row, false));
            let sum = said.chain(reserved).fold(Signs::default(), Signs::and);
            assert_eq!(sum, registry.signs(transport, port), "{port}/{}", transport.name());
        }
    }
    assert_eq!(len, registry.len());
    assert!(Arc::ptr_eq(registry.on(Tcp, 3007), registry.on(Tcp, 3007)), "read once");
}

#[test]
fn the_outline_of_a_file_is_what_the_file_says() {
    for place in CLAIMS {
        let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
        let whole = curated::claims(place, &mut ids, &mut wrong);
        assert_eq!(wrong, []);
        let registry = Registry::builtin();
        let sketched: usize = outline::entries(place.text).map(|s| s.ports.len() * s.transports.len()).sum();
        assert_eq!(sketched, whole.len(), "{}: a key is not on a line of its own", place.file);
        for (claim, _) in whole {
            let port = *claim.ports.start();
            let same = registry.on(claim.transport, port).iter().find(|same| same.id == claim.id);
            assert_eq!(same.map(|same| &**same), Some(&claim), "{}", place.file);
        }
    }
    assert!(builtin_ids().contains("3000-3007/tcp/viewgate-talon"));
}

#[test]
fn what_speaks_is_registered() {
    let mut wrong = Vec::new();
    let names: BTreeSet<&str> = crate::registry::iana::rows().filter(Row::live).map(|row| row.name).collect();
    for service in curated::speaks(SPEAKS, &mut wrong).services.keys() {
        assert!(names.contains(service.as_str()), "no service is registered as {service:?}");
    }
    assert!(curated::ephemeral(EPHEMERAL, &mut wrong).len() > 5);
    assert_eq!(wrong, []);
}
