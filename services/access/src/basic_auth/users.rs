//! Who has which password: inline users and htpasswd files.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use headwall_core::units::Secret;

use crate::password::{Hash, InvalidHash};

/// Users and their hashes, at least one.
#[derive(Debug)]
pub(super) struct Users {
    hashes: HashMap<String, Hash>,
    /// What the password of somebody unknown is compared with, so that it takes as long.
    stand_in: Hash,
}

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidUsers {
    #[error("expected `users`, `htpasswd` or both: nobody could come in")]
    Nobody,
    #[error("expected a user name without `:` and control characters that is not empty, found {0:?}")]
    Name(String),
    #[error("user `{user}`: {source}")]
    Hash { user: String, source: InvalidHash },
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: expected `user:hash`, found a line without a colon", path.display())]
    NoColon { path: PathBuf, line: usize },
    #[error("{}:{line}: {source}", path.display())]
    Line { path: PathBuf, line: usize, source: Box<Self> },
    #[error("user `{0}` is there twice")]
    Twice(String),
}

impl Users {
    pub(super) fn new(inline: &BTreeMap<String, Secret>, file: Option<&Path>) -> Result<Self, InvalidUsers> {
        let mut hashes = HashMap::new();
        let mut stand_in = None;
        let mut add = |user: &str, hash: &str| {
            let hash = parsed(user, hash)?;
            stand_in.get_or_insert_with(|| hash.clone());
            let before = hashes.insert(user.to_owned(), hash);
            before.map_or(Ok(()), |_| Err(InvalidUsers::Twice(user.to_owned())))
        };
        for (user, hash) in inline {
            add(user, hash.expose())?;
        }
        if let Some(path) = file {
            let text = fs::read_to_string(path)
                .map_err(|source| InvalidUsers::Unreadable { path: path.to_owned(), source })?;
            for (line, entry) in (1..).zip(text.lines().map(str::trim)) {
                if entry.is_empty() || entry.starts_with('#') {
                    continue;
                }
                let path = || path.to_owned();
                let (user, hash) =
                    entry.split_once(':').ok_or_else(|| InvalidUsers::NoColon { path: path(), line })?;
                add(user, hash).map_err(|source| InvalidUsers::Line {
                    path: path(),
                    line,
                    source: Box::new(source),
                })?;
            }
        }
        let stand_in = stand_in.ok_or(InvalidUsers::Nobody)?;
        Ok(Self { hashes, stand_in })
    }

    /// Whether the password is the user's. Slow, and as slow for a user that does not exist.
    pub(super) fn are_right(&self, user: &str, password: &[u8]) -> bool {
        let known = self.hashes.get(user);
        let is_right = known.unwrap_or(&self.stand_in).is_of(password);
        is_right && known.is_some()
    }
}

/// A user's hash, if both are ones. The name goes into headers and logs.
fn parsed(user: &str, hash: &str) -> Result<Hash, InvalidUsers> {
    if user.is_empty() || user.chars().any(|c| c.is_control() || c == ':') {
        return Err(InvalidUsers::Name(user.to_owned()));
    }
    hash.parse().map_err(|source| InvalidUsers::Hash { user: user.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::password::tests::cheap;

    fn from_file(text: &str) -> Result<Users, InvalidUsers> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        fs::write(&path, text).unwrap();
        Users::new(&BTreeMap::new(), Some(&path))
    }

    #[test]
    fn users_come_from_the_config_and_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        fs::write(&path, format!("# staff\n\nbob:{}\r\n", cheap("bobs"))).unwrap();
        let inline = BTreeMap::from([("ada".to_owned(), cheap("adas").parse().unwrap())]);
        let users = Users::new(&inline, Some(&path)).unwrap();
        let rows = [
            ("ada", "adas", true),
            ("bob", "bobs", true),
            ("ada", "bobs", false),
            ("eve", "adas", false),
            ("", "adas", false),
            ("ada", "", false),
        ];
        for (user, password, expected) in rows {
            assert_eq!(users.are_right(user, password.as_bytes()), expected, "{user}:{password}");
        }
    }

    #[test]
    fn a_slip_in_a_file_is_told_with_its_line() {
        let good = cheap("x");
        let rows = [
            ("ada\n".to_owned(), "htpasswd:1: expected `user:hash`"),
            (format!("ada:{good}\nbob:$apr1$x$y\n"), "htpasswd:2: user `bob`: expected a bcrypt"),
            (format!("ada:{good}\nada:{good}\n"), "htpasswd:2: user `ada` is there twice"),
            (format!(":{good}\n"), "htpasswd:1: expected a user name"),
            ("# nobody\n".to_owned(), "nobody could come in"),
        ];
        for (text, expected) in rows {
            let error = from_file(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = Users::new(&BTreeMap::new(), Some(Path::new("/nowhere/htpasswd"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/htpasswd"), "{error}");
    }

    #[test]
    fn an_unknown_user_takes_as_long_as_a_known_one() {
        let hash = ::bcrypt::hash_with_salt("adas", 8, *b"sixteen bytes!!!").unwrap().to_string();
        let inline = BTreeMap::from([("ada".to_owned(), hash.parse().unwrap())]);
        let users = Users::new(&inline, None).unwrap();
        // The best of a few, so that a busy machine does not decide.
        let least = |user: &str| {
            let times = (0..5).map(|_| {
                let start = Instant::now();
                assert!(!users.are_right(user, b"wrong"));
                start.elapsed()
            });
            times.min().unwrap_or(Duration::ZERO)
        };
        let (known, unknown) = (least("ada"), least("eve"));
        assert!(unknown > known / 2, "known {known:?}, unknown {unknown:?}");
    }
}
