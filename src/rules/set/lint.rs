//! What is doubtful about rules that can be used: those that can never speak, those that others hide, unknown
//! techniques, silence that silences nothing, and what was expected and is over.
//!
//! Everything here is a warning with its place. A warning is certain: "can never" has looked at every port of
//! the compiled-in registry, and what cannot be decided is not said. Claims that a site adds (`--claims`) may
//! change a port's status; the advice says so.

use super::Rules;
use crate::registry::{Diagnostic, Place, Registry};
use crate::rules::condition::Condition;
use crate::rules::file::Policy;
use crate::rules::technique;
use crate::time::Timestamp;

impl Rules {
    /// Says what is doubtful, in file order.
    pub(super) fn doubts(&self, places: &[Place<'_>], now: Option<Timestamp>, said: &mut Vec<Diagnostic>) {
        for (nth, policy) in self.policies.iter().enumerate() {
            let Some(place) = home(places, policy.place()) else { continue };
            if !self.unreachable(place, policy, said)
                && let Some(earlier) = self.policies[..nth].iter().find(|earlier| shadows(earlier, policy))
            {
                let what =
                    format!("rule {:?} never speaks: {:?} says it all", policy.rule.id, earlier.rule.id);
                let help = format!("see {}; put this one first, or ask for less there", earlier.place());
                said.push(Diagnostic::warning(place, policy.spots.id.clone(), what).help(help));
            }
            let techniques = policy.rule.techniques.iter().zip(&policy.spots.techniques);
            for (id, span) in techniques.filter(|(id, _)| !technique::is_known(id)) {
                let what = format!("{id} is not a technique known here");
                let help = "known are those that traffic can show; see attack.mitre.org for the number";
                said.push(Diagnostic::warning(place, span.clone(), what).help(help));
            }
        }
        self.idle_silence(places, said);
        let over = |until: Timestamp| now.is_some_and(|now| until <= now);
        for entry in self.expected.iter().filter(|entry| over(entry.until)) {
            let Some(place) = home(places, &entry.place) else { continue };
            let what = "this is over: its alerts are back";
            let help = "ask the owner, and renew the date or take the entry away";
            said.push(Diagnostic::warning(place, entry.expires.clone(), what).help(help));
        }
    }

    /// Conditions that nothing meets; true when the rule as a whole can never speak.
    fn unreachable(&self, place: Place<'_>, policy: &Policy, said: &mut Vec<Diagnostic>) -> bool {
        let help = "as far as the compiled-in registry knows; see: ghostport explain PORT";
        let mut doubt = |span: &std::ops::Range<usize>, what: String| {
            said.push(Diagnostic::warning(place, span.clone(), what).help(help));
        };
        if let Some(why) = self.never(&[&policy.when]) {
            doubt(&policy.spots.when, format!("rule {:?} can never speak: {why}", policy.rule.id));
            return true;
        }
        let mut silent = false;
        for (unless, span) in policy.unless.iter().zip(&policy.spots.unless) {
            if unless.covers(&policy.when) {
                doubt(span, format!("rule {:?} can never speak: this silences all of it", policy.rule.id));
                silent = true;
            } else if let Some(why) = self.never(&[&policy.when, unless]) {
                doubt(span, format!("this `unless` never applies beside `match`: {why}"));
            }
        }
        for (nth, ((grade, _), span)) in policy.grades.iter().zip(&policy.spots.grades).enumerate() {
            if let Some(why) = self.never(&[&policy.when, grade]) {
                doubt(span, format!("this severity never applies beside `match`: {why}"));
            } else if policy.grades[..nth].iter().any(|(earlier, _)| earlier.covers(grade)) {
                doubt(span, "this severity never applies: an earlier one does".to_owned());
            }
        }
        silent
    }

    /// Suppressions that no rule can meet.
    fn idle_silence(&self, places: &[Place<'_>], said: &mut Vec<Diagnostic>) {
        for entry in self.suppress.iter() {
            let Some(place) = home(places, &entry.place) else { continue };
            let asked = entry.on_port();
            let named = |policy: &&Policy| entry.rule.as_ref().is_none_or(|(id, _)| *id == policy.rule.id);
            let meets = |policy: &Policy| self.never(&[&policy.when, &asked]).is_none();
            if !self.policies.iter().filter(named).any(meets) {
                let what = "this silences nothing: no rule it is about can meet it";
                let help = "compare its ports and claim with the rule: ghostport rules explain ID";
                said.push(Diagnostic::warning(place, entry.span.clone(), what).help(help));
            }
        }
    }

    fn never(&self, all: &[&Condition]) -> Option<&'static str> {
        Condition::contradiction(all, Registry::builtin(), &self.internal.0)
    }
}

/// True when `earlier` speaks whenever `later` would, in the same group and at least as badly.
fn shadows(earlier: &Policy, later: &Policy) -> bool {
    let severities = |policy: &Policy| {
        let graded = policy.grades.iter().map(|(_, rule)| rule.severity as u8);
        graded.chain([policy.rule.severity as u8]).collect::<Vec<_>>()
    };
    let silent_too = |unless: &Condition| later.unless.iter().any(|other| other.covers(unless));
    let alike = |a: &Policy, b: &Policy| match (a.threshold, b.threshold) {
        (None, _) => true,
        (Some(a), Some(b)) => (a.count, a.within, a.by.name()) == (b.count, b.within, b.by.name()),
        (Some(_), None) => false,
    };
    earlier.group.is_some()
        && earlier.group == later.group
        && alike(earlier, later)
        && earlier.when.covers(&later.when)
        && earlier.unless.iter().all(silent_too)
        && severities(earlier).iter().max() <= severities(later).iter().min()
}

/// The file a `file:line` is in.
fn home<'a>(places: &[Place<'a>], at: &str) -> Option<Place<'a>> {
    let (file, _) = at.rsplit_once(':')?;
    places.iter().copied().find(|place| place.file == file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a rule of these lines, and the lines behind it.
    fn doubts(rule: &str, more: &str) -> Vec<String> {
        let text = format!("{}{rule}\n{more}", head("x", 1_100_000));
        let place = Place { file: "r.toml", text: &text };
        let mut said = Vec::new();
        let rules = Rules::assemble(&[place], &mut said);
        assert_eq!(said, [], "{text}");
        rules.doubts(&[place], Some(Timestamp::from_parts(86_400, 0)), &mut said);
        said.iter().map(|d| format!("{}:{}: {}", d.line, d.column, d.what)).collect()
    }

    fn head(id: &str, sid: u32) -> String {
        format!(
            "[[rule]]\nid = '{id}'\nsid = {sid}\nrev = 1\ntitle = 'X'\nseverity = 'low'\n\
             category = 'Misc activity'\ngroup = 'g'\n"
        )
    }

    #[test]
    fn a_rule_that_can_never_speak() {
        let never = |conditions: &str| doubts(&format!("match = {{ {conditions} }}"), "").join("\n");
        let port = "9:9: rule \"x\" can never speak: no port is like that";
        assert_eq!(never("ports = 443, status = 'dormant', answered = true"), port);
        assert_eq!(never("ports = '1-1023', tier = 'dynamic', answered = true"), port);
        assert_eq!(never("tier = 'dynamic', status = 'active', story = 'scan', transport = 'sctp'"), port);
        assert!(never("answered = true, outcome = ['refused', 'unanswered']").contains("ends like that"));
        assert!(never("transport = 'udp', outcome = 'established'").contains("ends like that"));
        assert!(
            never("direction = 'inbound', originator = '10.1.0.0/16', story = 'scan'").contains("direction")
        );
        assert_eq!(never("ports = 3098, status = 'dormant', answered = true"), "");
        assert_eq!(never("direction = 'inbound', originator = '0.0.0.0/0', story = 'scan'"), "");
        assert_eq!(never("transport = ['tcp', 'udp'], outcome = 'established'"), "");
    }

    #[test]
    fn parts_that_never_apply() {
        let part =
            |line: &str| doubts(&format!("match = {{ story = 'scan', status = 'dormant' }}\n{line}"), "");
        assert!(
            part("unless = [{ story = ['scan', 'misdirected'] }]")[0].contains("10:11: rule \"x\" can never")
        );
        assert!(part("unless = [{ ports = 443 }]")[0].contains("this `unless` never applies"));
        let grade = "severity_if = [{ severity = 'high', match = { story = 'misdirected' } }]";
        assert!(part(grade)[0].contains("never applies beside `match`: it asks for two stories at once"));
        let twice = "severity_if = [{ severity = 'high', match = { bytes = 9 } }, \
                     { severity = 'medium', match = { bytes = 10 } }]";
        assert_eq!(part(twice)[0], "10:93: this severity never applies: an earlier one does");
        assert!(part("severity_if = [{ severity = 'high', match = { bytes = 10 } }]").is_empty());
    }

    #[test]
    fn a_rule_hidden_by_another() {
        let wide = "match = { story = ['scan', 'misdirected'], packets = 2 }";
        let second = |rest: &str| doubts(wide, &format!("{}{rest}", head("y", 1_100_001))).join("\n");
        assert_eq!(
            second("match = { story = 'scan', packets = 3, status = 'dormant' }"),
            "11:6: rule \"y\" never speaks: \"x\" says it all"
        );
        assert_eq!(second("match = { story = 'scan', packets = 1 }"), "");
        assert_eq!(second("match = { packets = 3 }"), "");
        let worse = "match = { story = 'scan', packets = 3 }\n\
                     severity_if = [{ severity = 'high', match = { bytes = 10 } }]";
        assert_eq!(second(worse), "");
    }

    #[test]
    fn techniques_silence_and_expectations() {
        let scan = "match = { story = 'scan', status = 'dormant' }\ntechniques = ['T1046', 'T9999']";
        assert_eq!(doubts(scan, ""), ["10:24: T9999 is not a technique known here"]);
        let plain = "match = { story = 'scan', status = 'dormant' }";
        let suppress =
            |what: &str| doubts(plain, &format!("[[suppress]]\nrule = 'x'\n{what}\nreason = 'r'\n"));
        assert!(suppress("ports = 443")[0].contains("this silences nothing"));
        assert!(suppress("ports = '400-4000'").is_empty());
        let expected = |expires: &str| {
            let entry = "[[expected]]\nnet = '10.0.0.0/8'\nports = 1\napp_proto = 'ssh'\nowner = 'me'";
            doubts(plain, &format!("{entry}\nexpires = {expires}\n"))
        };
        assert_eq!(expected("1970-01-01"), ["15:11: this is over: its alerts are back"]);
        assert!(expected("1970-01-02").is_empty());
    }
}
