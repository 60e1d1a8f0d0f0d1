//! The thread that empties a spool: brings its lines to the receiver, as long as it takes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::courier::Courier;
use super::deliver::{Deliver, Refused};
use super::health::Health;
use super::spool::{Found, Next, Reader, Spool};

/// A spool that is being emptied.
pub(super) struct Dispatch {
    spool: Arc<Spool>,
    losses: Arc<Mutex<Losses>>,
    thread: Option<JoinHandle<()>>,
}

/// Lines that never arrive.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// How many.
    pub(super) lines: u64,
    /// Why the last of them.
    pub(super) why: Option<String>,
}

impl Dispatch {
    /// Starts it. `found` is what former runs left.
    pub(super) fn start(
        spool: Arc<Spool>,
        found: Found,
        receiver: Box<dyn Deliver>,
        health: Health,
    ) -> std::io::Result<Self> {
        say_found(&health, spool.folder(), found);
        let losses = Arc::new(Mutex::new(Losses::default()));
        let errand = Errand {
            reader: Reader::new(Arc::clone(&spool)),
            courier: Courier::new(receiver),
            health,
            spool: Arc::clone(&spool),
            losses: Arc::clone(&losses),
        };
        let thread = thread::Builder::new().name("dispatch".to_owned()).spawn(move || errand.run())?;
        Ok(Self { spool, losses, thread: Some(thread) })
    }

    /// HUP.
    pub(super) fn reopen(&self) {
        self.spool.reopen();
    }

    /// Lines in the spool.
    pub(super) fn pending(&self) -> u64 {
        self.spool.pending()
    }

    /// Lines that never arrive, so far.
    pub(super) fn losses(&self) -> Losses {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No more lines come: waits for the rest to be delivered, as [`Spool::drain`] does; gives how many stay.
    pub(super) fn drain(&mut self, patience: Duration, by_progress: bool) -> u64 {
        let stay = self.spool.drain(patience, by_progress);
        if let Some(thread) = self.thread.take().filter(|_| stay == 0) {
            let _ = thread.join(); // it ends at once
        }
        // Else it may be in the middle of an attempt, which nobody waits for: what that settles is settled.
        stay
    }
}

fn say_found(health: &Health, folder: &Path, found: Found) {
    if found.damaged_bytes > 0 {
        health.say(&format!(
            "the spool {} ended in {} bytes that were no whole line; they are gone",
            folder.display(),
            found.damaged_bytes
        ));
    }
    if found.lines > 0 {
        health.say(&format!(
            "{} lines of a former run wait in the spool {}; they go first",
            found.lines,
            folder.display()
        ));
    }
}

/// The thread's half.
struct Errand {
    reader: Reader,
    courier: Courier,
    health: Health,
    spool: Arc<Spool>,
    losses: Arc<Mutex<Losses>>,
}

impl Errand {
    fn run(mut self) {
        let mut block = Vec::new();
        loop {
            match self.reader.next(self.courier.pause(), &mut block) {
                Next::Lines => self.bring(&mut block),
                Next::Reopen => self.courier.reopen(),
                Next::Damaged(lines) => {
                    let why = format!("the spool {} cannot be read", self.spool.folder().display());
                    self.health.say(&format!("{why}; {lines} lines are lost"));
                    self.lose(lines, why);
                }
                Next::End => return,
            }
        }
    }

    fn bring(&mut self, block: &mut Vec<u8>) {
        while !block.is_empty() {
            let brought = self.courier.bring(block);
            if let Some(Refused { count, why }) = &brought.refused {
                self.health.refused(why);
                self.lose(*count as u64, why.clone());
            }
            let goes_on = self.reader.settle(brought.settled);
            if let Some(why) = brought.trouble {
                let then = format!("keeping lines in {} and trying again", self.spool.folder().display());
                return self.health.trouble("deliver to", &why, &then);
            }
            self.health.well("deliver to", || format!("{} lines wait", self.spool.pending()));
            if !goes_on {
                return;
            }
        }
    }

    fn lose(&self, lines: u64, why: String) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.lines += lines;
        losses.why = Some(why);
    }
}
