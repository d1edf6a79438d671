//! The codings that are spoken here.

use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A content coding (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// Zstandard, `zstd` (RFC 8878).
    Zstd,
    /// Brotli, `br` (RFC 7932).
    Br,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl Coding {
    /// Every coding, in the order in which a server likes them best: zstd is the cheapest for what it saves.
    pub(crate) const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    /// The coding's name in headers.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    pub(crate) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }
}
