//! Which ATT&CK techniques a rule may name without a remark (those that network traffic can show), and which
//! tactics a technique serves.
//!
//! The numbers are MITRE's (attack.mitre.org, enterprise and ICS matrices), whose terms of use allow copies
//! with attribution: © The MITRE Corporation. This work is reproduced and distributed with the permission of
//! The MITRE Corporation. Only numbers stand here, and only of techniques that show on the wire: a number
//! that is missing is a reason to look twice, not a mistake. All were compared with ATT&CK 18.1 (ICS: MITRE's
//! `attack-stix-data`, commit 7ad8a86f): each is in force, and has so many sub-techniques.
//!
//! Tactics are those of `rules/attack.tsv` (see `rules/README.md`), the whole enterprise matrix.
//!
//! Invariant: ascending, so that a number is found by halving.

use std::sync::LazyLock;

/// Techniques with their tactics' numbers, and tactics with their names, ascending.
static ATTACK: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let lines = include_str!("../../rules/attack.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).collect()
});

/// The version of ATT&CK that [`tactics()`] knows.
pub const ATTACK_VERSION: &str = "18.1";

/// Techniques, each with how many sub-techniques it has (`.001` to that number).
#[rustfmt::skip]
const KNOWN: [(&str, u8); 99] = [
    ("T0802", 0), ("T0803", 0), ("T0804", 0), ("T0805", 0), ("T0806", 0), ("T0812", 0),
    ("T0814", 0), ("T0815", 0), ("T0816", 0), ("T0819", 0), ("T0821", 0), ("T0822", 0),
    ("T0830", 0), ("T0831", 0), ("T0836", 0), ("T0840", 0), ("T0842", 0), ("T0843", 0),
    ("T0845", 0), ("T0846", 0), ("T0848", 0), ("T0855", 0), ("T0856", 0), ("T0857", 0),
    ("T0858", 0), ("T0859", 0), ("T0860", 0), ("T0861", 0), ("T0866", 0), ("T0867", 0),
    ("T0868", 0), ("T0869", 0), ("T0883", 0), ("T0884", 0), ("T0885", 0), ("T0886", 0),
    ("T0888", 0), ("T0889", 0), ("T1001", 3), ("T1008", 0), ("T1011", 1), ("T1016", 2),
    ("T1018", 0), ("T1020", 1), ("T1021", 8), ("T1029", 0), ("T1030", 0), ("T1040", 0),
    ("T1041", 0), ("T1046", 0), ("T1048", 3), ("T1049", 0), ("T1059", 13), ("T1071", 5),
    ("T1078", 4), ("T1090", 4), ("T1095", 0), ("T1102", 3), ("T1104", 0), ("T1105", 0),
    ("T1110", 4), ("T1132", 2), ("T1133", 0), ("T1135", 0), ("T1187", 0), ("T1189", 0),
    ("T1190", 0), ("T1200", 0), ("T1203", 0), ("T1205", 2), ("T1207", 0), ("T1210", 0),
    ("T1212", 0), ("T1219", 3), ("T1482", 0), ("T1496", 4), ("T1498", 2), ("T1499", 4),
    ("T1505", 6), ("T1550", 4), ("T1557", 4), ("T1558", 5), ("T1563", 2), ("T1565", 3),
    ("T1566", 4), ("T1567", 4), ("T1568", 3), ("T1570", 0), ("T1571", 0), ("T1572", 0),
    ("T1573", 2), ("T1590", 6), ("T1592", 4), ("T1595", 3), ("T1599", 1), ("T1602", 2),
    ("T1613", 0), ("T1659", 0), ("T1665", 0),
];

/// True for `T` and four digits, with an optional sub-technique of three: `T1571`, `T1021.004`.
pub(super) fn is_well_formed(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('T') else { return false };
    let (main, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let numeric = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    numeric(main, 4) && numeric(sub, 3)
}

/// True when the technique, and the sub-technique when there is one, is in the list.
pub(super) fn is_known(text: &str) -> bool {
    let (main, sub) = text.split_once('.').unwrap_or((text, ""));
    let Ok(found) = KNOWN.binary_search_by_key(&main, |&(id, _)| id) else { return false };
    sub.is_empty() || sub.parse::<u8>().is_ok_and(|sub| (1..=KNOWN[found].1).contains(&sub))
}

/// Number and name of each tactic that a technique (or its sub-technique) serves, in the order of the matrix;
/// none where it is not of the enterprise matrix.
pub fn tactics(technique: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let main = technique.split('.').next().filter(|main| is_well_formed(main));
    let numbers = main.and_then(find).unwrap_or_default().split(',');
    numbers.filter_map(|tactic| Some((tactic, find(tactic)?)))
}

fn find(number: &str) -> Option<&'static str> {
    let place = ATTACK.binary_search_by_key(&number, |(number, _)| number).ok()?;
    Some(ATTACK[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tactics_are_those_of_the_matrix() {
        assert!(ATTACK.is_sorted() && ATTACK.len() > 200);
        assert!(include_str!("../../rules/attack.tsv").contains(&format!("ATT&CK {ATTACK_VERSION},")));
        let of = |technique| tactics(technique).collect::<Vec<_>>();
        assert_eq!(of("T1571"), [("TA0011", "Command and Control")]);
        assert_eq!(of("T1021.004"), [("TA0008", "Lateral Movement")]);
        assert_eq!(of("T1133"), [("TA0001", "Initial Access"), ("TA0003", "Persistence")]);
        for none in ["T0855", "T9999", "TA0011", ""] {
            assert_eq!(of(none), [], "{none}");
        }
        let enterprise = KNOWN.iter().filter(|(id, _)| !id.starts_with("T0"));
        assert!(enterprise.clone().all(|(id, _)| tactics(id).count() > 0));
    }

    #[test]
    fn the_list_can_be_searched() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|(id, _)| is_well_formed(id) && is_known(id)));
    }

    #[test]
    fn techniques() {
        assert!(is_well_formed("T1571") && is_well_formed("T1021.004"));
        assert!(!is_well_formed("1571") && !is_well_formed("T157") && !is_well_formed("T1571.4"));
        assert!(is_known("T1021.004") && is_known("T0855") && is_known("T1571"));
        assert!(!is_known("T1021.009") && !is_known("T1021.000") && !is_known("T1571.001"));
        assert!(!is_known("T9999"));
    }
}
