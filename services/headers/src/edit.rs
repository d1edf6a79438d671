//! The `headers` filter: replace, remove, set and add, and the flags of cookies.

use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use headwall_core::template::{Pattern, Placeholder, Scene};
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, Template, async_trait,
};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cookies::{CookieRule, Cookies};
use crate::prepared::{Prepared, Value};

/// Edits headers. A value may have placeholders such as `{client.ip}` and `{request.id}`; `{{` and `}}` are braces.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Headers {
    /// On the request, before it goes to the upstream.
    #[garde(dive)]
    pub request: RequestEdit,
    /// On the response, before it goes to the client.
    #[garde(dive)]
    pub response: ResponseEdit,
    /// Flags of the cookies that a response sets, after `response` was done. Every rule that names a cookie is applied to it.
    #[garde(dive)]
    pub cookies: Vec<CookieRule>,
}

/// What to do to a request's headers: first replaced, then removed, then set, then added.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct RequestEdit {
    /// Parts of values to exchange.
    #[garde(inner(custom(replaces_in_request)))]
    pub replace: Vec<Replace>,
    /// Names to take away.
    #[garde(inner(custom(is_free)))]
    pub remove: Vec<String>,
    /// Names and values to set, replacing what is there.
    #[garde(custom(stands_in_request))]
    pub set: BTreeMap<String, Template>,
    /// Names and values to add to what is there.
    #[garde(custom(stands_in_request))]
    pub add: BTreeMap<String, Template>,
}

/// The same for a response. `{path}`, `{query}` and `{uri}` are those that the client has sent, `{http.header.NAME}` is the
/// request's header as this filter has seen it, `{status}` and `{reason}` are the response's.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseEdit {
    /// Parts of values to exchange.
    #[garde(inner(custom(replaces_in_response)))]
    pub replace: Vec<Replace>,
    /// Names to take away.
    #[garde(inner(custom(is_free)))]
    pub remove: Vec<String>,
    /// Names and values to set, replacing what is there.
    #[garde(custom(stands_in_response))]
    pub set: BTreeMap<String, Template>,
    /// Names and values to add to what is there.
    #[garde(custom(stands_in_response))]
    pub add: BTreeMap<String, Template>,
}

/// Parts of a header's values to exchange.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The name of the header.
    pub header: String,
    /// What to look for, everywhere in each of its values.
    pub pattern: Pattern,
    /// What to put there; `{0}` is what was found, and `{1}` to `{9}` are its groups.
    pub with: Template,
}

struct Editor {
    request: Prepared,
    response: Prepared,
    cookies: Cookies,
    /// Headers of the request that the response is told of.
    kept: Vec<HeaderName>,
}

/// Headers of a request, for its response.
#[derive(Clone, Default)]
struct Kept(HeaderMap);

// === impl Headers ===

impl Module for Headers {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let (req, res) = (&self.request, &self.response);
        let told = [&res.set, &res.add].into_iter().flat_map(|map| map.values());
        let told = told.chain(res.replace.iter().map(|replace| &replace.with));
        Ok(Arc::new(Editor {
            request: Prepared::new(&req.replace, &req.remove, &req.set, &req.add)?,
            response: Prepared::new(&res.replace, &res.remove, &res.set, &res.add)?,
            cookies: Cookies::new(&self.cookies)?,
            kept: told.flat_map(Template::headers).cloned().collect(),
        }))
    }
}

/// What frames a message belongs to the connection and is written by whoever writes to it.
fn is_free(header: &str, (): &()) -> garde::Result {
    let name = name(header).map_err(garde::Error::new)?;
    if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(&name) {
        return Err(garde::Error::new(format!("`{header}` frames the message; it is not to be edited")));
    }
    Ok(())
}

/// A template has no use for what is not known where it stands.
fn knows(template: &Template, is_known: impl Fn(&Placeholder) -> bool) -> garde::Result {
    match template.placeholders().find(|placeholder| !is_known(placeholder)) {
        Some(_) => Err(garde::Error::new(format!("`{template}` has a placeholder that is not known here"))),
        None => Ok(()),
    }
}

fn in_request(placeholder: &Placeholder) -> bool {
    !placeholder.is_of_error() && !matches!(placeholder, Placeholder::Capture(_))
}

fn in_response(placeholder: &Placeholder) -> bool {
    !matches!(placeholder, Placeholder::Capture(_) | Placeholder::Message)
}

fn stands_in_request(map: &BTreeMap<String, Template>, (): &()) -> garde::Result {
    stands(map, in_request)
}

fn stands_in_response(map: &BTreeMap<String, Template>, (): &()) -> garde::Result {
    stands(map, in_response)
}

fn stands(map: &BTreeMap<String, Template>, is_known: fn(&Placeholder) -> bool) -> garde::Result {
    map.iter().try_for_each(|(header, template)| {
        is_free(header, &())?;
        knows(template, is_known)?;
        Value::new(header, template).map(drop).map_err(garde::Error::new)
    })
}

fn replaces_in_request(replace: &Replace, (): &()) -> garde::Result {
    is_free(&replace.header, &())?;
    knows(&replace.with, |placeholder| !placeholder.is_of_error())
}

fn replaces_in_response(replace: &Replace, (): &()) -> garde::Result {
    is_free(&replace.header, &())?;
    knows(&replace.with, |placeholder| *placeholder != Placeholder::Message)
}

// === impl Editor ===

#[async_trait]
impl Filter for Editor {
    fn phases(&self) -> Phases {
        let asks = !self.request.is_empty() || !self.kept.is_empty();
        let request = if asks { Phases::REQUEST } else { Phases::NONE };
        let tells = !self.response.is_empty() || !self.cookies.is_empty();
        let response = if tells { Phases::RESPONSE } else { Phases::NONE };
        request | response
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if !self.kept.is_empty() {
            self.keep(&req.headers, cx);
        }
        let edits = self.request.edits(&req.headers, &Scene::request(req, cx));
        self.request.apply(edits, &mut req.headers);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let kept = if self.kept.is_empty() { None } else { cx.extensions().get::<Kept>() };
        let scene = Scene::of(cx).status(res.status).error("", cx.reason().unwrap_or(""));
        let scene = kept.map_or(scene, |Kept(headers)| scene.headers(headers));
        let edits = self.response.edits(&res.headers, &scene);
        self.response.apply(edits, &mut res.headers);
        self.cookies.apply(&mut res.headers);
        Ok(())
    }
}

impl Editor {
    /// Notes down what the response is told of. Another such filter may have noted something too.
    fn keep(&self, headers: &HeaderMap, cx: &mut Context) {
        let Kept(mut kept) = cx.extensions_mut().remove().unwrap_or_default();
        for name in &self.kept {
            match headers.get(name) {
                Some(value) => drop(kept.insert(name, value.clone())),
                None => drop(kept.remove(name)),
            }
        }
        cx.extensions_mut().insert(Kept(kept));
    }
}

pub(crate) fn name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| format!("`{text}` is not a header name"))
}

pub(crate) fn pair(header: &str, text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let value = HeaderValue::from_str(text);
    Ok((name(header)?, value.map_err(|_| no_value(header))?))
}

pub(crate) fn no_value(header: &str) -> String {
    format!("the value of `{header}` has characters that a header cannot have")
}
