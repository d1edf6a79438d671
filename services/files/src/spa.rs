//! The `spa` service: a single-page app.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use garde::Validate;
use headwall_core::{BoxError, Build, Module, Service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::encoding::Encoding;
use crate::files::all_encodings;
use crate::finder::Finder;
use crate::hashed::Hashed;
use crate::serve::Serve;
use crate::settings::{InvalidFiles, Memory, cache_control, immutable, is_name, is_path, prefix};
use crate::tree::Tree;
use crate::types::Types;

/// Serves a single-page app: its files, and its shell for every page that a browser goes to and that is no file. A script or an
/// API that is missing is a 404, never HTML. Files with a hash in their name are kept for a year, all others are asked about.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Spa {
    /// The directory that the build tool has written.
    #[garde(skip)]
    pub root: PathBuf,
    /// The file in it that stands for every page. Default: `index.html`.
    #[garde(custom(|name: &String, cx: &()| is_name(name, cx)))]
    #[serde(default = "shell")]
    pub shell: String,
    /// What is taken off the front of the request's path, in whole elements. Default: nothing.
    #[garde(custom(is_path))]
    #[serde(default)]
    pub strip_prefix: Option<String>,
    /// Which compressed forms of a file are looked for beside it, best first: `br`, `zstd`, `gzip`. Default: all three.
    #[garde(skip)]
    #[serde(default = "all_encodings")]
    pub precompressed: Vec<Encoding>,
    /// A regular expression for paths of files that never change, such as `^/build/`. Default: names with a hash in them, as
    /// Vite, webpack, Create React App and Next.js write them. They get `Cache-Control: public, max-age=31536000, immutable`.
    #[garde(skip)]
    #[serde(default)]
    pub immutable: Option<String>,
    /// `Cache-Control` of all other files, the shell among them. Default: `no-cache`, which is to ask each time.
    #[garde(skip)]
    #[serde(default = "no_cache")]
    pub cache_control: Option<String>,
    /// Types of files by their extension, beside those that are known. Default: none.
    #[garde(skip)]
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// What is kept in memory.
    #[garde(dive)]
    #[serde(default)]
    pub memory: Memory,
}

fn shell() -> String {
    "index.html".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "the default of a key that can be null")]
fn no_cache() -> Option<String> {
    Some("no-cache".to_owned())
}

impl Spa {
    fn finder(&self) -> Result<Finder, InvalidFiles> {
        let finder = Finder {
            tree: Tree::new(&self.root)?,
            candidates: vec![Candidate::path()],
            index: vec![self.shell.clone()],
            encodings: self.precompressed.clone(),
            types: Types::new(&self.types)?,
            hashed: immutable(self.immutable.as_deref(), Hashed::ByLooks)?,
            cache_control: cache_control(self.cache_control.as_ref())?,
            hidden: false,
            listing: false,
        };
        if !finder.has_file(&self.shell) {
            return Err(InvalidFiles::NoShell { shell: self.shell.clone(), root: self.root.clone().into() });
        }
        Ok(finder)
    }
}

impl Module for Spa {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        Ok(Arc::new(Serve {
            finder: Arc::new(self.finder()?),
            cache: self.memory.cache(),
            strip: prefix(self.strip_prefix.as_ref()),
            shell: Some(self.shell.clone()),
        }))
    }
}
