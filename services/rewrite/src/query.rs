//! Edits of a query, which leave the parameters that nobody names as the client has written them.

use std::collections::BTreeMap;

use garde::Validate;
use headwall_core::Template;
use headwall_core::template::{Escape, Scene};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may stand raw in a parameter: the unreserved characters of RFC 3986, 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What to do to the parameters of a query: first removed, then set.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct QueryEdit {
    /// Names of parameters to take away.
    #[garde(skip)]
    pub remove: Vec<String>,
    /// Names and values of parameters to set, in place of all of that name. They come to stand at the end.
    #[garde(custom(crate::rewrite::are_of_requests))]
    pub set: BTreeMap<String, Template>,
}

impl QueryEdit {
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }

    /// The query after the edit; `None` where nothing is left of it.
    pub(crate) fn applied(&self, query: &str, scene: &Scene<'_>) -> Option<String> {
        let goes = |name: &str| {
            let name = name.replace('+', " ");
            let name = percent_decode_str(&name).decode_utf8_lossy();
            self.remove.iter().any(|removed| *removed == name) || self.set.contains_key(&*name)
        };
        let kept = query.split('&').filter(|pair| !pair.is_empty());
        let kept = kept.filter(|pair| !goes(pair.split('=').next().unwrap_or_default())).map(str::to_owned);
        let set = self.set.iter().map(|(name, value)| {
            let value = value.expand(scene, Escape::Header);
            format!("{}={}", utf8_percent_encode(name, ENCODED), utf8_percent_encode(&value, ENCODED))
        });
        let pairs: Vec<_> = kept.chain(set).collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }
}
