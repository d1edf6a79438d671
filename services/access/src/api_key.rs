//! The `api_key` filter: a key that a program shows.
//!
//! ```yaml
//! api_key: { keys: { mobile: "${MOBILE_KEY:-only-for-tests-0123}" }, id_header: X-Client }
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Secret;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::challenge::{Challenged as _, challenge};
use crate::digest::{Digest, Digester};
use crate::place::{Places, TokenPlace};
use crate::tally::{Decision, Tally};
use crate::told::Told;

/// The shortest key, in bytes.
const SHORTEST: usize = 16;

/// Asks for a key.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Keys by the name of whom they were given to; each at least 16 bytes. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub keys: BTreeMap<String, Secret>,
    /// A file with more of them: `name:key`, one in a line. It is read at the start and at each reload. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub file: Option<PathBuf>,
    /// Where the key stands, in order. Default: `[{ header: X-Api-Key }]`.
    #[serde(default = "default_from")]
    #[garde(length(min = 1))]
    pub from: Vec<TokenPlace>,
    /// A request header that tells the upstream whose key it was. One that the client has sent is replaced. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub id_header: Option<String>,
    /// Leaves the key in the request for the upstream. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub keep: bool,
}

/// Why there are no keys. A key itself is not repeated.
#[derive(Debug, thiserror::Error)]
enum InvalidKeys {
    #[error("expected `keys`, `file` or both: nobody could come in")]
    Nobody,
    #[error("expected a name of printable characters without `:`, found {0:?}")]
    Name(String),
    #[error("the key of `{0}` has fewer than {SHORTEST} bytes and can be guessed")]
    Short(String),
    #[error("the key of `{0}` is that of another one too")]
    Shared(String),
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: expected `name:key`, found a line without a colon", path.display())]
    NoColon { path: PathBuf, line: usize },
    #[error("{}:{line}: {source}", path.display())]
    Line { path: PathBuf, line: usize, source: Box<Self> },
}

/// Whose key is whose, by digest.
struct Keys {
    digester: Digester,
    owners: HashMap<Digest, Arc<str>>,
}

struct Doorkeeper {
    keys: Keys,
    places: Places,
    id_header: Option<Told>,
    keep: bool,
    challenge: HeaderValue,
    tally: Tally,
}

// === impl ApiKey ===

impl Module for ApiKey {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Doorkeeper {
            keys: Keys::new(Digester::new()?, &self.keys, self.file.as_deref())?,
            places: Places::new(&self.from)?,
            id_header: Told::maybe(self.id_header.as_deref())?,
            keep: self.keep,
            challenge: challenge("ApiKey", "headwall", "")?,
            tally: Tally::new(cx)?,
        }))
    }
}

// === impl Keys ===

impl Keys {
    fn new(
        digester: Digester,
        inline: &BTreeMap<String, Secret>,
        file: Option<&Path>,
    ) -> Result<Self, InvalidKeys> {
        let mut keys = Self { digester, owners: HashMap::new() };
        for (name, key) in inline {
            keys.add(name, key.expose())?;
        }
        if let Some(path) = file {
            let path = || path.to_owned();
            let text = fs::read_to_string(path())
                .map_err(|source| InvalidKeys::Unreadable { path: path(), source })?;
            for (line, entry) in (1..).zip(text.lines().map(str::trim)) {
                if entry.is_empty() || entry.starts_with('#') {
                    continue;
                }
                let (name, key) =
                    entry.split_once(':').ok_or_else(|| InvalidKeys::NoColon { path: path(), line })?;
                keys.add(name, key).map_err(|source| InvalidKeys::Line {
                    path: path(),
                    line,
                    source: Box::new(source),
                })?;
            }
        }
        if keys.owners.is_empty() { Err(InvalidKeys::Nobody) } else { Ok(keys) }
    }

    fn add(&mut self, name: &str, key: &str) -> Result<(), InvalidKeys> {
        if name.is_empty() || HeaderValue::from_bytes(name.as_bytes()).is_err() {
            return Err(InvalidKeys::Name(name.to_owned()));
        }
        if key.len() < SHORTEST {
            return Err(InvalidKeys::Short(name.to_owned()));
        }
        match self.owners.insert(self.digester.of(&[key.as_bytes()]), name.into()) {
            None => Ok(()),
            Some(_) => Err(InvalidKeys::Shared(name.to_owned())),
        }
    }

    /// Whose key this is. How long that takes tells nothing about the keys.
    fn owner(&self, key: &str) -> Option<&Arc<str>> {
        self.owners.get(&self.digester.of(&[key.as_bytes()]))
    }
}

// === impl Doorkeeper ===

#[async_trait]
impl Filter for Doorkeeper {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let owner = match self.places.find(req) {
            None => {
                self.tally.count(Decision::Missing);
                let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "api_key_missing");
                return Ok(Flow::Reply(reply.challenged(&self.challenge)));
            }
            Some(key) => self.keys.owner(&key),
        };
        let Some(owner) = owner else {
            self.tally.count(Decision::Wrong);
            let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "api_key_wrong");
            return Ok(Flow::Reply(reply.message("The API key is not valid.").challenged(&self.challenge)));
        };
        if !self.keep {
            self.places.clear(req);
        }
        if let Some(name) = &self.id_header {
            name.set(req, owner)?;
        }
        cx.identify(owner.clone());
        self.tally.count(Decision::Passed);
        Ok(Flow::Continue)
    }
}

fn default_from() -> Vec<TokenPlace> {
    vec![TokenPlace::Header(String::from("X-Api-Key"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(inline: &[(&str, &str)], text: Option<&str>) -> Result<Keys, InvalidKeys> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let inline = inline.iter().map(|(name, key)| ((*name).to_owned(), key.parse().unwrap())).collect();
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        Keys::new(Digester::new().unwrap(), &inline, text.map(|_| path.as_path()))
    }

    #[test]
    fn a_key_has_one_owner() {
        let text = "# partners\npartner:abc:0123456789abcdef\n";
        let keys = keys(&[("mobile", "0123456789abcdef")], Some(text)).unwrap();
        let rows = [
            ("0123456789abcdef", Some("mobile")),
            ("abc:0123456789abcdef", Some("partner")),
            ("0123456789abcde", None),
            ("0123456789abcdeg", None),
            ("", None),
        ];
        for (key, expected) in rows {
            assert_eq!(keys.owner(key).map(|owner| &**owner), expected, "{key}");
        }
    }

    #[test]
    fn slips_are_told_and_keys_are_not() {
        let good = "0123456789abcdef";
        let rows = [
            (vec![], None, "nobody could come in"),
            (vec![("a", "short")], None, "the key of `a` has fewer than 16 bytes"),
            (vec![("a", good), ("b", good)], None, "the key of `b` is that of another one too"),
            (vec![], Some("a\n"), "keys:1: expected `name:key`"),
            (vec![], Some("\n:0123456789abcdef\n"), "keys:2: expected a name"),
        ];
        for (inline, text, expected) in rows {
            let error = keys(&inline, text).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains(good) && !error.contains("short"), "{error}");
        }
    }
}
