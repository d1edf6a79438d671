//! Files that were compressed beforehand.

use std::fmt;

use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a file was compressed, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FileEncoding")]
pub enum Encoding {
    /// `app.js.br`, Brotli.
    #[serde(rename = "br")]
    Brotli,
    /// `app.js.zst`, Zstandard.
    #[serde(rename = "zstd")]
    Zstandard,
    /// `app.js.gz`, gzip.
    #[serde(rename = "gzip")]
    Gzip,
}

impl Encoding {
    /// The word in `Content-Encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What stands behind the name of the file that was compressed.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
