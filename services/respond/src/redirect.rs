//! The `redirect` service.

use std::sync::Arc;

use garde::Validate;
use headwall_core::{
    Action, BoxError, Build, Context, Error, LocalReply, Module, RequestHead, Service, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends the client elsewhere.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where to: a path or a URL, in which `{host}` (without port), `{path}`, `{query}` and `{uri}` (path and query)
    /// stand for those of the request.
    #[garde(length(min = 1))]
    pub to: String,
    /// 301, 302, 303, 307 or 308. Default: 308, which keeps the method and may be remembered.
    #[serde(default = "permanent")]
    #[garde(custom(is_redirect))]
    pub status: u16,
}

struct Redirector {
    parts: Vec<Part>,
    status: StatusCode,
}

/// A piece of the target.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Host,
    Path,
    Query,
    Uri,
}

impl Module for Redirect {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        Ok(Arc::new(Redirector { parts: parse(&self.to)?, status: StatusCode::from_u16(self.status)? }))
    }
}

#[async_trait]
impl Service for Redirector {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let mut target = String::with_capacity(128);
        for part in &self.parts {
            target.push_str(match part {
                Part::Text(text) => text,
                Part::Host => cx.host().map_or("", without_port),
                Part::Path => req.uri.path(),
                Part::Query => req.uri.query().unwrap_or(""),
                Part::Uri => req.uri.path_and_query().map_or("/", |uri| uri.as_str()),
            });
        }
        // What came out of a request line and a Host header is header text.
        let location = HeaderValue::try_from(target).map_err(|error| Error::module("redirect", error))?;
        Ok(Action::Reply(LocalReply::redirect(self.status, location)))
    }

    fn describe(&self) -> String {
        format!("redirect with {}", self.status.as_u16())
    }
}

fn parse(template: &str) -> Result<Vec<Part>, BoxError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`{{` without `}}` in `{template}`").into());
        };
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(match name {
            "host" => Part::Host,
            "path" => Part::Path,
            "query" => Part::Query,
            "uri" => Part::Uri,
            _ => {
                return Err(format!(
                    "there is no `{{{name}}}`; known are {{host}}, {{path}}, {{query}}, {{uri}}"
                )
                .into());
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
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
    fn a_target_is_taken_apart_once() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(parse("https://{host}{uri}").unwrap(), [text("https://"), Part::Host, Part::Uri]);
        assert_eq!(parse("/new").unwrap(), [text("/new")]);
        assert!(parse("/{hots}").unwrap_err().to_string().contains("{hots}"));
        assert!(parse("/{host").is_err());
    }

    #[test]
    fn a_port_is_dropped_and_brackets_are_kept() {
        for (host, expected) in [
            ("a.example:8080", "a.example"),
            ("a.example", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
