//! The `files` service: what is in a directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use garde::Validate;
use headwall_core::{BoxError, Build, Module, Service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::encoding::Encoding;
use crate::finder::Finder;
use crate::hashed::Hashed;
use crate::serve::Serve;
use crate::settings::{InvalidFiles, Memory, cache_control, immutable, is_name, is_path, prefix};
use crate::tree::Tree;
use crate::types::Types;

/// Serves the files of a directory, with ranges, conditional requests and files that were compressed beforehand. What is not
/// below the directory is not served, links that lead out of it included.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The directory. A link to it is followed anew for each look at the disk.
    #[garde(skip)]
    pub root: PathBuf,
    /// What is taken off the front of the request's path, in whole elements. Default: nothing.
    #[garde(custom(is_path))]
    #[serde(default)]
    pub strip_prefix: Option<String>,
    /// The files that stand for their directory, the first that is there. Default: `[index.html]`. Without one a directory is
    /// not found.
    #[garde(inner(custom(|name: &String, cx: &()| is_name(name, cx))))]
    #[serde(default = "index")]
    pub index: Vec<String>,
    /// The files that may stand for a path, the first that is there: `{path}`, `{path}.html`, or the same for all, as
    /// `/fallback.html`. Default: `["{path}"]`.
    #[garde(length(min = 1))]
    #[serde(default = "only_the_path", rename = "try")]
    pub candidates: Vec<String>,
    /// Which compressed forms of a file are looked for beside it, best first: `br` for `.br`, `zstd` for `.zst`, `gzip` for
    /// `.gz`. Default: all three.
    #[garde(skip)]
    #[serde(default = "all_encodings")]
    pub precompressed: Vec<Encoding>,
    /// Whether a directory without an index is listed, as HTML or JSON. Default: `false`.
    #[garde(skip)]
    #[serde(default)]
    pub listing: bool,
    /// Whether names that begin with a dot are served. `.well-known` always is. Default: `false`.
    #[garde(skip)]
    #[serde(default)]
    pub hidden: bool,
    /// Types of files by their extension, beside those that are known. Default: none.
    #[garde(skip)]
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// `Cache-Control` of files that may change. Default: none, and a browser guesses.
    #[garde(skip)]
    #[serde(default)]
    pub cache_control: Option<String>,
    /// A regular expression for paths of files that never change, such as `^/build/`. They get `Cache-Control: public,
    /// max-age=31536000, immutable`. Default: none.
    #[garde(skip)]
    #[serde(default)]
    pub immutable: Option<String>,
    /// What is kept in memory.
    #[garde(dive)]
    #[serde(default)]
    pub memory: Memory,
}

pub(crate) fn index() -> Vec<String> {
    vec!["index.html".to_owned()]
}

fn only_the_path() -> Vec<String> {
    vec!["{path}".to_owned()]
}

pub(crate) fn all_encodings() -> Vec<Encoding> {
    vec![Encoding::Brotli, Encoding::Zstandard, Encoding::Gzip]
}

impl Files {
    fn finder(&self) -> Result<Finder, InvalidFiles> {
        Ok(Finder {
            tree: Tree::new(&self.root)?,
            candidates: self.candidates.iter().map(|text| Candidate::read(text)).collect::<Result<_, _>>()?,
            index: self.index.clone(),
            encodings: self.precompressed.clone(),
            types: Types::new(&self.types)?,
            hashed: immutable(self.immutable.as_deref(), Hashed::Never)?,
            cache_control: cache_control(self.cache_control.as_ref())?,
            hidden: self.hidden,
            listing: self.listing,
        })
    }
}

impl Module for Files {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        Ok(Arc::new(Serve {
            finder: Arc::new(self.finder()?),
            cache: self.memory.cache(),
            strip: prefix(self.strip_prefix.as_ref()),
            shell: None,
        }))
    }
}
