//! The outline of a compiled-in claim file: where its entries lie, and what of each decides a port's status.
//!
//! Reading the files as TOML takes longer than a whole start may take, and of the entries few are ever
//! asked about. So the start looks only at the four keys that the status depends on; an entry is read as
//! TOML when somebody asks. The files are compiled in, so the tests read all of them both ways and compare,
//! and what the outline cannot read is left out here and found there: each of the four keys is on one line,
//! without a comment. Files of users are read as TOML at once, because they may have mistakes.
//!
//! Invariants: pure; nothing is copied from the text but numbers.

use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use super::claim::ClaimKind;
use super::curated::{Carrier, Kind, Standing};
use crate::wire::Transport;

/// What begins an entry.
const HEAD: &str = "[[claim]]\n";

/// An entry, without its words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sketch {
    /// Identifier in the file, without ports and transport.
    pub(super) id: &'static str,
    /// First and last port of each range.
    pub(super) ports: Vec<(u16, u16)>,
    pub(super) transports: Vec<Transport>,
    pub(super) kind: ClaimKind,
    pub(super) standing: Standing,
    /// The entry as TOML.
    pub(super) text: &'static str,
}

/// The day a file says its entries were recorded; empty when it does not say it.
pub(super) fn recorded(file: &'static str) -> &'static str {
    let head = file.find(HEAD).map_or(file, |end| &file[..end]);
    keys(head).find_map(|(key, value)| (key == "recorded").then_some(unquoted(value))).unwrap_or_default()
}

/// The entries of a file, in order.
pub(super) fn entries(file: &'static str) -> impl Iterator<Item = Sketch> {
    let heads = file.match_indices(HEAD).map(|(at, _)| at);
    let ends = heads.clone().skip(1).chain([file.len()]);
    heads.zip(ends).filter_map(|(from, to)| sketch(&file[from..to]))
}

fn sketch(text: &'static str) -> Option<Sketch> {
    let (mut id, mut ports, mut transports, mut kind) = (None, Vec::new(), Vec::new(), None);
    let mut standing = Standing::default();
    for (key, value) in keys(text) {
        match key {
            "id" => id = Some(unquoted(value)),
            "ports" => ports = words(value).map(range).collect::<Option<_>>()?,
            "transport" => {
                transports =
                    words(value).map(|word| named(word).map(Carrier::transport)).collect::<Option<_>>()?;
            }
            "kind" => kind = Some(named::<Kind>(unquoted(value))?.kind()),
            "status" => standing = named(unquoted(value))?,
            _ => {}
        }
    }
    Some(Sketch { id: id?, ports, transports, kind: kind?, standing, text })
}

/// The lines that give a key a value.
fn keys(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim_end(), value.trim()))
}

/// The elements of an array, or the one value.
fn words(value: &'static str) -> impl Iterator<Item = &'static str> {
    value.trim_matches(['[', ']']).split(',').map(|word| unquoted(word.trim()))
}

fn unquoted(value: &'static str) -> &'static str {
    value.trim_matches('"')
}

fn range(word: &str) -> Option<(u16, u16)> {
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// A word that serde knows.
fn named<T: Deserialize<'static>>(word: &'static str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(word)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_sketched() {
        let file = "# x\nrecorded = \"2026-11-21\"\n\n[[claim]]\nid = \"a\"\nports = [7, \"9-10\"]\n\
                    transport = [\"tcp\", \"udp\"]\nkind = \"squatter\"\nname = \"A = B\"\n\n\
                    [[claim]]\nid = \"b\"\nports = 8\ntransport = \"sctp\"\nkind = \"registered\"\n\
                    status = \"dead\"\n";
        assert_eq!(recorded(file), "2026-11-21");
        let found: Vec<Sketch> = entries(file).collect();
        assert_eq!((found[0].id, found[0].ports.as_slice()), ("a", &[(7, 7), (9, 10)][..]));
        assert_eq!(found[0].transports, [Transport::Tcp, Transport::Udp]);
        assert_eq!((found[0].kind, found[0].standing), (ClaimKind::Squatter, Standing::Historic));
        assert_eq!((found[1].ports.as_slice(), found[1].standing), (&[(8, 8)][..], Standing::Dead));
        assert!(found[0].text.starts_with(HEAD) && found[0].text.ends_with("A = B\"\n\n"));
        assert_eq!(found.len(), 2);
        assert_eq!(entries("[[claim]]\nid = \"a\"\nports = 70000\n").count(), 0);
    }
}
