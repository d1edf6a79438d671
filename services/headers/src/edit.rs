//! The `headers` filter: set, add and remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, async_trait,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Edits headers.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Headers {
    /// On the request, before it goes to the upstream.
    #[garde(skip)]
    pub request: Edit,
    /// On the response, before it goes to the client.
    #[garde(skip)]
    pub response: Edit,
}

/// What to do to a set of headers: first removed, then set, then added.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Edit {
    /// Names to take away.
    pub remove: Vec<String>,
    /// Names and values to set, replacing what is there.
    pub set: BTreeMap<String, String>,
    /// Names and values to add to what is there.
    pub add: BTreeMap<String, String>,
}

struct Editor {
    request: Prepared,
    response: Prepared,
}

/// An edit with its texts parsed.
#[derive(Default)]
struct Prepared {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

// === impl Headers ===

impl Module for Headers {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Editor {
            request: Prepared::new(&self.request)?,
            response: Prepared::new(&self.response)?,
        }))
    }
}

// === impl Editor ===

#[async_trait]
impl Filter for Editor {
    fn phases(&self) -> Phases {
        let request = if self.request.is_empty() { Phases::NONE } else { Phases::REQUEST };
        let response = if self.response.is_empty() { Phases::NONE } else { Phases::RESPONSE };
        request | response
    }

    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        self.request.apply(&mut req.headers);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, _: &mut Context) -> Result<(), BoxError> {
        self.response.apply(&mut res.headers);
        Ok(())
    }
}

// === impl Prepared ===

impl Prepared {
    fn new(edit: &Edit) -> Result<Self, BoxError> {
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, text)| pair(name, text)).collect::<Result<Vec<_>, _>>()
        };
        let remove = edit.remove.iter().map(|text| name(text)).collect::<Result<_, _>>()?;
        Ok(Self { remove, set: pairs(&edit.set)?, add: pairs(&edit.add)? })
    }

    fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

pub(crate) fn name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| format!("`{text}` is not a header name"))
}

pub(crate) fn pair(header: &str, text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let value = HeaderValue::from_str(text);
    Ok((
        name(header)?,
        value.map_err(|_| format!("the value of `{header}` has characters that a header cannot have"))?,
    ))
}
