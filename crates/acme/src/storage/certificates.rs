//! Certificates in the storage: a chain and its key are read and written as one.
//!
//! `certificates/<authority>/<name>` is a link to a version of its own, and a new version is in place when the link is
//! turned, in one step. Whoever resolves the link first never pairs a new chain with an old key.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Storage, StorageError, at, forget, found, make_dir, sync_dir, unique, write_new};
use crate::Secret;
use crate::certificate::Certificate;

/// Versions that are kept: the one in use, and the one before it for whoever is reading it.
const KEPT: usize = 2;

/// How often a read begins anew when the version goes away under it.
const READS: usize = 20;

/// What is known of a certificate beside what it says itself. For people; nothing here is needed to use it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) authority: String,
    pub(crate) directory: String,
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) stored: Timestamp,
}

/// The files of one certificate.
struct Files {
    dir: PathBuf,
    link: PathBuf,
    versions: PathBuf,
    /// The link's target, from where the link is.
    relative: PathBuf,
}

impl Storage {
    /// Stores a certificate and makes it the one that is read from now on.
    pub(crate) fn store_certificate(
        &self,
        authority: &str,
        name: &str,
        certificate: &Certificate,
        meta: &Meta,
    ) -> Result<(), StorageError> {
        let files = self.files(authority, name);
        // Versions sort by age.
        let version = format!("{:020}-{}", meta.stored.as_microsecond().max(0), unique());
        let dir = files.versions.join(&version);
        make_dir(&dir)?;
        write_new(&dir.join("fullchain.pem"), certificate.chain_pem.as_bytes())?;
        write_new(&dir.join("privkey.pem"), certificate.key_pem.expose().as_bytes())?;
        write_new(&dir.join("meta.json"), &self.encode("meta.json", meta)?)?;
        sync_dir(&dir);
        files.turn(&files.relative.join(&version))?;
        sync_dir(&files.dir);
        files.sweep(&version);
        Ok(())
    }

    /// A certificate's chain and key, or none.
    pub(crate) fn certificate(
        &self,
        authority: &str,
        name: &str,
    ) -> Result<Option<(String, Secret)>, StorageError> {
        let files = self.files(authority, name);
        for _ in 0..READS {
            let Some(dir) = found(files.link.canonicalize()).map_err(at("find", &files.link))? else {
                if found(files.link.symlink_metadata()).map_err(at("find", &files.link))?.is_none() {
                    return Ok(None);
                }
                continue;
            };
            let chain = dir.join("fullchain.pem");
            let key = dir.join("privkey.pem");
            let chain = found(std::fs::read_to_string(&chain)).map_err(at("read", &chain))?;
            let key = found(std::fs::read_to_string(&key)).map_err(at("read", &key))?;
            if let (Some(chain), Some(key)) = (chain, key) {
                return Ok(Some((chain, Secret::new(key))));
            }
        }
        Err(self.damaged(&certificate_name(authority, name), "fullchain.pem or privkey.pem is missing"))
    }

    /// Moves a certificate that cannot be used out of the way.
    pub(crate) fn set_certificate_aside(
        &self,
        authority: &str,
        name: &str,
        why: &str,
    ) -> Result<(), StorageError> {
        self.set_aside(&certificate_name(authority, name), why)
    }

    fn files(&self, authority: &str, name: &str) -> Files {
        let dir = self.path(&format!("certificates/{authority}"));
        let relative = Path::new(".versions").join(name);
        Files { link: dir.join(name), versions: dir.join(&relative), relative, dir }
    }
}

fn certificate_name(authority: &str, name: &str) -> String {
    format!("certificates/{authority}/{name}")
}

// === impl Files ===

impl Files {
    /// Turns the link to `target`.
    fn turn(&self, target: &Path) -> Result<(), StorageError> {
        let draft = self.dir.join(format!(".draft-{}", unique()));
        symlink(target, &draft).map_err(at("make", &draft))?;
        let turned = std::fs::rename(&draft, &self.link).or_else(|error| self.make_way(&draft, error));
        turned.map_err(|error| {
            forget(std::fs::remove_file(&draft));
            at("turn the link", &self.link)(error)
        })
    }

    /// A backup may have left a directory where the link was; it becomes a version.
    fn make_way(&self, draft: &Path, error: io::Error) -> io::Result<()> {
        if !self.link.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(error);
        }
        std::fs::rename(&self.link, self.versions.join(format!("0-{}", unique())))?;
        std::fs::rename(draft, &self.link)
    }

    /// Removes old versions. What cannot be removed is there the next time.
    fn sweep(&self, current: &str) {
        let Ok(entries) = std::fs::read_dir(&self.versions) else { return };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut old: Vec<String> = names.filter(|name| name.as_str() != current).collect();
        old.sort_unstable_by(|a, b| b.cmp(a));
        for name in old.iter().skip(KEPT - 1) {
            forget(std::fs::remove_dir_all(self.versions.join(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::certificate::tests::self_signed;

    fn meta(second: i64) -> Meta {
        let time = |second| Timestamp::from_second(second).unwrap();
        Meta {
            authority: "ca".to_owned(),
            directory: "https://ca.example/dir".to_owned(),
            names: vec!["app.example.com".to_owned()],
            not_before: time(0),
            not_after: time(1_900_000_000),
            stored: time(second),
        }
    }

    fn certificate() -> Certificate {
        let time = |second| Timestamp::from_second(second).unwrap();
        let (chain, key) = self_signed(&["app.example.com"], time(0), time(1_900_000_000));
        Certificate::read(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).unwrap()
    }

    #[test]
    fn a_reader_never_pairs_a_new_chain_with_an_old_key() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let certificates = [certificate(), certificate()];
        storage.store_certificate("ca", "app", &certificates[0], &meta(1)).unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !is_done.load(Ordering::Relaxed) || reads == 0 {
                    let (chain, key) = storage.certificate("ca", "app").unwrap().expect("it is always there");
                    let whole = certificates.iter().any(|one| one.chain_pem == chain && one.key_pem == key);
                    assert!(whole, "a chain and a key of different versions");
                    reads += 1;
                }
            });
            for round in 0..200 {
                let next = &certificates[round % 2];
                storage.store_certificate("ca", "app", next, &meta(2 + round as i64)).unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        let versions = std::fs::read_dir(dir.path().join("certificates/ca/.versions/app")).unwrap();
        assert_eq!(versions.count(), KEPT, "old versions are swept");
    }

    #[test]
    fn a_directory_without_a_link_is_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let (old, new) = (certificate(), certificate());
        let plain = dir.path().join("certificates/ca/app");
        std::fs::create_dir_all(&plain).unwrap();
        std::fs::write(plain.join("fullchain.pem"), &old.chain_pem).unwrap();
        std::fs::write(plain.join("privkey.pem"), old.key_pem.expose()).unwrap();
        assert_eq!(storage.certificate("ca", "app").unwrap().unwrap().0, old.chain_pem);
        storage.store_certificate("ca", "app", &new, &meta(1)).unwrap();
        assert_eq!(storage.certificate("ca", "app").unwrap().unwrap().0, new.chain_pem);
    }

    #[test]
    fn half_a_certificate_is_damaged_and_none_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        assert!(storage.certificate("ca", "app").unwrap().is_none());
        storage.store_certificate("ca", "app", &certificate(), &meta(1)).unwrap();
        std::fs::remove_file(dir.path().join("certificates/ca/app/privkey.pem")).unwrap();
        let error = storage.certificate("ca", "app").unwrap_err().to_string();
        assert!(error.contains("certificates/ca/app is damaged"), "{error}");
        storage.set_certificate_aside("ca", "app", "half of it is missing").unwrap();
        assert!(storage.certificate("ca", "app").unwrap().is_none());
    }
}
