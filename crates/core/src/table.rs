//! A table of routes is a service too.
//!
//! `headwall-route` says which route a request takes; this puts routes into such a table and answers for those that
//! match none: with the filters of the site, so that a 404 carries the security headers of its site as well.

use async_trait::async_trait;
use headwall_route::{InvalidTable, Outcome, Request, RouteTable, Rule, Site, host_of};
use http::{HeaderValue, StatusCode, header};

use crate::head::RequestHead;
use crate::{Action, BoxError, Context, Flow, LocalReply, Route, Service};

/// Routes by host, path, method, headers and query.
#[derive(Debug)]
pub struct Table {
    routes: RouteTable<Route>,
    /// For each site, its filters in front of nothing.
    misses: Vec<Route>,
    /// For requests that no site wants.
    nowhere: Route,
}

/// The end of a route on which nothing was found.
#[derive(Debug, Clone, Copy)]
pub struct NotFound;

impl Table {
    /// Puts sites into a table. For each there is a route that takes what no rule of it matches; `nowhere` takes what
    /// no site wants.
    pub fn new(
        sites: impl IntoIterator<Item = (Site<Route>, Route)>,
        nowhere: Route,
    ) -> Result<Self, InvalidTable> {
        let (sites, misses): (Vec<_>, Vec<_>) = sites.into_iter().unzip();
        Ok(Self { routes: RouteTable::new(sites)?, misses, nowhere })
    }

    /// One site for every host.
    pub fn of(rules: impl IntoIterator<Item = Rule<Route>>) -> Result<Self, InvalidTable> {
        let site = Site { rules: rules.into_iter().collect(), ..Site::default() };
        Self::new([(site, Route::new("_unmatched", NotFound))], Route::new("_unmatched", NotFound))
    }

    /// The table underneath, to ask it for reasons.
    pub fn routes(&self) -> &RouteTable<Route> {
        &self.routes
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
            Outcome::NoRoute { site } => (&self.misses[site], not_found()),
            Outcome::MethodNotAllowed { site, allow } => {
                let reply = LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
                (&self.misses[site], reply.header(header::ALLOW, allow_text(&allow.to_string())))
            }
        };
        match miss.request(req, cx).await? {
            Flow::Continue => Ok(Action::Reply(reply)),
            Flow::Reply(reply) => Ok(Action::Reply(reply)),
        }
    }

    fn describe(&self) -> String {
        format!("a table of {} sites", self.misses.len())
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

fn not_found() -> LocalReply {
    LocalReply::error(StatusCode::NOT_FOUND, "no_route")
}

fn allow_text(methods: &str) -> HeaderValue {
    // Method names are tokens, and tokens are header text.
    HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static(""))
}
