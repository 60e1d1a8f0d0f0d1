//! The small words of claim and rule files: port sets, one-or-many lists, and reading TOML with places.
//!
//! A list of one may be written without brackets, and a port as a number or as a range in quotes, because
//! people write these files by hand. Shared with the `rules` room.
//!
//! Invariants: a [`Ports`] is never empty and no range in it is; reading never panics, on any text.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::Ranges;
use super::diagnostic::{Diagnostic, Place};

/// A text with its place in the file.
pub type Text = toml::Spanned<String>;

/// Reads a TOML document.
///
/// # Errors
/// The first mistake, with its place; for a misspelt key or word, what was probably meant.
pub fn parse<T: DeserializeOwned>(place: Place<'_>) -> Result<T, Diagnostic> {
    toml::from_str(place.text).map_err(|error| {
        let what = error.message();
        let found = Diagnostic::error(place, error.span().unwrap_or(0..0), what);
        match meant(what) {
            Some(word) => found.help(format!("did you mean `{word}`?")),
            None => found,
        }
    })
}

/// True for lower-case names such as `miralix-om`: letters, digits, `-`, `_` and `.`, at most 64 bytes.
#[must_use]
pub fn slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// The candidate closest to `word`, when it is close enough to be a slip of the finger.
pub(crate) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(slips, candidate)| slips <= 1 + candidate.len() / 4)
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, candidate)| candidate)
}

/// The word meant in serde's "unknown field `x`, expected one of `a`, `b`".
fn meant(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let written = quoted.next()?;
    closest(written, quoted)
}

/// Levenshtein's distance: insertions, deletions and replacements that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter_a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, letter_b) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(letter_a != letter_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// One value, or an array of them that is not empty.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or an array of values")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Self::Value, A::Error> {
        let many = Vec::deserialize(SeqAccessDeserializer::new(many))?;
        if many.is_empty() {
            return Err(A::Error::custom("an empty list matches nothing"));
        }
        Ok(OneOrMany(many))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let one = T::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(OneOrMany(vec![one]))
    }
}

/// A set of ports: `3007`, `"3000-3007"`, or an array of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    listed: Vec<RangeInclusive<u16>>,
    ranges: Ranges<u16>,
}

impl Ports {
    /// As they were listed.
    pub(crate) fn listed(&self) -> std::slice::Iter<'_, RangeInclusive<u16>> {
        self.listed.iter()
    }

    /// True when the port is in it.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.ranges.cover(port, port)
    }

    /// True when all ports of the other set are in it.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        other.ranges.iter().all(|(first, last)| self.ranges.cover(first, last))
    }

    /// The ports, where they are so few.
    pub fn few(&self, most: usize) -> Option<impl Iterator<Item = u16>> {
        let ranges = || self.ranges.iter().map(|(first, last)| first..=last);
        (ranges().map(|range| range.len()).sum::<usize>() <= most).then(|| ranges().flatten())
    }
}

impl From<Vec<RangeInclusive<u16>>> for Ports {
    fn from(listed: Vec<RangeInclusive<u16>>) -> Self {
        let ranges = listed.iter().map(|range| (*range.start(), *range.end())).collect();
        Self { listed, ranges }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.listed().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{}", range_name(range))?;
        }
        Ok(())
    }
}

/// `3007` or `3000-3007`.
pub(crate) fn range_name(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}-{}", range.start(), range.end())
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

struct PortsVisitor;

impl<'de> Visitor<'de> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port such as 3007, a range such as \"3000-3007\", or an array of these")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Ports, E> {
        let port = u16::try_from(number)
            .map_err(|_| E::custom(format_args!("{number} is not a port: ports are 0 to 65535")))?;
        Ok(vec![port..=port].into())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Ports, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ports, E> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (Ok(low), Ok(high)) = (low.trim().parse::<u16>(), high.trim().parse::<u16>()) else {
            return Err(E::custom(format_args!("{text:?} is not a port or a range such as \"3000-3007\"")));
        };
        if low > high {
            return Err(E::custom(format_args!("empty range: {low} is above {high}")));
        }
        Ok(vec![low..=high].into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut many: A) -> Result<Ports, A::Error> {
        let mut listed = Vec::new();
        while let Some(one) = many.next_element::<Ports>()? {
            listed.extend(one.listed);
        }
        if listed.is_empty() {
            return Err(A::Error::custom("an empty list of ports matches nothing"));
        }
        Ok(listed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(default)]
        ports: Ports,
        #[serde(default)]
        names: OneOrMany<String>,
    }

    fn read(text: &str) -> Result<Document, String> {
        parse(Place { file: "f.toml", text })
            .map_err(|e| format!("{}:{} {} {:?}", e.line, e.column, e.what, e.help))
    }

    #[test]
    fn ports_are_numbers_ranges_and_arrays() {
        assert_eq!(read("ports = 3007").unwrap().ports.to_string(), "3007");
        let many = read("ports = [1, \"3-5\", \"9\"]\nnames = 'a'").unwrap();
        assert_eq!(many.ports.to_string(), "1, 3-5, 9");
        assert!(many.ports.contains(4) && !many.ports.contains(6));
        assert_eq!(many.names.0, ["a"]);
    }

    #[test]
    fn mistakes_have_places() {
        let said = |text: &str| read(text).unwrap_err();
        assert_eq!(said("ports = 70000"), "1:9 70000 is not a port: ports are 0 to 65535 None");
        assert_eq!(said("\nports = [1, \"9-3\"]"), "2:13 empty range: 9 is above 3 None");
        assert_eq!(said("ports = []"), "1:9 an empty list of ports matches nothing None");
        assert_eq!(said("names = []"), "1:9 an empty list matches nothing None");
        assert!(said("prots = 1").starts_with("1:1 unknown field `prots`"));
        assert!(said("prots = 1").ends_with("Some(\"did you mean `ports`?\")"));
        assert!(said("ports = ").starts_with("1:9 "));
    }

    #[test]
    fn slips_of_the_finger() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(closest("statsu", ["status", "story"].into_iter()), Some("status"));
        assert_eq!(closest("zzz", ["status", "story"].into_iter()), None);
    }
}
