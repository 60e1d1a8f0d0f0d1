//! The registry: all claims, by transport and port.
//!
//! Two bytes for each port and transport say what the claims on it add up to: status, tags, and whether
//! anything is claimed at all cost an array index. The claims themselves are built from the compiled-in
//! text when somebody asks about a port, and kept for the next time, so that a run pays for the few hundred
//! ports it meets and a start for none.
//!
//! Of one port the order is: IANA's own rows (the name that is meant today first), then curated claims in
//! file order, then the user's.
//!
//! Invariants: `on`, `status` and `why` agree, whatever was asked before; what is kept grows with the ports
//! asked about and never beyond one copy of every claim for each port.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::claim::{Claim, ClaimKind, Claims, PortStatus, Tags};
use super::curated::{self, Ephemeral, Speaks, Standing};
use super::diagnostic::{Diagnostic, Error, Place};
use super::iana::{Kind, OLD_SNAPSHOT, Row, Rows};
use super::outline;
use super::spec::range_name;
use super::standing::{Life, Origin, Signs, Sourced, Told};
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

/// Everything that is claimed about every port. What it says never changes; a reload makes a new one.
#[derive(Debug)]
pub struct Registry {
    rows: Rows,
    speaks: Speaks,
    /// Curated entries in file order, then the claims of users.
    entries: Vec<Entry>,
    cells: [Cells; 3],
    /// Number of claims, each counted once for every port it is about.
    len: usize,
    /// What is said of a port about which nobody says anything.
    nothing: Claims,
}

/// What the claims about a port add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Whether it is in use.
    pub status: PortStatus,
    /// What else is remembered about it.
    pub tags: Tags,
    /// True when its registration itself shows signs of life, whoever else uses it.
    pub registrant_lives: bool,
    /// True when one of the claims is a registration.
    pub is_listed: bool,
}

/// What is known of the ports of one transport.
#[derive(Debug)]
struct Cells {
    /// What the claims add up to, by port.
    signs: Box<[Signs]>,
    /// Which entries are about which ports, in the order of the entries.
    spans: Vec<Span>,
    /// The claims about the ports that were asked about, by the upper and the lower half of the port's bits.
    pages: Box<[OnceLock<Page>]>,
}

/// The claims about 256 ports.
type Page = Box<[OnceLock<Claims>]>;

/// Ports that an entry is about.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: u16,
    high: u16,
    entry: u32,
}

/// An entry of a claim file, read as TOML when it is asked for, or a user's claim.
#[derive(Debug)]
struct Entry {
    text: &'static str,
    recorded: &'static str,
    claims: OnceLock<Vec<(Arc<Claim>, Standing)>>,
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

    /// Number of claims, each counted once for every port it is about.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True when somebody claims something about a port.
    #[must_use]
    pub fn is_claimed(&self, transport: Transport, port: u16) -> bool {
        self.signs(transport, port).has(Signs::CLAIMED)
    }

    /// All claims about a port, IANA's first; empty when nobody claims anything. They are read when a port is
    /// asked about for the first time.
    #[must_use]
    pub fn on(&self, transport: Transport, port: u16) -> &Claims {
        if !self.is_claimed(transport, port) {
            return &self.nothing;
        }
        let [upper, lower] = port.to_be_bytes().map(usize::from);
        let page = self.cells(transport).pages[upper].get_or_init(|| empty(256));
        let claims = || self.said(transport, port).map(|(claim, _)| claim).collect();
        page[lower].get_or_init(claims)
    }

    /// What the claims about a port add up to.
    #[must_use]
    pub fn status(&self, transport: Transport, port: u16) -> PortStatus {
        self.signs(transport, port).status(port)
    }

    /// True when the registration of a port itself shows signs of life, whoever else uses the port.
    #[must_use]
    pub fn registrant_lives(&self, transport: Transport, port: u16) -> bool {
        self.signs(transport, port).registrant_lives()
    }

    /// What the claims about a port add up to, all at once.
    #[must_use]
    pub fn at(&self, transport: Transport, port: u16) -> At {
        let signs = self.signs(transport, port);
        At {
            status: signs.status(port),
            tags: signs.tags(),
            registrant_lives: signs.registrant_lives(),
            is_listed: signs.is_listed(),
        }
    }

    /// What else is remembered about a port.
    #[must_use]
    pub fn tags(&self, transport: Transport, port: u16) -> Tags {
        self.signs(transport, port).tags()
    }

    /// The service name IANA assigns the port to.
    #[must_use]
    pub fn registered_name(&self, transport: Transport, port: u16) -> Option<&'static str> {
        self.registration(transport, port).map(|row| row.name)
    }

    /// The reasons for the status and the tags of a port, in words; never empty.
    #[must_use]
    pub fn why(&self, transport: Transport, port: u16) -> Vec<String> {
        self.told(transport, port).reasons()
    }

    /// What speaks for life on a port.
    pub(super) fn life(&self, transport: Transport, port: u16) -> Life {
        self.told(transport, port).life()
    }

    fn told(&self, transport: Transport, port: u16) -> Told {
        let mut rows = self.rows_on(transport, port).map(|(_, row)| row);
        Told {
            port,
            signs: self.signs(transport, port),
            said: self.said(transport, port).collect(),
            reserved: rows.find(|row| row.kind == Kind::Reserved),
        }
    }

    /// The ranges of client ports that a port lies in, by operating system.
    pub fn ephemeral(&self, port: u16) -> impl Iterator<Item = &'static Ephemeral> {
        ranges().iter().filter(move |range| range.ports.contains(&port))
    }

    /// Whose clients draw numbers like this port, by identifier, most common first; translators left out.
    #[must_use]
    pub fn clients(&self, port: u16) -> Option<&'static str> {
        static RUNS: OnceLock<Vec<(u16, String)>> = OnceLock::new();
        let runs = RUNS.get_or_init(client_runs);
        let run = runs.partition_point(|(first, _)| *first <= port).checked_sub(1)?;
        runs.get(run).map(|(_, systems)| systems.as_str()).filter(|systems| !systems.is_empty())
    }

    /// The row of the table that names the port.
    pub(super) fn registration(&self, transport: Transport, port: u16) -> Option<Row> {
        if !self.signs(transport, port).has(Signs::ASSIGNED) {
            return None;
        }
        self.rows_on(transport, port).map(|(_, row)| row).find(Row::live)
    }

    /// Where the rows of IANA's table are.
    pub(super) const fn rows(&self) -> &Rows {
        &self.rows
    }

    fn rows_on(&self, transport: Transport, port: u16) -> impl Iterator<Item = (usize, Row)> {
        self.rows.on(port).filter(move |(_, row)| row.carries(transport))
    }

    /// The claims about a port, with where they came from.
    fn said(&self, transport: Transport, port: u16) -> impl Iterator<Item = Sourced> {
        let dead = self.signs(transport, port).has(Signs::DEAD);
        let rows = self.rows_on(transport, port).filter(|(_, row)| row.kind != Kind::Reserved);
        let registry = rows.map(move |(number, row)| {
            let first = row.live() && self.rows.is_first(number, transport);
            let speaks = self.speaks.of(&row, transport, first);
            (Arc::new(claim_of(&row, transport, first, &speaks, dead)), Origin::Iana(row))
        });
        let spans = self.cells(transport).spans.iter();
        let spans = spans.filter(move |span| (span.low..=span.high).contains(&port));
        let curated = spans.filter_map(move |span| {
            let entry = self.entries.get(span.entry as usize)?.claims();
            let ports = span.low..=span.high;
            let (claim, standing) =
                entry.iter().find(|(c, _)| c.transport == transport && c.ports == ports)?;
            Some((Arc::clone(claim), Origin::Curated(*standing)))
        });
        registry.chain(curated)
    }

    fn signs(&self, transport: Transport, port: u16) -> Signs {
        self.cells(transport).signs[usize::from(port)]
    }

    const fn cells(&self, transport: Transport) -> &Cells {
        &self.cells[place_of(transport)]
    }

    fn build(extra: &[Place<'_>]) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        let speaks = curated::speaks(SPEAKS, &mut wrong);
        let mut draft = Draft::new();
        let rows = Rows::read(|row| draft.add_row(row, &speaks));
        for place in CLAIMS {
            draft.add_file(place.text);
        }
        let mut ids = if extra.is_empty() { BTreeSet::new() } else { builtin_ids() };
        for &place in extra {
            for (claim, standing) in curated::claims(place, &mut ids, &mut wrong) {
                draft.add_claim(claim, standing);
            }
        }
        if !wrong.is_empty() {
            return Err(Error(wrong));
        }
        let Draft { cells, entries, len, .. } = draft;
        Ok(Self { rows, speaks, entries, cells, len, nothing: Claims::default() })
    }
}

/// The ranges of client ports. Compiled in; a test reads them without a mistake.
fn ranges() -> &'static [Ephemeral] {
    static RANGES: OnceLock<Vec<Ephemeral>> = OnceLock::new();
    RANGES.get_or_init(|| curated::ephemeral(EPHEMERAL, &mut Vec::new()))
}

/// Where the systems whose clients draw numbers change, and who draws from there on.
fn client_runs() -> Vec<(u16, String)> {
    let systems: Vec<_> = ranges().iter().filter(|range| !range.translates).collect();
    let ends = systems.iter().flat_map(|range| {
        let next = range.ports.end().checked_add(1);
        [Some(*range.ports.start()), next].into_iter().flatten()
    });
    let firsts: BTreeSet<u16> = ends.collect();
    let of = |first: u16| {
        let names = systems.iter().filter(|range| range.ports.contains(&first)).map(|range| &*range.id);
        names.collect::<Vec<_>>().join(", ")
    };
    firsts.into_iter().map(|first| (first, of(first))).collect()
}

impl Entry {
    fn claims(&self) -> &[(Arc<Claim>, Standing)] {
        self.claims.get_or_init(|| {
            let read = curated::entry(self.text, self.recorded);
            read.into_iter().map(|(claim, standing)| (Arc::new(claim), standing)).collect()
        })
    }
}

impl Cells {
    fn new() -> Self {
        Self {
            signs: vec![Signs::default(); PORTS].into_boxed_slice(),
            spans: Vec::new(),
            pages: empty(PORTS / 256),
        }
    }

    fn add(&mut self, (low, high): (u16, u16), signs: Signs) {
        for sum in &mut self.signs[usize::from(low)..=usize::from(high)] {
            *sum = sum.and(signs);
        }
    }
}

fn empty<T>(cells: usize) -> Box<[OnceLock<T>]> {
    (0..cells).map(|_| OnceLock::new()).collect()
}

/// A registry while it is read.
struct Draft {
    cells: [Cells; 3],
    entries: Vec<Entry>,
    len: usize,
    /// The port whose first name has been seen last, by transport.
    named: [Option<u16>; 3],
}

impl Draft {
    fn new() -> Self {
        Self { cells: Transport::ALL.map(|_| Cells::new()), entries: Vec::new(), len: 0, named: [None; 3] }
    }

    fn add_row(&mut self, row: &Row, speaks: &Speaks) {
        let known = row.live() && speaks.services.contains_key(row.name);
        for transport in row.transports() {
            let named = &mut self.named[place_of(transport)];
            let first = row.live() && *named != Some(row.ports.0);
            if row.live() {
                *named = Some(row.ports.0);
            }
            let spoken = known || (first && speaks.ports.contains_key(&(transport, row.ports.0)));
            let signs = Signs::of_row(row, spoken);
            self.cells[place_of(transport)].add(row.ports, signs);
            if signs.has(Signs::CLAIMED) {
                self.len += row.range().len();
            }
        }
    }

    /// A compiled-in claim file.
    fn add_file(&mut self, text: &'static str) {
        let recorded = outline::recorded(text);
        for sketch in outline::entries(text) {
            let signs = Signs::of_claim(sketch.kind, sketch.standing);
            for &ports in &sketch.ports {
                for &transport in &sketch.transports {
                    self.add(ports, transport, signs);
                }
            }
            self.entries.push(Entry { text: sketch.text, recorded, claims: OnceLock::new() });
        }
    }

    /// A user's claim.
    fn add_claim(&mut self, claim: Claim, standing: Standing) {
        let signs = Signs::of_claim(claim.kind, standing);
        self.add((*claim.ports.start(), *claim.ports.end()), claim.transport, signs);
        let claims = OnceLock::from(vec![(Arc::new(claim), standing)]);
        self.entries.push(Entry { text: "", recorded: "", claims });
    }

    /// Ports of the entry that comes next.
    fn add(&mut self, ports: (u16, u16), transport: Transport, signs: Signs) {
        let cells = &mut self.cells[place_of(transport)];
        cells.add(ports, signs);
        let (low, high) = ports;
        // A file of 16 MiB does not hold four thousand million claims.
        let entry = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        cells.spans.push(Span { low, high, entry });
        self.len += (low..=high).len();
    }
}

/// Identifiers of the curated claims, which a user's claim may not take.
fn builtin_ids() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for sketch in CLAIMS.iter().flat_map(|place| outline::entries(place.text)) {
        for &(low, high) in &sketch.ports {
            let name = |transport: &Transport| {
                format!("{}/{}/{}", range_name(&(low..=high)), transport.name(), sketch.id)
            };
            ids.extend(sketch.transports.iter().map(name));
        }
    }
    ids
}

/// The claim that a row of the table makes.
fn claim_of(row: &Row, transport: Transport, first: bool, speaks: &[&str], dead: bool) -> Claim {
    let (kind, suffix) = match row.kind {
        Kind::Noted => (ClaimKind::Squatter, "iana-note".to_owned()),
        Kind::Gone => (ClaimKind::FormerlyRegistered, "iana-former".to_owned()),
        _ if first => (ClaimKind::Registered, "iana".to_owned()),
        _ => (ClaimKind::Registered, format!("iana-{}", row.name.to_ascii_lowercase())),
    };
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
        name: if row.kind == Kind::Noted { "unregistered use" } else { row.name }.to_owned(),
        description: row.description.to_owned(),
        since: (!row.registered.is_empty()).then(|| row.registered.to_owned()),
        until: row.gone().filter(|when| !when.starts_with("by ")).map(str::to_owned),
        speaks: speaks.iter().map(|&protocol| protocol.to_owned()).collect(),
        dead: dead && kind == ClaimKind::Registered,
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
mod tests;
