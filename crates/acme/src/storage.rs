//! The directory with accounts, orders, certificates, challenge answers and locks.
//!
//! Everything in it is for its owner alone, and every file appears whole or not at all, because several processes read
//! and write here. Files are small and touched a few times a day, so a certificate's task reads and writes them itself;
//! only what a client can cause is read on a thread for it (`challenges`).
//!
//! ```text
//! accounts/<authority>/<email>.json
//! orders/<authority>/<name>.json
//! certificates/<authority>/<name>/{fullchain.pem,privkey.pem,meta.json}
//! challenges/{http-01,tls-alpn-01}/<token or name>.json
//! locks/<name>.lock
//! ```

mod certificates;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use certificates::Meta;

/// A directory that belongs to us alone. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    root: Arc<Path>,
}

/// What is wrong with the storage.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file system said no.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others can read the directory, and that cannot be changed.
    #[error(
        "{} would hold private keys and is open to others (mode {mode:03o}): {cause}; name a directory of its own, or \
         close it with `chmod 700`",
        path.display()
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Why it was not closed.
        cause: String,
    },
    /// A file does not have what we wrote.
    #[error("{} is damaged: {cause}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Contents are not repeated.
        cause: String,
    },
}

// === impl Storage ===

impl Storage {
    /// Opens a directory, making it where there is none. One that others could read is closed to them, with a warning.
    /// A file is written and removed, so that a full or read-only disk is known before a CA is asked for anything.
    pub(crate) fn open(root: &Path) -> Result<Self, StorageError> {
        make_dir(root)?;
        let metadata = root.metadata().map_err(at("look at", root))?;
        if !metadata.is_dir() {
            return Err(at("use as a directory", root)(io::ErrorKind::NotADirectory.into()));
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let open = |cause| StorageError::Open { path: root.to_owned(), mode, cause };
            if let Some(name) = foreign(root).map_err(at("list", root))? {
                return Err(open(format!("it has `{name}`, which is not ours")));
            }
            std::fs::set_permissions(root, Permissions::from_mode(0o700))
                .map_err(|error| open(error.to_string()))?;
            log::warn!("{}: it was open to others (mode {mode:03o}), and is no longer", root.display());
        }
        let storage = Self { root: Arc::from(root) };
        let probe = format!("write-test-{}", unique());
        storage.write(&probe, b"Headwall was here.\n")?;
        storage.remove(&probe)?;
        Ok(storage)
    }

    /// Where a file is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file whole or not at all.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), StorageError> {
        let path = self.path(name);
        let Some(dir) = path.parent() else { return Ok(()) };
        make_dir(dir)?;
        let draft = dir.join(format!(".draft-{}", unique()));
        let written = write_new(&draft, content)
            .and_then(|()| std::fs::rename(&draft, &path).map_err(at("put in place", &path)));
        if written.is_err() {
            forget(std::fs::remove_file(&draft));
        }
        written
    }

    /// Writes a file unless it is there, and tells whether it was not.
    pub(crate) fn create(&self, name: &str, content: &[u8]) -> Result<bool, StorageError> {
        let path = self.path(name);
        if let Some(dir) = path.parent() {
            make_dir(dir)?;
        }
        match write_new(&path, content) {
            Ok(()) => Ok(true),
            Err(StorageError::Io { cause, .. }) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A file's content, or none where there is no file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, StorageError> {
        let path = self.path(name);
        found(std::fs::read_to_string(&path)).map_err(at("read", &path))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.path(name);
        found(std::fs::remove_file(&path)).map(drop).map_err(at("remove", &path))
    }

    /// Writes a record whole or not at all.
    pub(crate) fn write_record(&self, name: &str, record: &impl Serialize) -> Result<(), StorageError> {
        self.write(name, &self.encode(name, record)?)
    }

    /// A record as it is written.
    pub(crate) fn encode(&self, name: &str, record: &impl Serialize) -> Result<Vec<u8>, StorageError> {
        serde_json::to_vec_pretty(record).map_err(|error| self.damaged(name, &error.to_string()))
    }

    /// A record, or none where there is no file.
    pub(crate) fn record<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StorageError> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        // The category only: the message of a parser may repeat a piece of a key.
        let record = serde_json::from_str(&text);
        record.map(Some).map_err(|error| self.damaged(name, &format!("{:?} error", error.classify())))
    }

    /// Moves a damaged file away, so that a new one can take its place and the old one be looked at.
    pub(crate) fn set_aside(&self, name: &str, why: &str) -> Result<(), StorageError> {
        let path = self.path(name);
        let Some((dir, file)) = path.parent().zip(path.file_name()) else { return Ok(()) };
        // In the same directory, so that a link among the files goes on pointing where it did.
        let aside = dir.join(format!(".{}.damaged-{}", file.display(), unique()));
        found(std::fs::rename(&path, &aside)).map_err(at("set aside", &path))?;
        log::warn!("{}: {why}; it is set aside as {}", path.display(), aside.display());
        Ok(())
    }

    fn damaged(&self, name: &str, cause: &str) -> StorageError {
        StorageError::Damaged { path: self.path(name), cause: cause.to_owned() }
    }
}

/// Something in a directory that we have not put there. Whoever names a home or a temporary directory by mistake does not
/// want it closed.
fn foreign(root: &Path) -> io::Result<Option<String>> {
    const OURS: [&str; 5] = ["accounts", "certificates", "challenges", "locks", "orders"];
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !OURS.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Text that no other file's name has.
pub(crate) fn unique() -> String {
    format!("{}-{:016x}", std::process::id(), fastrand::u64(..))
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |cause| StorageError::Io { action, path, cause }
}

fn make_dir(path: &Path) -> Result<(), StorageError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at("make the directory", path))
}

/// Writes a file that must not be there yet, down to the disk.
fn write_new(path: &Path, content: &[u8]) -> Result<(), StorageError> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(at("make", path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(at("write", path))
}

/// Has the disk remember the names in a directory. What cannot do so is no reason to fail.
fn sync_dir(path: &Path) {
    forget(File::open(path).and_then(|dir| dir.sync_all()));
}

/// Nothing, where a file is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For cleaning up behind a failure that is being told already.
fn forget<T>(result: io::Result<T>) {
    if let Err(error) = result {
        log::debug!("left behind in the storage: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_is_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/acme");
        let storage = Storage::open(&root).unwrap();
        storage.write("accounts/ca/ops.json", b"{}").unwrap();
        assert!(storage.create("locks/app.lock", b"{}").unwrap());
        for path in [&root, &root.join("accounts"), &root.join("accounts/ca")] {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        for path in ["accounts/ca/ops.json", "locks/app.lock"] {
            assert_eq!(mode(&root.join(path)), 0o600, "{path}");
        }
    }

    #[test]
    fn a_directory_that_is_open_to_others_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("accounts")).unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Storage::open(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o700);

        std::fs::write(dir.path().join("thesis.tex"), "").unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = Storage::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("(mode 777): it has `thesis.tex`, which is not ours"), "{error}");
        assert_eq!(mode(dir.path()), 0o777, "it is left as it was");
    }

    #[test]
    fn what_cannot_be_written_to_is_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = Storage::open(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn nothing_is_left_of_the_test_and_of_drafts() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        storage.write("a.json", b"1").unwrap();
        storage.write("a.json", b"2").unwrap();
        assert!(!storage.create("a.json", b"3").unwrap(), "it is there already");
        let names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.json"]);
        assert_eq!(storage.read("a.json").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn a_damaged_record_is_told_without_its_content_and_can_be_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        storage.write("a/b.json", b"{ \"key\": \"very secret").unwrap();
        let error = storage.record::<serde_json::Value>("a/b.json").unwrap_err().to_string();
        assert!(error.contains("b.json is damaged") && !error.contains("secret"), "{error}");
        storage.set_aside("a/b.json", "it is damaged").unwrap();
        assert_eq!(storage.record::<serde_json::Value>("a/b.json").unwrap(), None);
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 1, "it is kept beside");
    }
}
