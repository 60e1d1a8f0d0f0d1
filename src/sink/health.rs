//! Trouble with an output, said once when it begins and once when it ends, however many lines it costs. A
//! receiver that comes and goes is told of once a minute.

use std::time::{Duration, Instant};

use super::Complain;

/// After an end of trouble was said, new trouble that ends sooner is not.
pub(super) const QUIET: Duration = Duration::from_secs(60);

/// How things stand with one output.
pub(super) struct Health {
    name: String,
    complain: Complain,
    is_ill: bool,
    /// It was said that it is ill.
    is_said: bool,
    quiet_until: Option<Instant>,
    has_refused: bool,
}

impl Health {
    pub(super) const fn new(name: String, complain: Complain) -> Self {
        Self { name, complain, is_ill: false, is_said: false, quiet_until: None, has_refused: false }
    }

    /// The output.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// True from the first trouble to the next success.
    pub(super) const fn is_ill(&self) -> bool {
        self.is_ill
    }

    /// Something does not work ("write to"), why, and what is done about it. Called at every attempt.
    pub(super) fn trouble(&mut self, what: &str, why: &str, then: &str) {
        self.is_ill = true;
        if !self.is_said && self.quiet_until.is_none_or(|until| Instant::now() >= until) {
            self.is_said = true;
            self.say(&format!("cannot {what} {}: {why}; {then}", self.name));
        }
    }

    /// It ("write to") works; if it was said that it did not, says so and how things stand.
    pub(super) fn well(&mut self, what: &str, standing: impl FnOnce() -> String) {
        self.is_ill = false;
        if std::mem::take(&mut self.is_said) {
            self.quiet_until = Some(Instant::now() + QUIET);
            self.say(&format!("can {what} {} again; {}", self.name, standing()));
        }
    }

    /// The receiver refused lines for good.
    pub(super) fn refused(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_refused, true) {
            self.say(&format!("{} refuses lines, which are lost and counted: {why}", self.name));
        }
    }

    /// Something that happens once by itself.
    pub(super) fn say(&self, what: &str) {
        (self.complain)(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    #[test]
    fn trouble_is_said_once_and_one_that_comes_and_goes_once_a_minute() {
        let (say, said) = mpsc::channel();
        let complain: Complain = Arc::new(move |what| say.send(what.to_owned()).unwrap());
        let mut health = Health::new("siem".to_owned(), complain);
        health.well("write to", || panic!("it never was ill"));
        for _ in 0..5 {
            health.trouble("write to", "no", "waiting");
            health.trouble("write to", "no", "waiting");
            assert!(health.is_ill());
            health.well("write to", || "3 lost".to_owned());
            assert!(!health.is_ill());
        }
        health.refused("400");
        health.refused("400");
        health.trouble("write to", "no", "waiting");
        health.quiet_until = Some(Instant::now());
        health.trouble("write to", "still not", "waiting");
        let said: Vec<_> = said.try_iter().collect();
        assert_eq!(
            said,
            [
                "cannot write to siem: no; waiting",
                "can write to siem again; 3 lost",
                "siem refuses lines, which are lost and counted: 400",
                "cannot write to siem: still not; waiting",
            ]
        );
    }
}
