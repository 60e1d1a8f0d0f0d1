//! The small part of regular expressions that a schema of records uses: literals, `.`, classes, `\d`, groups
//! with alternatives, and the repetitions `?`, `*`, `+`, `{n}`, `{n,m}`; anchors at both ends. Anything else
//! panics, so that a pattern is never silently believed to fit.

/// True when `pattern` matches somewhere in `text` (everywhere, when it is anchored).
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (anchored, rest) = match pattern.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, &pattern[..]),
    };
    let starts = if anchored { 0..=0 } else { 0..=text.len() };
    starts.into_iter().any(|start| !alternatives(rest, &text, start).is_empty())
}

/// Every place where a match that begins at `from` can end.
fn alternatives(pattern: &[char], text: &[char], from: usize) -> Vec<usize> {
    split(pattern).into_iter().flat_map(|one| sequence(one, text, from)).collect()
}

fn sequence(pattern: &[char], text: &[char], from: usize) -> Vec<usize> {
    if pattern.is_empty() {
        return vec![from];
    }
    if pattern == ['$'] {
        return if from == text.len() { vec![from] } else { Vec::new() };
    }
    let atom = atom_length(pattern);
    let (least, most, quantifier) = repetition(&pattern[atom..]);
    let rest = &pattern[atom + quantifier..];
    let (mut ends, mut reached, mut times) = (Vec::new(), vec![from], 0);
    loop {
        if times >= least {
            ends.extend(reached.iter().flat_map(|&at| sequence(rest, text, at)));
        }
        if times == most || reached.is_empty() {
            return ends;
        }
        reached = reached.iter().flat_map(|&at| atom_ends(&pattern[..atom], text, at)).collect();
        reached.sort_unstable();
        reached.dedup();
        times += 1;
    }
}

/// Where one atom that begins at `at` can end.
fn atom_ends(atom: &[char], text: &[char], at: usize) -> Vec<usize> {
    if atom[0] == '(' {
        let inside = &atom[1..atom.len() - 1];
        let inside = inside.strip_prefix(&['?', ':'][..]).unwrap_or(inside);
        return alternatives(inside, text, at);
    }
    let Some(&c) = text.get(at) else { return Vec::new() };
    let right = match atom {
        ['.'] => true,
        ['\\', kind] => escape(*kind, c),
        ['[', '^', inside @ .., ']'] => !class(inside, c),
        ['[', inside @ .., ']'] => class(inside, c),
        [literal] => *literal == c,
        _ => false,
    };
    if right { vec![at + 1] } else { Vec::new() }
}

fn escape(kind: char, c: char) -> bool {
    match kind {
        'd' => c.is_ascii_digit(),
        'w' => c.is_ascii_alphanumeric() || c == '_',
        's' => c.is_whitespace(),
        kind if kind.is_ascii_alphanumeric() => panic!("the pattern's \\{kind} is not known here"),
        literal => literal == c,
    }
}

fn class(inside: &[char], c: char) -> bool {
    let mut at = 0;
    while at < inside.len() {
        match inside[at..] {
            ['\\', kind, ..] => {
                if escape(kind, c) {
                    return true;
                }
                at += 2;
            }
            [low, '-', high, ..] => {
                if (low..=high).contains(&c) {
                    return true;
                }
                at += 3;
            }
            [literal, ..] => {
                if literal == c {
                    return true;
                }
                at += 1;
            }
            [] => {}
        }
    }
    false
}

/// Length of the atom that a pattern begins with.
fn atom_length(pattern: &[char]) -> usize {
    match pattern[0] {
        '\\' => 2,
        '[' => {
            // A `]` right behind the opening is meant literally.
            let from = if pattern.get(1) == Some(&'^') { 3 } else { 2 };
            from + pattern[from..].iter().position(|&c| c == ']').expect("a class is closed") + 1
        }
        '(' => {
            let mut depth = 0;
            for (at, &c) in pattern.iter().enumerate() {
                match c {
                    '(' => depth += 1,
                    ')' if depth == 1 => return at + 1,
                    ')' => depth -= 1,
                    _ => {}
                }
            }
            panic!("a group is closed")
        }
        _ => 1,
    }
}

/// Least, most, and the length of the quantifier that `rest` begins with.
fn repetition(rest: &[char]) -> (usize, usize, usize) {
    match rest.first() {
        Some('?') => (0, 1, 1),
        Some('*') => (0, usize::MAX, 1),
        Some('+') => (1, usize::MAX, 1),
        Some('{') => {
            let end = rest.iter().position(|&c| c == '}').expect("a repetition is closed");
            let inside: String = rest[1..end].iter().collect();
            let number = |text: &str| text.parse().expect("a repetition is a number");
            let (least, most) = match inside.split_once(',') {
                Some((least, "")) => (number(least), usize::MAX),
                Some((least, most)) => (number(least), number(most)),
                None => (number(&inside), number(&inside)),
            };
            (least, most, end + 1)
        }
        _ => (1, 1, 0),
    }
}

/// The alternatives of a pattern, split at the bars that lie in no group and no class.
fn split(pattern: &[char]) -> Vec<&[char]> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at < pattern.len() {
        if pattern[at] == '|' {
            parts.push(&pattern[from..at]);
            from = at + 1;
            at += 1;
        } else {
            at += atom_length(&pattern[at..]).min(pattern.len() - at);
        }
    }
    parts.push(&pattern[from..]);
    parts
}

#[test]
fn patterns_fit_and_do_not() {
    let time = r"^[0-9]{4}-\d{2}-\d{2}T[\d:]+\.\d{6}\+0000$";
    assert!(fits(time, "2026-01-01T00:00:00.000000+0000"));
    assert!(!fits(time, "2026-01-01T00:00:00.00000+0000"));
    assert!(fits(r"^(tcp|udp)/(?:\d+)$", "udp/53") && !fits(r"^(tcp|udp)/(?:\d+)$", "udp/"));
    assert!(fits("^[^a-c]*x?$", "dddx") && !fits("^[^a-c]*x?$", "bx"));
    assert!(fits("b", "abc") && !fits("^b", "abc") && fits("^a{1,2}b+", "aabb") && !fits("^a{3,}", "aab"));
}
