//! The registry: all claims, by transport and port.
//!
//! Claims lie one port after the other; a list of offsets per transport says where a port's claims begin, so
//! a look-up is two reads. Of one port the order is: IANA's own rows (the name that is meant today first),
//! then curated claims in file order, then the user's.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::claim::{Claim, ClaimKind, PortStatus, Tags, Tier};
use super::curated::{self, Ephemeral, Speaks, Standing};
use super::diagnostic::{Diagnostic, Error, Place};
use super::iana::{self, Kind, OLD_SNAPSHOT, Row};
use super::spec::range_name;
use super::standing::{Life, Origin, Said};
use crate::wire::Transport;

/// Numbers of ports.
const PORTS: usize = 65_536;
/// Largest claim file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The curated files, compiled in so that the binary works alone.
const CLAIMS: [Place<'static>; 9] = [
    Place { file: "rules/claims/seed.toml", text: include_str!("../../rules/claims/seed.toml") },
    Place { file: "rules/claims/dormant.toml", text: include_str!("../../rules/claims/dormant.toml") },
    Place { file: "rules/claims/squatters.toml", text: include_str!("../../rules/claims/squatters.toml") },
    Place { file: "rules/claims/servers.toml", text: include_str!("../../rules/claims/servers.toml") },
    Place { file: "rules/claims/things.toml", text: include_str!("../../rules/claims/things.toml") },
    Place { file: "rules/claims/people.toml", text: include_str!("../../rules/claims/people.toml") },
    Place { file: "rules/claims/suspicious.toml", text: include_str!("../../rules/claims/suspicious.toml") },
    Place { file: "rules/claims/trojans.toml", text: include_str!("../../rules/claims/trojans.toml") },
    Place { file: "rules/claims/c2.toml", text: include_str!("../../rules/claims/c2.toml") },
];
const SPEAKS: Place<'static> =
    Place { file: "rules/speaks.toml", text: include_str!("../../rules/speaks.toml") };
const EPHEMERAL: Place<'static> =
    Place { file: "rules/ephemeral.toml", text: include_str!("../../rules/ephemeral.toml") };

/// Everything that is claimed about every port. Immutable; a reload makes a new one.
#[derive(Debug)]
pub struct Registry {
    cells: [Cells; 3],
    ephemeral: Vec<Ephemeral>,
}

/// The claims of one transport.
#[derive(Debug)]
struct Cells {
    /// `claims[offsets[port]..offsets[port + 1]]` are those of a port; one more entry than there are ports.
    offsets: Box<[u32]>,
    claims: Vec<Arc<Claim>>,
    /// Where each claim came from; as long as `claims`.
    origins: Vec<Origin>,
    /// Reserved ports, by port.
    reserved: Vec<(u16, &'static Row)>,
    /// Status and tags, by port.
    standing: Box<[(PortStatus, Tags)]>,
}

impl Registry {
    /// The registry that is compiled in.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the files are compiled in; the tests load them")]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Registry> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::build(&[]).expect("the compiled-in registry loads"))
    }

    /// The compiled-in registry and the claims of more files.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its place; nothing of them is used then.
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut texts = Vec::new();
        let mut wrong = Vec::new();
        for path in extra {
            let file = path.display().to_string();
            match read_text(path) {
                Ok(text) => texts.push((file, text)),
                Err(what) => wrong.push(Diagnostic::whole(&file, what)),
            }
        }
        if !wrong.is_empty() {
            return Err(Error(wrong));
        }
        let places: Vec<Place<'_>> = texts.iter().map(|(file, text)| Place { file, text }).collect();
        Self::build(&places)
    }

    /// Number of claims.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.cells.iter().map(|cells| cells.claims.len()).sum()
    }

    /// All claims about a port, IANA's first; empty when nobody claims anything.
    #[must_use]
    pub fn on(&self, transport: Transport, port: u16) -> &[Arc<Claim>] {
        self.cells(transport).claims(port)
    }

    /// What the claims about a port add up to.
    #[must_use]
    pub fn status(&self, transport: Transport, port: u16) -> PortStatus {
        self.cells(transport).standing[usize::from(port)].0
    }

    /// What else is remembered about a port.
    #[must_use]
    pub fn tags(&self, transport: Transport, port: u16) -> Tags {
        self.cells(transport).standing[usize::from(port)].1
    }

    /// The service name IANA assigns the port to.
    #[must_use]
    pub fn registered_name(&self, transport: Transport, port: u16) -> Option<&str> {
        self.registration(transport, port).map(|row| row.name)
    }

    /// The reasons for the status and the tags of a port, in words; never empty.
    #[must_use]
    pub fn why(&self, transport: Transport, port: u16) -> Vec<String> {
        let said = self.cells(transport).said(port);
        let mut reasons = Vec::new();
        said.status(&mut |reason| reasons.push(reason.to_string()));
        said.tags(&mut |reason| reasons.push(reason.to_string()));
        reasons
    }

    /// What speaks for life on a port.
    pub(super) fn life(&self, transport: Transport, port: u16) -> Life<'_> {
        self.cells(transport).said(port).life()
    }

    /// The ranges of client ports that a port lies in, by operating system.
    pub fn ephemeral(&self, port: u16) -> impl Iterator<Item = &Ephemeral> {
        self.ephemeral.iter().filter(move |range| range.ports.contains(&port))
    }

    /// The row of the table that names the port.
    pub(super) fn registration(&self, transport: Transport, port: u16) -> Option<&'static Row> {
        self.cells(transport).said(port).origins.iter().find_map(|origin| match origin {
            Origin::Iana(row) if row.live() => Some(*row),
            Origin::Iana(_) | Origin::Curated(_) => None,
        })
    }

    const fn cells(&self, transport: Transport) -> &Cells {
        &self.cells[place_of(transport)]
    }

    fn build(extra: &[Place<'_>]) -> Result<Self, Error> {
        let rows = iana::rows();
        let mut wrong = Vec::new();
        let names: BTreeSet<&str> = rows.iter().filter(|row| row.live()).map(|row| row.name).collect();
        let speaks = curated::speaks(SPEAKS, &names, &mut wrong);
        let mut curated_claims = Vec::new();
        let mut ids = BTreeSet::new();
        for &place in CLAIMS.iter().chain(extra) {
            curated_claims.extend(curated::claims(place, &mut ids, &mut wrong));
        }
        let ephemeral = curated::ephemeral(EPHEMERAL, &mut wrong);
        if !wrong.is_empty() {
            return Err(Error(wrong));
        }
        let mut drafts = Transport::ALL.map(|_| Draft::default());
        for row in rows {
            for transport in row.transports() {
                drafts[place_of(transport)].add_row(row, transport, &speaks);
            }
        }
        for (claim, standing) in curated_claims {
            let transport = claim.transport;
            drafts[place_of(transport)].add(Arc::new(claim), Origin::Curated(standing));
        }
        Ok(Self { cells: drafts.map(Draft::finish), ephemeral })
    }
}

impl Cells {
    fn claims(&self, port: u16) -> &[Arc<Claim>] {
        &self.claims[self.range(port)]
    }

    fn range(&self, port: u16) -> std::ops::Range<usize> {
        let port = usize::from(port);
        self.offsets[port] as usize..self.offsets[port + 1] as usize
    }

    fn said(&self, port: u16) -> Said<'_> {
        let range = self.range(port);
        let reserved = self.reserved.binary_search_by_key(&port, |&(port, _)| port);
        Said {
            port,
            claims: &self.claims[range.clone()],
            origins: &self.origins[range],
            reserved: reserved.ok().map(|place| self.reserved[place].1),
        }
    }
}

/// The claims of one transport in the order in which they came.
#[derive(Default)]
struct Draft {
    entries: Vec<(u16, Arc<Claim>, Origin)>,
    reserved: Vec<(u16, &'static Row)>,
    /// The port whose first name has been seen last: its further names get ids of their own.
    named: Option<u16>,
}

impl Draft {
    fn add_row(&mut self, row: &'static Row, transport: Transport, speaks: &Speaks) {
        if row.kind == Kind::Reserved {
            self.reserved.extend(row.range().map(|port| (port, row)));
            return;
        }
        let first = row.live() && self.named != Some(row.ports.0);
        if row.live() {
            self.named = Some(row.ports.0);
        }
        self.add(Arc::new(claim_of(row, transport, first, speaks)), Origin::Iana(row));
    }

    fn add(&mut self, claim: Arc<Claim>, origin: Origin) {
        for port in claim.ports.clone() {
            self.entries.push((port, Arc::clone(&claim), origin));
        }
    }

    fn finish(mut self) -> Cells {
        self.bury();
        self.entries.sort_by_key(|&(port, ..)| port); // stable: the order of one port stays
        self.reserved.sort_by_key(|&(port, _)| port);
        let mut offsets = vec![0_u32; PORTS + 1].into_boxed_slice();
        for &(port, ..) in &self.entries {
            offsets[usize::from(port) + 1] += 1;
        }
        for port in 0..PORTS {
            offsets[port + 1] += offsets[port];
        }
        let (mut claims, mut origins) = (Vec::new(), Vec::new());
        for (_, claim, origin) in self.entries {
            claims.push(claim);
            origins.push(origin);
        }
        let mut cells = Cells { offsets, claims, origins, reserved: self.reserved, standing: Box::default() };
        cells.standing = (0..=u16::MAX).map(of_tier).collect();
        // Most ports are named by nobody; only the others cost a thought.
        let named = (0..=u16::MAX).filter(|&port| !cells.range(port).is_empty());
        let mut ports: Vec<u16> = named.chain(cells.reserved.iter().map(|&(port, _)| port)).collect();
        ports.sort_unstable();
        ports.dedup();
        for port in ports {
            let said = cells.said(port);
            let standing = (said.status(&mut |_| {}), said.tags(&mut |_| {}));
            cells.standing[usize::from(port)] = standing;
        }
        cells
    }

    /// Marks the registry's claims on ports whose registrant is gone as dead.
    fn bury(&mut self) {
        let dead: BTreeSet<u16> = self
            .entries
            .iter()
            .filter(|(_, claim, origin)| {
                claim.kind == ClaimKind::Registered && matches!(origin, Origin::Curated(Standing::Dead))
            })
            .map(|&(port, ..)| port)
            .collect();
        for (port, claim, origin) in &mut self.entries {
            if claim.kind == ClaimKind::Registered && matches!(origin, Origin::Iana(_)) && dead.contains(port)
            {
                Arc::make_mut(claim).dead = true;
            }
        }
    }
}

/// Status and tags of a port about which nobody says anything.
fn of_tier(port: u16) -> (PortStatus, Tags) {
    let dynamic = Tier::of(port) == Tier::Dynamic;
    (if dynamic { PortStatus::Dynamic } else { PortStatus::Unassigned }, Tags::default())
}

/// The claim that a row of the table makes.
fn claim_of(row: &'static Row, transport: Transport, first: bool, speaks: &Speaks) -> Claim {
    let (kind, suffix) = match row.kind {
        Kind::Noted => (ClaimKind::Squatter, "iana-note".to_owned()),
        Kind::Gone => (ClaimKind::FormerlyRegistered, "iana-former".to_owned()),
        _ if first => (ClaimKind::Registered, "iana".to_owned()),
        _ => (ClaimKind::Registered, format!("iana-{}", row.name.to_ascii_lowercase())),
    };
    let mut said: Vec<String> = Vec::new();
    if row.live() {
        let service = speaks.services.get(row.name).into_iter().flatten();
        let own = speaks.ports.get(&(transport, row.ports.0)).into_iter().flatten().filter(|_| first);
        for protocol in service.chain(own) {
            if !said.contains(protocol) {
                said.push(protocol.clone());
            }
        }
    }
    let mut source = format!("IANA service name and port number registry, {}", row.seen());
    if let Some(rfcs) = row.rfcs() {
        source.push_str(&format!(" (RFC {})", rfcs.replace(',', ", RFC ")));
    }
    if let Some(when) = row.gone() {
        let verb = if when.starts_with("by ") { "gone" } else { "de-assigned" };
        source.push_str(&format!("; named in that of {OLD_SNAPSHOT}, {verb} {when}"));
    }
    Claim {
        id: format!("{}/{}/{suffix}", range_name(&row.range()), transport.name()),
        transport,
        ports: row.range(),
        kind,
        name: if row.kind == Kind::Noted { "unregistered use".to_owned() } else { row.name.to_owned() },
        description: row.description.to_owned(),
        since: (!row.registered.is_empty()).then(|| row.registered.to_owned()),
        until: row.gone().filter(|when| !when.starts_with("by ")).map(str::to_owned),
        speaks: said,
        dead: false,
        confidence: if row.kind == Kind::Noted { 50 } else { 100 },
        source,
        date: row.seen().to_owned(),
        checked: true,
        url: None,
    }
}

const fn place_of(transport: Transport) -> usize {
    match transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
        Transport::Sctp => 2,
    }
}

/// A file as text. Shared with the `rules` room.
///
/// # Errors
/// What is wrong, in words: it cannot be read, is longer than 16 MiB, or is not UTF-8.
pub fn read_text(path: &std::path::Path) -> Result<String, String> {
    text_of(std::fs::File::open(path).map_err(|error| error.to_string())?)
}

/// The rest of a file, or of a pipe, as text.
///
/// # Errors
/// As [`read_text`].
pub fn text_of(file: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let len = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if len as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "more than {FILE_BYTES_MAX} bytes, the most that a file of claims or rules may have"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("not UTF-8 text: byte {} does not belong there", error.utf8_error().valid_up_to())
    })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            ids(Tcp, 3206),
            ["3206/tcp/iana", "3206/tcp/ironmail-appliance", "3206/tcp/said-unassigned"]
        );
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
        assert!(
            gone.source.ends_with("; named in that of 2015-07-15, de-assigned 2019-07-05"),
            "{}",
            gone.source
        );
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
            [[1769, 4679, 42459, 246, 16383], [1314, 4617, 42588, 634, 16383], [56, 32, 49011, 53, 16384]];
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
        assert!(
            wrong.starts_with(&format!("{}:7:1: error: unknown field `spaeks`", path.display())),
            "{wrong}"
        );
        assert!(wrong.ends_with("help: did you mean `speaks`?"), "{wrong}");
        let missing = Registry::load(&[dir.path().join("none.toml")]).unwrap_err().to_string();
        assert!(missing.contains("none.toml: error: No such file"), "{missing}");
    }

    #[test]
    fn loading_is_quick() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&Registry::build(&[]).unwrap());
    }
}
