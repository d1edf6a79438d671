//! What `files` and `spa` have in common in a config.

use std::path::Path;

use garde::Validate;
use headwall_core::units::{Duration, Size};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::candidate::InvalidCandidate;
use crate::hashed::Hashed;
use crate::tree::InvalidRoot;
use crate::types::InvalidType;

/// What is kept in memory, for each route by itself: small files that were asked for lately, and what the disk has said of any
/// file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "FileMemory")]
pub struct Memory {
    /// The most bytes of content. Default: `32m`. `0` keeps none.
    #[garde(skip)]
    pub size: Size,
    /// The largest file whose content is kept. Default: `64k`, at most `1m`.
    #[garde(custom(at_most_a_megabyte))]
    pub file_size: Size,
    /// How long the disk is believed before it is asked again whether a file has changed. Default: `1s`. `0s` asks for every
    /// request.
    #[garde(skip)]
    pub recheck: Duration,
}

/// Settings that nothing can be served by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFiles {
    #[error(transparent)]
    Root(#[from] InvalidRoot),
    #[error(transparent)]
    Candidate(#[from] InvalidCandidate),
    #[error(transparent)]
    Type(#[from] InvalidType),
    #[error("`immutable` has to be a regular expression for paths: {0}")]
    Pattern(#[from] regex::Error),
    #[error("`cache_control` has to be the value of a header, was {0:?}")]
    CacheControl(String),
    #[error("`shell` has to be a file in `root`; there is no {shell} in {}", root.display())]
    NoShell { shell: String, root: Box<Path> },
}

fn at_most_a_megabyte(size: &Size, (): &()) -> garde::Result {
    if size.bytes() <= 1 << 20 {
        Ok(())
    } else {
        Err(garde::Error::new("expected at most 1m: larger files are streamed"))
    }
}

/// An absolute path, such as a prefix.
pub(crate) fn is_path(prefix: &Option<String>, (): &()) -> garde::Result {
    match prefix {
        Some(prefix) if !prefix.starts_with('/') || prefix.contains(['?', '#', ' ']) => {
            Err(garde::Error::new("expected a path such as /static"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The name of a file, without a directory.
pub(crate) fn is_name(name: &str, (): &()) -> garde::Result {
    if name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..") {
        return Err(garde::Error::new("expected the name of a file, such as index.html"));
    }
    Ok(())
}

/// What the operator has said of names that never change.
pub(crate) fn immutable(pattern: Option<&str>, otherwise: Hashed) -> Result<Hashed, InvalidFiles> {
    Ok(match pattern {
        Some(pattern) => Hashed::Pattern(regex::bytes::Regex::new(pattern)?),
        None => otherwise,
    })
}

/// The value of `Cache-Control`.
pub(crate) fn cache_control(value: Option<&String>) -> Result<Option<HeaderValue>, InvalidFiles> {
    let parse = |value: &String| value.parse().map_err(|_| InvalidFiles::CacheControl(value.clone()));
    value.map(parse).transpose()
}

/// A prefix as it is taken off: without a slash at its end.
pub(crate) fn prefix(prefix: Option<&String>) -> String {
    prefix.map(|prefix| prefix.trim_end_matches('/').to_owned()).unwrap_or_default()
}

// === impl Memory ===

impl Memory {
    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.size.bytes(), self.file_size.bytes(), self.recheck.into())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            size: Size::from_bytes(32 << 20),
            file_size: Size::from_bytes(64 << 10),
            recheck: Duration::from_secs(1),
        }
    }
}
