//! The `forward_auth` filter: another server says who may come in.
//!
//! ```yaml
//! forward_auth: { to: { upstream: auth, path: /verify }, response_headers: [Remote-User] }
//! ```
//!
//! The contract is Traefik's, which is nginx's `auth_request` with more said: the server is asked with a GET that has the
//! client's headers and, in `X-Forwarded-*`, what the client wants. 2xx lets the request pass, with the listed headers of
//! the answer added to it; 401, 403 and 3xx go to the client as they are. Whatever else comes back, or nothing, is a 503:
//! an authentication server that is down lets nobody in.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall_core::units::{Duration, UpstreamRef};
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, Inquiry, LocalReply, Module, Phases, RequestHead, ResponseHead,
    async_trait,
};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, FORWARDED, HOST, HeaderName, LOCATION, RANGE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fetch::Fetch;
use crate::tally::{Decision, Tally};
use crate::told::Told;

/// The longest answer that is passed on.
const LONGEST: usize = 64 * 1024;

/// What concerns one connection, or a body that is not sent along.
const NOT_ASKED: [HeaderName; 13] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    RANGE,
    FORWARDED,
    HOST,
];

static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// Asks another server who may come in.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuth {
    /// Who is asked.
    #[garde(skip)]
    pub to: AuthServer,
    /// How long a whole answer may take. Default: `5s`.
    #[serde(default = "default_timeout")]
    #[garde(skip)]
    pub timeout: Duration,
    /// The client's headers that the server is shown. Default: all but those that concern a connection or a body.
    #[serde(default)]
    #[garde(skip)]
    pub request_headers: Vec<String>,
    /// Headers of an answer that lets the request pass, which are set in the request for the upstream. Those that the
    /// client has sent are taken away. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub response_headers: Vec<String>,
    /// The one of them that names the user in the access log. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub user_header: Option<String>,
}

/// Who is asked: an upstream of this file, or an address.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthServer {
    /// An upstream, with its balancing, health checks and TLS.
    #[serde(default)]
    pub upstream: Option<UpstreamRef>,
    /// Path and query that the upstream is asked for. Default: `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// An address such as `http://auth:9091/verify`, instead of an upstream.
    #[serde(default)]
    pub url: Option<String>,
    /// A file with the certificates that are trusted for a URL instead of the system's. Default: none.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

struct Asker {
    server: Server,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<Told>,
    user_header: Option<Told>,
    tally: Tally,
}

enum Server {
    Upstream(Box<Inquiry>, Uri),
    Url(Box<Fetch>, Uri),
}

// === impl ForwardAuth ===

impl Module for ForwardAuth {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let name = |text: &String| {
            text.parse::<HeaderName>().map_err(|_| format!("expected the name of a header, found `{text}`"))
        };
        let names = |texts: &[String]| texts.iter().map(name).collect::<Result<Vec<_>, _>>();
        let told = self.response_headers.iter().map(|name| Told::new(name));
        let response_headers = told.collect::<Result<Vec<_>, _>>()?;
        let user_header = Told::maybe(self.user_header.as_deref())?;
        if let Some(user) = user_header.as_ref().filter(|user| !response_headers.contains(user)) {
            let user = user.name();
            return Err(format!("`user_header` is `{user}`, which is not one of `response_headers`").into());
        }
        Ok(Arc::new(Asker {
            server: Server::new(&self.to, self.timeout, cx)?,
            request_headers: names(&self.request_headers)?,
            response_headers,
            user_header,
            tally: Tally::new(cx)?,
        }))
    }
}

// === impl Server ===

impl Server {
    fn new(to: &AuthServer, timeout: Duration, cx: &Build<'_>) -> Result<Self, BoxError> {
        match to {
            AuthServer { upstream: Some(upstream), path, url: None, ca: None } => {
                let path = path.as_deref().unwrap_or("/");
                let target = path.parse::<Uri>().ok().filter(|_| path.starts_with('/'));
                let target =
                    target.ok_or_else(|| format!("expected a path such as /verify, found `{path}`"))?;
                let inquiry = Inquiry::new(cx.upstream(upstream)?, timeout.as_std(), LONGEST);
                Ok(Self::Upstream(Box::new(inquiry), target))
            }
            AuthServer { upstream: None, path: None, url: Some(url), ca } => {
                let (fetch, url) = Fetch::new(url, ca.as_deref(), timeout.as_std())?;
                Ok(Self::Url(Box::new(fetch), url))
            }
            _ => {
                Err("expected `upstream`, with a `path` or without, or `url`, with a `ca` or without".into())
            }
        }
    }

    fn target(&self) -> &Uri {
        match self {
            Self::Upstream(_, target) | Self::Url(_, target) => target,
        }
    }

    async fn ask(&self, req: RequestHead, cx: &mut Context) -> Result<(ResponseHead, Bytes), BoxError> {
        match self {
            Self::Upstream(inquiry, _) => Ok(inquiry.ask(req, cx).await?),
            Self::Url(fetch, _) => Ok(fetch.ask(Request::from_parts(req, Empty::new())).await?),
        }
    }
}

// === impl Asker ===

impl Asker {
    /// What the server is asked.
    fn question(&self, req: &RequestHead, cx: &Context) -> Result<RequestHead, BoxError> {
        let (mut question, ()) = Request::new(()).into_parts();
        question.method = Method::GET;
        question.uri = self.server.target().clone();
        question.headers = self.shown(&req.headers);
        let headers = &mut question.headers;
        // An upstream is one of the site's own; a server at an address goes by its own name, which the client sets.
        if let (Server::Upstream(..), Some(host)) = (&self.server, cx.host()) {
            headers.insert(HOST, host.parse()?);
        }
        let address = HeaderValue::try_from(cx.client_address().to_string())?;
        // What goes on to the application is what is asked about, and not the target as it was written.
        let target = HeaderValue::try_from(req.uri.path_and_query().map_or("/", |target| target.as_str()))?;
        let method = HeaderValue::try_from(req.method.as_str())?;
        headers.insert(&X_FORWARDED_METHOD, method.clone());
        headers.insert(&X_ORIGINAL_METHOD, method);
        headers.insert(&X_FORWARDED_URI, target.clone());
        headers.insert(&X_ORIGINAL_URI, target);
        headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(cx.scheme()));
        headers.insert(&X_FORWARDED_FOR, address.clone());
        headers.insert(&X_REAL_IP, address);
        if let Some(host) = cx.host() {
            headers.insert(&X_FORWARDED_HOST, host.parse()?);
        }
        Ok(question)
    }

    /// The client's headers as far as the server is shown them.
    fn shown(&self, headers: &HeaderMap) -> HeaderMap {
        let mut shown = if self.request_headers.is_empty() {
            headers.clone()
        } else {
            let mut shown = HeaderMap::new();
            for name in &self.request_headers {
                for value in headers.get_all(name) {
                    shown.append(name, value.clone());
                }
            }
            shown
        };
        for name in &NOT_ASKED {
            shown.remove(name);
        }
        // Where the request comes from is told by nobody but us.
        let told: Vec<_> = shown.keys().filter(|name| is_told_here(name)).cloned().collect();
        for name in told {
            shown.remove(name);
        }
        shown
    }

    /// The server lets the request pass.
    fn admit(&self, req: &mut RequestHead, answer: &ResponseHead, cx: &mut Context) -> Flow {
        for told in &self.response_headers {
            for value in answer.headers.get_all(told.name()) {
                req.headers.append(told.name(), value.clone());
            }
        }
        let user = self.user_header.as_ref().and_then(|told| answer.headers.get(told.name())?.to_str().ok());
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            cx.identify(user);
        }
        self.tally.count(Decision::Passed);
        Flow::Continue
    }

    /// The server has an answer for the client: a form to log in with, a redirect, a refusal.
    fn pass_on(&self, answer: &ResponseHead, body: Bytes) -> Flow {
        self.tally.count(Decision::Forbidden);
        let content_type = answer.headers.get(CONTENT_TYPE).cloned();
        let mut reply = match content_type {
            Some(content_type) => LocalReply::bytes(answer.status, content_type, body),
            None => LocalReply::new(answer.status),
        };
        for (name, value) in &answer.headers {
            if !NOT_ASKED.contains(name) || *name == LOCATION {
                reply = reply.added(name.clone(), value.clone());
            }
        }
        Flow::Reply(reply.because("auth_refused"))
    }

    fn close(&self, why: &dyn std::fmt::Display) -> Flow {
        log::warn!("forward_auth: {why}");
        self.tally.count(Decision::Unavailable);
        Flow::Reply(LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "auth_unavailable"))
    }
}

#[async_trait]
impl Filter for Asker {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let question = self.question(req, cx)?;
        for told in &self.response_headers {
            told.clear(req);
        }
        let (answer, body) = match self.server.ask(question, cx).await {
            Ok(answer) => answer,
            Err(error) => return Ok(self.close(&error)),
        };
        Ok(match answer.status {
            status if status.is_success() => self.admit(req, &answer, cx),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.pass_on(&answer, body),
            status if status.is_redirection() && answer.headers.contains_key(LOCATION) => {
                self.pass_on(&answer, body)
            }
            status => self.close(&format_args!("the answer is {status}")),
        })
    }
}

fn is_told_here(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || name.starts_with("x-original-") || name == X_REAL_IP.as_str()
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}
