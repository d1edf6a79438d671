//! When browsers send a cookie along, as cookies and settings say it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a cookie goes along with a request that another site has caused (RFC 6265bis, 5.6.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// Never.
    Strict,
    /// When somebody follows a link.
    #[default]
    Lax,
    /// Always.
    None,
}

impl fmt::Display for SameSite {
    /// As the attribute of a cookie has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        })
    }
}
