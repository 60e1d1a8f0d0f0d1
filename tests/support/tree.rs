//! Where things lie: this tree, its files, and the shared captures beside it.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` (relative to the root), sorted by path, given relative to the root. None if
/// absent.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let mut found: Vec<_> = found
        .into_iter()
        .map(|path| path.strip_prefix(root()).expect("below the root").to_path_buf())
        .collect();
    found.sort();
    found
}

/// Every Rust source below `folder`, relative to the root.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// Every file below an absolute folder, unsorted.
pub(crate) fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The real captures that are shared beside the project but not part of it: `GHOSTPORT_SHARED`, or `shared`
/// beside the tree, or beside the main tree when this one is a git worktree. `None` where there are none.
pub(crate) fn shared() -> Option<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(named) = std::env::var_os("GHOSTPORT_SHARED") {
        candidates.push(PathBuf::from(named));
    }
    candidates.push(root().join("../shared"));
    if let Some(main) = main_tree() {
        candidates.push(main.join("../shared"));
    }
    candidates.into_iter().find(|path| path.join("captures/ground_truth.tsv").is_file())
}

/// The main tree of a git worktree: `.git` is then a file that points into it.
fn main_tree() -> Option<PathBuf> {
    let pointer = fs::read_to_string(root().join(".git")).ok()?;
    let git_dir = Path::new(pointer.strip_prefix("gitdir: ")?.trim());
    Some(git_dir.ancestors().nth(3)?.to_path_buf())
}
