//! Certificates that somebody else renews and puts into files, as certbot does.
//!
//! Files are asked for their stamp (size, time of change, inode) again and again, links followed. That sees a renewal,
//! a flipped symbolic link, a mounted volume that was exchanged, and needs nothing of the file system that some of them
//! lack. A chain and a key are two files, so there is a moment at which they do not fit; only what does not fit for
//! longer is worth a word.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;

use crate::{Identity, InvalidIdentity};

/// No chain or key is larger than this, in bytes.
const LARGEST: u64 = 1 << 20;

/// A chain and a key in files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePair {
    /// The chain in PEM, the leaf first: certbot's `fullchain.pem`.
    pub certificate: PathBuf,
    /// The key in PEM: certbot's `privkey.pem`.
    pub key: PathBuf,
}

/// Why two files are no identity.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFile {
    /// One of them cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// They can be read, but what stands in them does not do.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The one to look at.
        path: PathBuf,
        /// What is wrong.
        source: InvalidIdentity,
    },
}

/// What tells one content of two files from another without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp([Option<About>; 2]);

/// Device, inode, size, and time of change in seconds and nanoseconds.
type About = (u64, u64, u64, i64, i64);

impl FilePair {
    /// Reads both.
    pub fn read(&self, provider: &CryptoProvider) -> Result<Identity, InvalidFile> {
        let (chain, key) = (content(&self.certificate)?, content(&self.key)?);
        Identity::from_pem(&chain, &key, provider).map_err(|source| {
            let of_key = matches!(
                source,
                InvalidIdentity::NoKey
                    | InvalidIdentity::EncryptedKey
                    | InvalidIdentity::Key(_)
                    | InvalidIdentity::Mismatch
            );
            let path = if of_key { &self.key } else { &self.certificate };
            InvalidFile::Invalid { path: path.clone(), source }
        })
    }

    /// What the files look like now. A file that is not there has a stamp too.
    pub fn stamp(&self) -> Stamp {
        let of = |path: &Path| {
            let about =
                |data: Metadata| (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec());
            fs::metadata(path).ok().map(about)
        };
        Stamp([of(&self.certificate), of(&self.key)])
    }

    /// Whether anybody on the machine may read the key.
    pub fn key_is_public(&self) -> bool {
        fs::metadata(&self.key).is_ok_and(|data| data.mode() & 0o004 != 0)
    }
}

fn content(path: &Path) -> Result<Vec<u8>, InvalidFile> {
    let unreadable = |source| InvalidFile::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::pem;
    use crate::provider;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn pair(dir: &Path) -> FilePair {
        FilePair { certificate: dir.join("fullchain.pem"), key: dir.join("privkey.pem") }
    }

    fn fill(pair: &FilePair, names: &[&str]) {
        let (chain, key) = pem(names, (2020, 2060));
        fs::write(&pair.certificate, chain).unwrap();
        fs::write(&pair.key, key).unwrap();
    }

    #[test]
    fn the_stamp_changes_with_the_files_and_with_a_link_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        for archive in [&one, &two] {
            fs::create_dir(archive).unwrap();
            fill(&pair(archive), &["a.example.com"]);
        }
        let live = dir.path().join("live");
        symlink(&one, &live).unwrap();
        let first = pair(&live).stamp();
        assert_eq!(pair(&live).stamp(), first);

        fs::remove_file(&live).unwrap();
        let gone = pair(&live).stamp();
        assert_ne!(gone, first);
        symlink(&two, &live).unwrap();
        let second = pair(&live).stamp();
        assert!(second != first && second != gone);

        fill(&pair(&two), &["longer.example.com"]);
        assert_ne!(pair(&live).stamp(), second);
        assert!(pair(&live).read(&provider()).unwrap().covers("longer.example.com"));
    }

    #[test]
    fn an_error_names_the_file_to_look_at() {
        let dir = tempfile::tempdir().unwrap();
        let pair = pair(dir.path());
        let error = |pair: &FilePair| pair.read(&provider()).unwrap_err().to_string();
        assert!(error(&pair).contains("fullchain.pem: No such file"), "{}", error(&pair));
        fill(&pair, &["a.example.com"]);
        let (_, other) = pem(&["a.example.com"], (2020, 2060));
        fs::write(&pair.key, other).unwrap();
        assert!(error(&pair).contains("privkey.pem: the private key does not belong"), "{}", error(&pair));
        fs::write(&pair.key, vec![b'x'; 2 << 20]).unwrap();
        assert!(error(&pair).contains("privkey.pem: it is larger than 1 MiB"), "{}", error(&pair));
    }

    #[test]
    fn a_key_that_everybody_may_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let pair = pair(dir.path());
        fill(&pair, &["a.example.com"]);
        for (mode, public) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&pair.key, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(pair.key_is_public(), public, "{mode:o}");
        }
    }
}
