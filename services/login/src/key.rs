//! What a rate limit counts.

use headwall_core::{Context, RequestHead};
use headwall_limit::{Key, KeyHasher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rate limit counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The client's address; IPv6 by its /64, since every customer has at least one of those to choose from.
    #[default]
    ClientAddress,
    /// The value of a request header, such as an API key. Requests without it are not counted.
    Header(String),
}

impl KeySource {
    pub(crate) fn of(&self, req: &RequestHead, cx: &Context, hasher: &KeyHasher) -> Option<Key> {
        match self {
            Self::ClientAddress => Some(Key::address(cx.client_address())),
            Self::Header(name) => {
                let value = req.headers.get(name.as_str())?;
                (!value.is_empty()).then(|| hasher.bytes(value.as_bytes()))
            }
        }
    }
}
