//! The compiled-in registry table: rows of `rules/iana.tsv`, read where they lie in the binary.
//!
//! Thirteen thousand claims as values cost megabytes and are hardly ever asked about, so what is kept of a
//! row is where it begins and which ports it is about: eight bytes. The row itself is read when somebody
//! asks.
//!
//! The file is built from pinned packages by `rules/tools/build_iana.py` (rules/README.md says how), so it is
//! read with the trust that one has in one's own code: a row that cannot be read is a bug, which the tests
//! find, and is left out.

use std::ops::RangeInclusive;

use crate::wire::Transport;

/// The day of the registry that the table was found equal to, `YYYY-MM-DD`.
///
/// The rows come from packages of 2024-06-12 and 2026-09-17, and the younger of them says of no row when it
/// was taken over. What can be vouched for is the comparison: keys, names and descriptions are those of
/// IANA's own XML of this day, none missing and none extra, but for one name that is younger; its row says
/// so (`Row::seen`). Also in the head of `rules/iana.tsv`; a test compares the two.
pub const SNAPSHOT: &str = "2026-08-17";

/// The day of the older copy that says what is gone, `YYYY-MM-DD`.
pub(super) const OLD_SNAPSHOT: &str = "2015-07-15";

/// The table as it is committed.
pub(super) const TABLE: &str = include_str!("../../rules/iana.tsv");

/// Rows of the table; room is made for them beforehand.
const ROWS: usize = 7356;

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The ports are assigned to `name`.
    Assigned,
    /// The ports are assigned to `name`, which is another (or an older) spelling of a name before it.
    Alias,
    /// Reserved.
    Reserved,
    /// IANA notes that somebody uses the ports without an assignment.
    Noted,
    /// Assigned in 2015 and not any more.
    Gone,
}

/// One row. Dates are `YYYY-MM-DD` or `YYYY-MM`, or empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) ports: (u16, u16),
    /// Letters of the transports: `t`, `u`, `s`, `d`.
    transports: &'static str,
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) registered: &'static str,
    pub(super) modified: &'static str,
    flags: &'static str,
}

impl Row {
    /// The row of this line.
    #[expect(clippy::manual_pattern_char_comparison, reason = "fields are short: walking beats searching")]
    fn of(line: &'static str) -> Option<Self> {
        let mut fields = line.split(|letter: char| letter == '\t');
        let ports = fields.next()?;
        let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
        let mut row = Self {
            ports: (low.parse().ok()?, high.parse().ok()?),
            transports: fields.next()?,
            kind: Kind::Assigned,
            name: fields.next()?,
            description: fields.next()?,
            registered: fields.next()?,
            modified: fields.next()?,
            flags: fields.next()?,
        };
        row.kind = match row.name {
            "-" => Kind::Reserved,
            "!" => Kind::Noted,
            _ if row.flag("gone").is_some() => Kind::Gone,
            _ if row.flag("alias").is_some() => Kind::Alias,
            _ => Kind::Assigned,
        };
        (fields.next().is_none() && row.ports.0 <= row.ports.1).then_some(row)
    }

    /// The transports it is about that this program follows (not DCCP).
    pub(super) fn transports(&self) -> impl Iterator<Item = Transport> + use<> {
        let letters = self.transports;
        [(Transport::Tcp, 't'), (Transport::Udp, 'u'), (Transport::Sctp, 's')]
            .into_iter()
            .filter_map(move |(transport, letter)| letters.contains(letter).then_some(transport))
    }

    /// True when it is about this transport.
    pub(super) fn carries(&self, transport: Transport) -> bool {
        self.transports().any(|one| one == transport)
    }

    /// True when it is about DCCP.
    pub(super) fn is_dccp(&self) -> bool {
        self.transports.contains('d')
    }

    /// The ports it is about.
    pub(super) const fn range(&self) -> RangeInclusive<u16> {
        self.ports.0..=self.ports.1
    }

    /// RFC numbers that the registry gives as its reference, separated by commas.
    pub(super) fn rfcs(&self) -> Option<&'static str> {
        self.flag("rfc")
    }

    /// The day whose registry says what the row says: [`SNAPSHOT`] unless the row is younger.
    pub(super) fn seen(&self) -> &'static str {
        self.flag("seen").unwrap_or(SNAPSHOT)
    }

    /// True when the assignment is younger than the source that has dates.
    pub(super) fn late(&self) -> bool {
        self.flag("late").is_some()
    }

    /// When the assignment of a [`Kind::Gone`] ended: a day, or `by` a day where only that is known.
    pub(super) fn gone(&self) -> Option<&'static str> {
        self.flag("gone")
    }

    /// The day on which an earlier assignment of the ports ended, whose name the sources do not tell.
    pub(super) fn removed(&self) -> Option<&'static str> {
        self.flag("removed")
    }

    /// True when the registry records a use that it calls unassigned but widespread.
    pub(super) fn widespread(&self) -> bool {
        self.flag("widespread").is_some()
    }

    /// True when the name is assigned today.
    pub(super) const fn live(&self) -> bool {
        matches!(self.kind, Kind::Assigned | Kind::Alias)
    }

    fn flag(&self, name: &str) -> Option<&'static str> {
        if self.flags.is_empty() {
            return None;
        }
        self.flags
            .split(';')
            .map(|flag| flag.split_once('=').unwrap_or((flag, "")))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// All rows, in file order: by port, and of one port the name that is meant today first.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    placed().map(|(_, row)| row)
}

/// Every row with the place of its line in [`TABLE`], in bytes.
fn placed() -> impl Iterator<Item = (u32, Row)> {
    let mut next = 0;
    TABLE.split_inclusive('\n').filter_map(move |line| {
        let at = u32::try_from(next).ok()?;
        next += line.len();
        let row = Row::of(line.trim_end_matches('\n')).filter(|_| !line.starts_with('#'))?;
        Some((at, row))
    })
}

/// Where the rows of each port are.
#[derive(Debug)]
pub(super) struct Rows {
    /// In file order: by first port.
    spans: Vec<Span>,
    /// Numbers of the rows about more than one port, in order.
    wide: Vec<usize>,
}

/// Which ports a row is about, and where it lies in [`TABLE`].
#[derive(Clone, Copy, Debug)]
struct Span {
    low: u16,
    high: u16,
    at: u32,
}

impl Rows {
    /// Reads the table once; `each` sees every row, in file order.
    pub(super) fn read(mut each: impl FnMut(&Row)) -> Self {
        let (mut spans, mut wide) = (Vec::with_capacity(ROWS), Vec::new());
        for (at, row) in placed() {
            each(&row);
            let (low, high) = row.ports;
            if low < high {
                wide.push(spans.len());
            }
            spans.push(Span { low, high, at });
        }
        Self { spans, wide }
    }

    /// The rows about a port, in file order, each with its number.
    pub(super) fn on(&self, port: u16) -> impl Iterator<Item = (usize, Row)> {
        let own = self.from(port)..self.spans.partition_point(|span| span.low <= port);
        let wide = self.wide.iter().copied().take_while(move |&number| self.spans[number].low < port);
        let around = wide.filter(move |&number| self.spans[number].high >= port);
        around.chain(own).filter_map(|number| Some((number, self.row(number)?)))
    }

    /// True when no row before this one gives its first port a name that is live on the transport.
    pub(super) fn is_first(&self, number: usize, transport: Transport) -> bool {
        let earlier = self.from(self.spans[number].low)..number;
        !earlier.filter_map(|number| self.row(number)).any(|row| row.live() && row.carries(transport))
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.wide.capacity() * size_of::<usize>()
    }

    /// Number of the first row that begins at `port` or after it.
    fn from(&self, port: u16) -> usize {
        self.spans.partition_point(|span| span.low < port)
    }

    fn row(&self, number: usize) -> Option<Row> {
        TABLE.get(self.spans[number].at as usize..)?.lines().next().and_then(Row::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_row_and_the_head_names_the_snapshot() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((rows().count(), lines), (ROWS, ROWS));
        assert_eq!(TABLE.lines().next(), Some(format!("# snapshot {SNAPSHOT}").as_str()));
    }

    /// PORT_DATA counts 12,341 (port, transport) keys in the registry; reserved rows without a transport are
    /// apart.
    #[test]
    fn counts_are_pinned() {
        let count = |kind| rows().filter(|row| row.kind == kind).count();
        let kinds = [Kind::Assigned, Kind::Alias, Kind::Reserved, Kind::Noted, Kind::Gone].map(count);
        assert_eq!(kinds, [6368, 98, 789, 79, 22]);
    }

    #[test]
    fn rows_are_in_order() {
        let starts: Vec<u16> = rows().map(|row| row.ports.0).collect();
        assert!(starts.is_sorted());
    }
}
