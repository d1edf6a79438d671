//! The directory of one store, which is its own and goes with it.
//!
//! Below the path in the config each store makes a directory and locks a file in it. Whoever comes later removes those that
//! nobody has locked: their process is gone. So nothing that belongs to somebody else is ever removed, whatever path is written
//! in the config.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the directories of stores are called.
const PREFIX: &str = "headwall-cache-";
const LOCK: &str = "lock";

/// A directory for files without names.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
    next: AtomicU64,
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written to: {source}", path = .path.display())]
pub(super) struct Unwritable {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Directory {
    /// Makes one below `parent`, and removes those whose process is gone.
    pub(super) fn open(parent: &Path) -> Result<Self, Unwritable> {
        let unwritable = |source| Unwritable { path: parent.to_owned(), source };
        fs::create_dir_all(parent).map_err(unwritable)?;
        sweep(parent).map_err(unwritable)?;
        let path = parent.join(format!("{PREFIX}{:016x}", fastrand::u64(..)));
        DirBuilder::new().mode(0o700).create(&path).map_err(unwritable)?;
        let lock = File::create(path.join(LOCK)).map_err(unwritable)?;
        lock.lock().map_err(unwritable)?;
        Ok(Self { path, _lock: lock, next: AtomicU64::new(0) })
    }

    /// Writes a new file.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number:x}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes).inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let is_ours =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        // One without a lock is just being made.
        let Some(lock) = is_ours.then(|| File::open(path.join(LOCK)).ok()).flatten() else { continue };
        if lock.try_lock().is_ok() {
            drop(fs::remove_dir_all(&path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_behind_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let other = parent.path().join("somebody-elses");
        fs::create_dir(&other).unwrap();
        let living = Directory::open(parent.path()).unwrap();
        let written = living.write(b"x").unwrap();
        let left = parent.path().join(format!("{PREFIX}0"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();

        let next = Directory::open(parent.path()).unwrap();
        assert!(!left.exists(), "its process is gone");
        assert!(written.exists() && other.exists());
        let path = living.path.clone();
        drop(living);
        assert!(!path.exists(), "it goes with its store");
        drop(next);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "what is somebody else's stays");
    }

    #[test]
    fn a_path_that_cannot_be_written_to_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Directory::open(&file).unwrap_err().to_string();
        assert!(error.contains("file cannot be written to"), "{error}");
    }
}
