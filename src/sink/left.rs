//! Spools that nobody empties any more: their output is gone from the configuration, or is written another
//! way. What is in there was promised to arrive, so it is not deleted, and it is told. In each spool a file
//! says which output it is for: a run that has it again sends what is there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Spooling, Target};

/// The file that says so.
const NAME: &str = "output";

/// Writes down for which output a spool is.
pub(super) fn sign(folder: &Path, target: &Target) {
    // Only people read it.
    let _ = fs::write(folder.join(NAME), format!("{target}\n"));
}

/// Folders below the spool's with lines for none of these outputs, and for which ones, as far as is known.
#[must_use]
pub fn left_behind(spooling: &Spooling, targets: &[Target]) -> Vec<(PathBuf, Option<String>)> {
    let ours: Vec<PathBuf> = targets.iter().map(|target| spooling.folder.join(target.spool_name())).collect();
    let Ok(entries) = fs::read_dir(&spooling.folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| !ours.contains(folder) && has_lines(folder));
    folders.sort_unstable();
    let signed = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join(NAME)).ok();
        (folder, text.map(|text| text.trim_end().to_owned()))
    };
    folders.into_iter().map(signed).collect()
}

fn has_lines(folder: &Path) -> bool {
    let is_segment = |path: PathBuf| path.extension().is_some_and(|ending| ending == "seg");
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| is_segment(entry.path())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_with_lines_and_without_an_output_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let spooling = Spooling { folder: dir.path().to_owned(), limit: 0 };
        let target = Target::parse("eve:unix:///run/x").unwrap();
        let former = Target::parse("eve[alert]:unix:///run/x").unwrap();
        for name in [&target.spool_name(), &former.spool_name(), "other", "empty"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let known = dir.path().join(former.spool_name());
        sign(&known, &former);
        fs::write(known.join("1.seg"), "").unwrap();
        fs::write(dir.path().join(target.spool_name()).join("1.seg"), "").unwrap();
        fs::write(dir.path().join("other/1.seg"), "").unwrap();
        let left = left_behind(&spooling, &[target]);
        let known = (known, Some("eve[alert]:unix:///run/x".to_owned()));
        assert_eq!(left, [known, (dir.path().join("other"), None)]);
    }
}
