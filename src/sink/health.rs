//! Trouble with an output, said once when it begins and once when it ends, however many lines it costs.

use super::Complain;

/// How things stand with one output.
pub(super) struct Health {
    name: String,
    complain: Complain,
    is_ill: bool,
    has_refused: bool,
}

impl Health {
    pub(super) const fn new(name: String, complain: Complain) -> Self {
        Self { name, complain, is_ill: false, has_refused: false }
    }

    /// The output.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// True from the first trouble to the next success.
    pub(super) const fn is_ill(&self) -> bool {
        self.is_ill
    }

    /// Something does not work ("write to"), why, and what is done about it.
    pub(super) fn trouble(&mut self, what: &str, why: &str, then: &str) {
        if !std::mem::replace(&mut self.is_ill, true) {
            self.say(&format!("cannot {what} {}: {why}; {then}", self.name));
        }
    }

    /// It ("write to") works; if it did not before, says so and how things stand.
    pub(super) fn well(&mut self, what: &str, standing: impl FnOnce() -> String) {
        if std::mem::take(&mut self.is_ill) {
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
