//! CPU time of processes and of their threads, as Linux tells it in proc(5).

use std::collections::BTreeMap;
use std::fs;

/// Ticks in a second of `stat` (USER_HZ, 100 on every Linux).
const NANOS_PER_TICK: u64 = 10_000_000;

/// Of a process so far, user and system, in nanoseconds; `None` when there is none of this id.
pub(crate) fn of_process(id: u32) -> Option<u64> {
    of_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// Adds what the threads of a process have spent so far, in nanoseconds, by id and name. Those that are gone
/// keep what they had when they were last looked at.
#[allow(dead_code, reason = "not every benchmark looks at threads")]
pub(crate) fn of_threads(id: u32, spent: &mut BTreeMap<u32, (String, u64)>) {
    let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { return };
    for task in tasks.flatten() {
        let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
        if let (Some((name, _)), Some(nanos)) = (name, of_stat(&stat)) {
            spent.insert(thread, (name.to_owned(), nanos));
        }
    }
}

/// Fields 14 and 15; the second is a name in brackets that may hold anything.
fn of_stat(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? * NANOS_PER_TICK)
}
