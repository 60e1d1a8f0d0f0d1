//! The whole picture at several widths, plain and coloured, with hostile text in it.

use super::*;
use crate::bucket::tests::verdict;
use crate::output::FlowTotals;
use crate::output::tests::{alert, buckets, claim, full, skips};
use crate::time::Timestamp;

fn picture(look: Look) -> String {
    let (mut buckets, mut findings, skips) = (buckets(), Findings::new(), skips());
    for client in 0..200_u16 {
        let mut scan = verdict(client, 40_000 + client % 3, Story::Scan);
        scan.evidence.claims = [claim("x", "a-very-long-service-name-indeed")].into();
        buckets.add(&scan, 0);
    }
    findings.add(&alert(full()));
    findings.add(&alert(full()));
    let mut strange = alert(verdict(2, 1207, Story::UnidentifiedListener));
    strange.signature = "\u{1b}[2J\u{9b}31m\u{202e}owned\r\n".into();
    findings.add(&strange);
    let mut far = alert(verdict(3, 3098, Story::SuspectedMalware));
    std::sync::Arc::make_mut(&mut far.rule).severity = Severity::High;
    findings.add(&far);
    let stats = Stats {
        clock: Timestamp::default(),
        read: 1_234_567,
        bytes: 987_654_321,
        skips: &skips,
        flows: FlowTotals::default(),
        alerts: 3,
        alerted_flows: 4,
        held_back: 0,
        closed_early: 0,
        suppressed: 1,
        expected: 2,
        loss: None,
        damaged: 1,
        lines_lost: 0,
    };
    render(&buckets, &findings, &stats, look)
}

#[test]
fn stays_within_any_width_and_hands_no_control_to_the_terminal() {
    for width in [0, 60, 80, 100, 140, 200] {
        let text = picture(Look { width, ..Look::default() });
        if width == 80 || width == 140 {
            println!("{text}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width.max(WIDTH_MIN)), "{width}: {line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        for word in
            ["3007/tcp", "FINDINGS", "nonstandard_port", "skipped 3: not_ip 2, icmp 1", "1.2M frames", "×2"]
        {
            assert!(text.contains(word), "{width}: no {word} in\n{text}");
        }
        assert!(text.find(" high").unwrap() < text.find(" medium").unwrap());
        assert!(!text.contains('\u{202e}'));
    }
}

#[test]
fn colours_only_when_told_and_without_changing_the_text() {
    let plain = picture(Look::default());
    let coloured = picture(Look { color: true, ..Look::default() });
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}["));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn what_is_not_shown_is_counted() {
    let text = picture(Look { rows_max: 1, ..Look::default() });
    assert!(text.contains("and 4 more ports with 214 flows"), "{text}");
    assert!(text.contains("and 2 more alerts"), "{text}");
}

#[test]
fn names_can_be_left_out() {
    assert!(!picture(Look { names: false, ..Look::default() }).contains("a-very-long"));
}

#[test]
fn nothing_seen_is_one_line() {
    let skips = crate::wire::Skips::default();
    let stats = Stats {
        clock: Timestamp::MIN,
        read: 0,
        bytes: 0,
        skips: &skips,
        flows: FlowTotals::default(),
        alerts: 0,
        alerted_flows: 0,
        held_back: 0,
        closed_early: 0,
        suppressed: 0,
        expected: 0,
        loss: None,
        damaged: 0,
        lines_lost: 0,
    };
    let text = render(&Buckets::new(), &Findings::new(), &stats, Look::default());
    assert_eq!(text.trim(), "0 frames · 0 B · 0 flows · 0 ports · 0 alerts");
}

#[test]
fn words_wrap_and_monsters_break() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    assert_eq!(short(99_999), "99999");
    assert_eq!(short(1_234_567), "1.2M");
}
