//! The `cors` filter: which web pages may read answers (the Fetch standard, 3.2).
//!
//! ```yaml
//! cors: { origins: [https://app.example.com], credentials: true }
//! ```
//!
//! It stands before the filters that ask who somebody is: a browser's preflight never says. What those answer then has
//! CORS headers too, so that a page can read why it was refused.

mod origins;

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Duration;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, ResponseHead,
    async_trait,
};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tally::{Decision, Tally};
use origins::Origins;

static ASKS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
static ALLOWS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// What preflights ask for, and so what an answer to one depends on.
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
                              Access-Control-Request-Private-Network";

/// Lets web pages of other origins read answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins of pages, such as `https://app.example.com`; `https://*.example.com` for any name under that one, and `*`
    /// for all. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub origins: Vec<String>,
    /// Regular expressions for origins. Each has to match the whole of it. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub origin_patterns: Vec<String>,
    /// Methods that pages may use. Default: `[GET, HEAD, POST]`.
    #[serde(default = "default_methods")]
    #[garde(length(min = 1))]
    pub methods: Vec<String>,
    /// Request headers that pages may set, or `*` for all but `Authorization`. Default: those that every page may set.
    #[serde(default)]
    #[garde(skip)]
    pub headers: Vec<String>,
    /// Response headers that pages may read. Default: those that every page may read.
    #[serde(default)]
    #[garde(skip)]
    pub expose: Vec<String>,
    /// Whether pages may send cookies and passwords along. Nothing may be `*` then. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub credentials: bool,
    /// How long a browser may remember what it was told it may do. Default: `10m`.
    #[serde(default = "default_max_age")]
    #[garde(skip)]
    pub max_age: Duration,
    /// Whether pages of the Internet may ask this server in a private network. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub private_network: bool,
}

struct Sharing {
    origins: Origins,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
    private_network: bool,
    tally: Tally,
}

/// What a response will say, left in the context by the request.
#[derive(Clone)]
struct Allowed(HeaderValue);

/// This request is a preflight, and what it is answered is complete.
#[derive(Clone)]
struct Preflight;

// === impl Cors ===

impl Module for Cors {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let origins = Origins::new(&self.origins, &self.origin_patterns)?;
        let star = [&self.methods, &self.headers, &self.expose].into_iter().flatten().any(|name| name == "*");
        // With credentials a browser takes `*` for a name, and reflecting every origin would be worse.
        if self.credentials && (star || origins.are_all()) {
            return Err("`credentials: true` and `*` exclude each other: name what is allowed".into());
        }
        let (methods, headers) = (list(&self.methods, is_method)?, list(&self.headers, is_header)?);
        Ok(Arc::new(Sharing {
            origins,
            methods: methods.unwrap_or(HeaderValue::from_static("GET")),
            headers,
            expose: list(&self.expose, is_header)?,
            credentials: self.credentials,
            max_age: HeaderValue::from(self.max_age.as_std().as_secs()),
            private_network: self.private_network,
            tally: Tally::new(cx)?,
        }))
    }
}

/// Names as one header value; `None` if there are none.
fn list(names: &[String], is_one: fn(&str) -> bool) -> Result<Option<HeaderValue>, BoxError> {
    if let Some(odd) = names.iter().find(|name| !is_one(name)) {
        return Err(format!("`{odd}` is not a name that can stand there").into());
    }
    let line = Some(names.join(", ")).filter(|line| !line.is_empty());
    Ok(line.map(HeaderValue::try_from).transpose()?)
}

fn is_method(name: &str) -> bool {
    name == "*" || Method::from_bytes(name.as_bytes()).is_ok()
}

fn is_header(name: &str) -> bool {
    name == "*" || HeaderName::from_bytes(name.as_bytes()).is_ok()
}

// === impl Sharing ===

impl Sharing {
    /// What `Access-Control-Allow-Origin` says to a request of this origin.
    fn answer(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.origins.are_all() {
            return Some(HeaderValue::from_static("*"));
        }
        origin.to_str().is_ok_and(|origin| self.origins.have(origin)).then(|| origin.clone())
    }

    fn preflight(&self, req: &RequestHead) -> LocalReply {
        let mut reply = LocalReply::new(StatusCode::NO_CONTENT)
            .header(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())
            .header(ACCESS_CONTROL_MAX_AGE, self.max_age.clone())
            .header(VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        if let Some(headers) = &self.headers {
            reply = reply.header(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        if self.private_network && req.headers.get(&ASKS_PRIVATE_NETWORK).is_some_and(|asked| asked == "true")
        {
            reply = reply.header(ALLOWS_PRIVATE_NETWORK.clone(), HeaderValue::from_static("true"));
        }
        reply
    }
}

#[async_trait]
impl Filter for Sharing {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let Some(origin) = req.headers.get(ORIGIN) else { return Ok(Flow::Continue) };
        let is_preflight =
            req.method == Method::OPTIONS && req.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let Some(allowed) = self.answer(origin) else {
            self.tally.count(Decision::Forbidden);
            if is_preflight {
                let reply = LocalReply::error(StatusCode::FORBIDDEN, "origin_denied");
                return Ok(Flow::Reply(reply.message("Pages of this origin may not ask here.")));
            }
            // Whether the page may read the answer is for its browser to say, and it will not be allowed to.
            return Ok(Flow::Continue);
        };
        cx.extensions_mut().insert(Allowed(allowed));
        if is_preflight {
            self.tally.count(Decision::Preflight);
            cx.extensions_mut().insert(Preflight);
            return Ok(Flow::Reply(self.preflight(req)));
        }
        self.tally.count(Decision::Passed);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let headers = &mut res.headers;
        let is_preflight = cx.extensions().get::<Preflight>().is_some();
        if !is_preflight {
            // What the application says itself would stand there twice, and browsers refuse that.
            for name in [
                &ACCESS_CONTROL_ALLOW_ORIGIN,
                &ACCESS_CONTROL_ALLOW_CREDENTIALS,
                &ACCESS_CONTROL_EXPOSE_HEADERS,
                &ACCESS_CONTROL_ALLOW_METHODS,
                &ACCESS_CONTROL_ALLOW_HEADERS,
                &ACCESS_CONTROL_MAX_AGE,
            ] {
                headers.remove(name);
            }
            if !self.origins.are_all() {
                // Also where no page asked: a cache must not hand that answer to one.
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
        }
        let Some(Allowed(origin)) = cx.extensions().get::<Allowed>() else { return Ok(()) };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = self.expose.as_ref().filter(|_| !is_preflight) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        Ok(())
    }
}

fn default_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(String::from).to_vec()
}

fn default_max_age() -> Duration {
    Duration::from_secs(600)
}
