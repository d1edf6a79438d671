//! A table of routes is a service too.
//!
//! `headwall-route` says which route a request takes; this puts routes into such a table and answers for those that
//! match none: with the filters of the site, so that a 404 carries the security headers of its site as well. It also keeps
//! encrypted and plain requests apart, and requests on the connection that was opened for their site.

use async_trait::async_trait;
use headwall_route::{InvalidTable, Outcome, Request, RouteTable, Rule, Site, host_of};
use http::{HeaderValue, StatusCode, header};

use crate::head::RequestHead;
use crate::{Action, BoxError, Context, Flow, LocalReply, Route, Service};

/// Routes by host, path, method, headers and query.
#[derive(Debug)]
pub struct Table {
    routes: RouteTable<Route>,
    /// For each site, what it has beside its routes.
    around: Vec<Around>,
    /// For requests that no site wants.
    nowhere: Route,
    /// Whether any site has something else to say to plain HTTP.
    tells_plain_apart: bool,
}

/// What a site has beside its routes.
#[derive(Debug)]
pub struct Around {
    /// For what no rule of the site matches: its filters in front of nothing.
    pub not_found: Route,
    /// For requests that do not come over TLS, where they do not take the site's routes.
    pub plain_http: Option<Route>,
}

/// The end of a route on which nothing was found.
#[derive(Debug, Clone, Copy)]
pub struct NotFound;

impl Table {
    /// Puts sites into a table. For each there is a route that takes what no rule of it matches; `nowhere` takes what
    /// no site wants.
    pub fn new(
        sites: impl IntoIterator<Item = (Site<Route>, Around)>,
        nowhere: Route,
    ) -> Result<Self, InvalidTable> {
        let (sites, around): (Vec<_>, Vec<Around>) = sites.into_iter().unzip();
        let tells_plain_apart = around.iter().any(|around| around.plain_http.is_some());
        Ok(Self { routes: RouteTable::new(sites)?, around, nowhere, tells_plain_apart })
    }

    /// One site for every host.
    pub fn of(rules: impl IntoIterator<Item = Rule<Route>>) -> Result<Self, InvalidTable> {
        let site = Site { rules: rules.into_iter().collect(), ..Site::default() };
        let around = Around { not_found: Route::new("_unmatched", NotFound), plain_http: None };
        Self::new([(site, around)], Route::new("_unmatched", NotFound))
    }

    /// The table underneath, to ask it for reasons.
    pub fn routes(&self) -> &RouteTable<Route> {
        &self.routes
    }

    /// The route for a request that should have come over TLS.
    fn plain_http(&self, host: Option<&str>, cx: &Context) -> Option<&Route> {
        if !self.tells_plain_apart || cx.scheme() == "https" {
            return None;
        }
        let (site, _) = self.routes.site_of(host)?;
        self.around[site].plain_http.as_ref()
    }

    /// Whether the request has come on a connection that was opened for its site. Another site may have asked less of its
    /// clients: no certificate, an older protocol (RFC 9110, 7.4).
    fn is_misdirected(&self, host: Option<&str>, cx: &Context) -> bool {
        let Some(tls) = cx.tls().filter(|tls| tls.host.as_deref() != host) else { return false };
        let site = |host| self.routes.site_of(host).map(|(site, _)| site);
        site(tls.host.as_deref()) != site(host)
    }
}

#[async_trait]
impl Service for Table {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let host = match cx.host().map(host_of).transpose() {
            Ok(host) => host,
            Err(error) => {
                let reply = LocalReply::error(StatusCode::BAD_REQUEST, "invalid_host");
                return Ok(Action::Reply(
                    reply.message(format!("The request's host is malformed: {error}.")),
                ));
            }
        };
        if let Some(route) = self.plain_http(host.as_deref(), cx) {
            return Ok(route.serve(req, cx).await?);
        }
        if self.is_misdirected(host.as_deref(), cx) {
            // Of no site, as far as anybody on this connection may know; so it is counted where those are.
            let reply = LocalReply::error(StatusCode::MISDIRECTED_REQUEST, "misdirected_request");
            return missed(&self.nowhere, reply, req, cx).await;
        }
        let outcome = self.routes.find(&Request {
            host: host.as_deref(),
            method: &req.method,
            path: req.uri.path(),
            query: req.uri.query(),
            headers: &req.headers,
        });
        let (miss, reply) = match outcome {
            Outcome::Found(found) => return Ok(found.target.serve(req, cx).await?),
            Outcome::NoSite => (&self.nowhere, LocalReply::error(StatusCode::NOT_FOUND, "no_site")),
            Outcome::NoRoute { site } => (&self.around[site].not_found, not_found()),
            Outcome::MethodNotAllowed { site, allow } => {
                let reply = LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
                (&self.around[site].not_found, reply.header(header::ALLOW, allow_text(&allow.to_string())))
            }
        };
        missed(miss, reply, req, cx).await
    }

    fn describe(&self) -> String {
        format!("a table of {} sites", self.around.len())
    }
}

#[async_trait]
impl Service for NotFound {
    async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(Action::Reply(not_found()))
    }

    fn describe(&self) -> String {
        String::from("404 Not Found")
    }
}

/// Answers what no rule takes, unless a filter in front has another answer.
async fn missed(
    miss: &Route,
    reply: LocalReply,
    req: &mut RequestHead,
    cx: &mut Context,
) -> Result<Action, BoxError> {
    match miss.request(req, cx).await? {
        Flow::Continue => Ok(Action::Reply(reply)),
        Flow::Reply(reply) => Ok(Action::Reply(reply)),
    }
}

fn not_found() -> LocalReply {
    LocalReply::error(StatusCode::NOT_FOUND, "no_route")
}

fn allow_text(methods: &str) -> HeaderValue {
    // Method names are tokens, and tokens are header text.
    HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static(""))
}
