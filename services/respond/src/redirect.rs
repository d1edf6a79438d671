//! The `redirect` service.

use std::sync::Arc;

use garde::Validate;
use headwall_core::template::{Escape, Placeholder, Scene};
use headwall_core::{
    Action, BoxError, Build, Context, Error, LocalReply, Module, RequestHead, Service, Template, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends the client elsewhere.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where to: a path or a URL, in which placeholders such as `{host}` (without port), `{path}`, `{query}` and `{uri}`
    /// (path and query) stand for those of the request. The host is one that is written here, or `{host}`: no client can
    /// choose it.
    #[garde(custom(is_target))]
    pub to: Template,
    /// 301, 302, 303, 307 or 308. Default: 308, which keeps the method and may be remembered.
    #[serde(default = "permanent")]
    #[garde(custom(is_redirect))]
    pub status: u16,
}

struct Redirector {
    to: Template,
    status: StatusCode,
    /// The target is a path, which must not turn into a host.
    is_local: bool,
}

impl Module for Redirect {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let is_local = !self.to.as_str().contains("://");
        Ok(Arc::new(Redirector { to: self.to.clone(), status: StatusCode::from_u16(self.status)?, is_local }))
    }
}

#[async_trait]
impl Service for Redirector {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let mut target = self.to.expand(&Scene::request(req, cx), Escape::Url);
        if self.is_local && target.starts_with("//") {
            // To a browser this would be another host.
            target = format!("/{}", target.trim_start_matches('/'));
        }
        let location = HeaderValue::try_from(target).map_err(|error| Error::module("redirect", error))?;
        Ok(Action::Reply(LocalReply::redirect(self.status, location)))
    }

    fn describe(&self) -> String {
        format!("redirect with {}", self.status.as_u16())
    }
}

/// A path, or a URL whose host no client can choose.
fn is_target(to: &Template, (): &()) -> garde::Result {
    let refuse = |why: &str| Err(garde::Error::new(why));
    if to.placeholders().any(|value| value.is_of_error() || matches!(value, Placeholder::Capture(_))) {
        return refuse("a redirect knows no {status}, {message} or {reason}, and has no pattern");
    }
    let (rest, is_local) = match to.as_str().split_once("://") {
        Some(("http" | "https" | "{scheme}", rest)) => (rest, false),
        Some(_) => return refuse("expected a path, or a URL with http, https or {scheme}"),
        None => (to.as_str(), true),
    };
    if is_local {
        let is_path = rest.starts_with('/') && !rest.starts_with("//");
        let begins = |name: &str| rest.starts_with(name);
        return if is_path || begins("{path}") || begins("{uri}") {
            Ok(())
        } else {
            refuse(
                "expected a path that begins with `/`, {path} or {uri}, or a URL such as https://{host}{uri}",
            )
        };
    }
    // `{uri}` and `{path}` begin with a slash, so what stands before them is the host.
    let end = ["/", "?", "#", "{uri}", "{path}"].iter().filter_map(|end| rest.find(end)).min();
    let host = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().replace("{host}", "h");
    if host.is_empty() || host.contains(['{', '}', '\\', '@']) {
        return refuse("the host of a redirect is written out or {host}, so that no client can choose it");
    }
    Ok(())
}

fn permanent() -> u16 {
    308
}

fn is_redirect(status: &u16, (): &()) -> garde::Result {
    if [301, 302, 303, 307, 308].contains(status) {
        Ok(())
    } else {
        Err(garde::Error::new("expected 301, 302, 303, 307 or 308"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_chooses_the_host() {
        let rows = [
            ("/new", true, "a path"),
            ("/new{path}?{query}", true, "a path with parts of the request's"),
            ("{uri}", true, "the same path on another method, say"),
            ("https://{host}{uri}", true, "the host that was asked"),
            ("https://www.{host}:8443/a?b={http.header.x}", true, "a host around it, and a value behind it"),
            ("{scheme}://example.com", true, "a host that is written out"),
            ("", false, "nothing"),
            ("new", false, "relative to what was asked"),
            ("//example.com", false, "another host without a scheme"),
            ("{query}", false, "whatever the client says"),
            ("{http.header.x}", false, "whatever the client says"),
            ("https://{http.header.x}/", false, "a host of the client's"),
            ("https://{query}", false, "a host of the client's"),
            ("https://{host}.{http.header.x}/", false, "a part of the host of the client's"),
            ("https://{host}@example.com/", false, "a name and a host"),
            ("javascript://{host}/", false, "no HTTP"),
            ("/{1}", false, "nothing was matched"),
        ];
        for (to, expected, row) in rows {
            assert_eq!(is_target(&to.parse().unwrap(), &()).is_ok(), expected, "{row}: {to}");
        }
    }
}
