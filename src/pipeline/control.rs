//! The control plane: signals, on a thread of its own with a small tokio runtime.
//!
//! INT and TERM ask for a drain and an orderly end; a second one ends at once. HUP reopens outputs and
//! reloads rules; USR1 prints the counters. The data plane only looks at a flag and at a queue, between
//! bursts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use crate::time::Timestamp;

/// What a signal asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// HUP
    Reload,
    /// USR1
    Counters,
}

/// Exit code of a run that was told twice to stop: 128 + SIGINT.
const INTERRUPTED: i32 = 130;
const COMMANDS_MAX: usize = 16;

/// This moment, for what people ask about files: is a date in them over? Never for packets, whose clock is
/// their own.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 0)
}

/// The running control thread; ends when dropped.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) stop: Arc<AtomicBool>,
    pub(super) commands: Receiver<Command>,
    quit: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Control {
    /// Starts listening for signals. Without the means to (no runtime, no threads) a run still works: it ends
    /// by the signals' default actions.
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (send, commands) = bounded(COMMANDS_MAX);
        let (quit, quitting) = oneshot::channel();
        let flag = Arc::clone(&stop);
        let (ready, is_ready) = bounded(1);
        let thread = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
                if let Ok(runtime) = runtime {
                    runtime.block_on(listen(&flag, &send, quitting, &ready));
                }
            })
            .ok();
        // Signals that come after this line are handled; the sender is dropped when the thread could not
        // start.
        let _ = is_ready.recv();
        Self { stop, commands, quit: Some(quit), thread }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(quit) = self.quit.take() {
            let _ = quit.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(
    stop: &AtomicBool,
    commands: &Sender<Command>,
    mut quitting: oneshot::Receiver<()>,
    ready: &Sender<()>,
) {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::user_defined1()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup), Ok(mut user)] = kinds.map(signal) else {
        return;
    };
    let _ = ready.send(());
    loop {
        tokio::select! {
            _ = interrupt.recv() => stop_or_exit(stop),
            _ = terminate.recv() => stop_or_exit(stop),
            // A full queue means the same was asked for already.
            _ = hangup.recv() => drop(commands.try_send(Command::Reload)),
            _ = user.recv() => drop(commands.try_send(Command::Counters)),
            _ = &mut quitting => return,
        }
    }
}

fn stop_or_exit(stop: &AtomicBool) {
    if stop.swap(true, Ordering::Relaxed) {
        std::process::exit(INTERRUPTED);
    }
}
