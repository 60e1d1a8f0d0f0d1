//! A progress bar on standard error for long replays: rate and time left when the size is known.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::capture::Progress;

/// Runs shorter than this show no bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// Redraws a second.
const DRAWS_HZ: u8 = 5;

const KNOWN: &str = "{bar:32} {percent:>3} %  {decimal_bytes}/{decimal_total_bytes}  {msg}  {eta} left";
const UNKNOWN: &str = "{spinner} {decimal_bytes}  {msg}";

/// See the module.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    started: Instant,
    frames: u64,
    wanted: bool,
}

impl Bar {
    pub(super) fn new(wanted: bool) -> Self {
        Self { bar: None, started: Instant::now(), frames: 0, wanted }
    }

    /// Says how far it is; draws a few times a second at most.
    pub(super) fn show(&mut self, progress: &Progress, frames: usize) {
        self.frames += frames as u64;
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let total = progress.total;
        let bar = self.bar.get_or_insert_with(|| new_bar(total));
        bar.set_position(progress.read);
        bar.set_message(rate(self.frames, self.started.elapsed()));
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    let (length, template) = if total > 0 { (Some(total), KNOWN) } else { (None, UNKNOWN) };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(DRAWS_HZ));
    // The templates are constants that a test below compiles; a plain bar is no harm either.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn rate(frames: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let per_second = frames as f64 / elapsed.as_secs_f64().max(0.001);
    match per_second {
        r if r >= 1e6 => format!("{:.1} M packets/s", r / 1e6),
        r if r >= 1e3 => format!("{:.1} k packets/s", r / 1e3),
        r => format!("{r:.0} packets/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_compile() {
        assert!(ProgressStyle::with_template(KNOWN).is_ok());
        assert!(ProgressStyle::with_template(UNKNOWN).is_ok());
    }

    #[test]
    fn rates_read_well() {
        assert_eq!(rate(25, Duration::from_secs(1)), "25 packets/s");
        assert_eq!(rate(2500, Duration::from_secs(1)), "2.5 k packets/s");
        assert_eq!(rate(25_000_000, Duration::from_secs(2)), "12.5 M packets/s");
    }
}
