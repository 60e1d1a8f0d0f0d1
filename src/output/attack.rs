//! The techniques of a rule, with the tactics that they serve, in the words of ECS and of OCSF.

use std::iter;

use serde::Serialize;

use super::clean::Text;
use super::{TECHNIQUE_BYTES_MAX, TECHNIQUES_MAX};
use crate::rules::{ATTACK_VERSION, tactics};

/// ECS: `threat`.
#[derive(Serialize)]
pub(super) struct Threat<'a> {
    framework: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tactic: Option<Tactics>,
    technique: Technique<'a>,
}

#[derive(Default, Serialize)]
struct Tactics {
    id: Vec<&'static str>,
    name: Vec<&'static str>,
}

#[derive(Serialize)]
struct Technique<'a> {
    id: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtechnique: Option<Subtechnique<'a>>,
}

#[derive(Serialize)]
struct Subtechnique<'a> {
    id: Vec<Text<'a>>,
}

impl<'a> Threat<'a> {
    /// `None` when there is no technique.
    pub(super) fn new(techniques: &'a [String]) -> Option<Self> {
        let (mut ids, mut subs, mut tactic) = (Vec::new(), Vec::new(), Tactics::default());
        for technique in techniques.iter().take(TECHNIQUES_MAX) {
            let main = technique.split('.').next().unwrap_or(technique);
            ids.push(Text::cut(main, TECHNIQUE_BYTES_MAX));
            if main.len() < technique.len() {
                subs.push(Text::cut(technique, TECHNIQUE_BYTES_MAX));
            }
            for (id, name) in tactics(technique) {
                if !tactic.id.contains(&id) {
                    tactic.id.push(id);
                    tactic.name.push(name);
                }
            }
        }
        let subtechnique = (!subs.is_empty()).then_some(Subtechnique { id: subs });
        let tactic = (!tactic.id.is_empty()).then_some(tactic);
        let (framework, technique) = ("MITRE ATT&CK", Technique { id: ids, subtechnique });
        (!technique.id.is_empty()).then_some(Self { framework, tactic, technique })
    }
}

/// OCSF: `attacks`. One object has room for one tactic.
pub(super) fn attacks(techniques: &[String]) -> Vec<Attack<'_>> {
    const fn uid(text: &str) -> Uid<'_> {
        Uid { uid: Text::cut(text, TECHNIQUE_BYTES_MAX) }
    }
    fn attack(whole: &str, tactic: Option<Tactic>) -> Attack<'_> {
        let (technique, sub_technique) = match whole.split_once('.') {
            Some((main, _)) => (uid(main), Some(uid(whole))),
            None => (uid(whole), None),
        };
        Attack { tactic, technique, sub_technique, version: ATTACK_VERSION }
    }
    let each = techniques.iter().flat_map(|whole| {
        let mut tactics = tactics(whole).map(|(uid, name)| Tactic { uid, name });
        let first = attack(whole, tactics.next());
        iter::once(first).chain(tactics.map(|tactic| attack(whole, Some(tactic))))
    });
    each.take(TECHNIQUES_MAX).collect()
}

/// OCSF: one of `attacks`.
#[derive(Serialize)]
pub(super) struct Attack<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tactic: Option<Tactic>,
    technique: Uid<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_technique: Option<Uid<'a>>,
    version: &'static str,
}

#[derive(Serialize)]
struct Tactic {
    uid: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct Uid<'a> {
    uid: Text<'a>,
}
