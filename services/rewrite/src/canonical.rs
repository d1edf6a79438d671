//! The `canonical` filter: one address for each page.

use std::sync::Arc;

use garde::Validate;
use headwall_core::{
    BoxError, Build, Context, Error, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends clients to the one spelling of an address that the site wants, so that each page has one.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Canonical {
    /// Whether hosts begin with `www.`: `add` or `remove`. The site's `hosts` have to name both. Default: as they are.
    #[garde(custom(only_one(&self.host)))]
    pub www: Option<Www>,
    /// The one host of the site; every other that it takes is sent there. Not beside `www`. Default: as they are.
    #[garde(inner(custom(is_host)))]
    pub host: Option<String>,
    /// Whether paths end in a slash: `add` or `remove`. A path whose last element has a dot, as a file's has, is not given
    /// one; `/` stays. Default: as they are.
    #[garde(skip)]
    pub trailing_slash: Option<TrailingSlash>,
    /// 301, 302, 307 or 308. Default: 308, which keeps the method and may be remembered.
    #[garde(custom(is_redirect))]
    pub status: u16,
}

/// What is done with `www.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Www {
    /// It is put in front.
    Add,
    /// It is taken off.
    Remove,
}

/// What is done with a slash at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrailingSlash {
    /// It is put there.
    Add,
    /// It is taken off.
    Remove,
}

struct Canonicaliser {
    www: Option<Www>,
    host: Option<String>,
    trailing_slash: Option<TrailingSlash>,
    status: StatusCode,
}

// === impl Canonical ===

impl Default for Canonical {
    fn default() -> Self {
        Self { www: None, host: None, trailing_slash: None, status: 308 }
    }
}

impl Module for Canonical {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Canonicaliser {
            www: self.www,
            host: self.host.as_ref().map(|host| host.to_ascii_lowercase()),
            trailing_slash: self.trailing_slash,
            status: StatusCode::from_u16(self.status)?,
        }))
    }
}

fn only_one(host: &Option<String>) -> impl FnOnce(&Option<Www>, &()) -> garde::Result + '_ {
    move |www, ()| match (www, host) {
        (Some(_), Some(_)) => Err(garde::Error::new("`host` says already whether it begins with www.")),
        _ => Ok(()),
    }
}

fn is_host(host: &str, (): &()) -> garde::Result {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if !host.is_empty() && host.bytes().all(plain) {
        Ok(())
    } else {
        Err(garde::Error::new("expected a host without port, such as www.example.com"))
    }
}

fn is_redirect(status: &u16, (): &()) -> garde::Result {
    if [301, 302, 307, 308].contains(status) {
        Ok(())
    } else {
        Err(garde::Error::new("expected 301, 302, 307 or 308"))
    }
}

// === impl Canonicaliser ===

impl Canonicaliser {
    /// The host that should have been asked for, where it is another one; with the port that was.
    fn host(&self, asked: &str) -> Option<String> {
        let (name, port) = match asked.rsplit_once(':') {
            Some((name, port)) if !name.ends_with(':') && !port.ends_with(']') => (name, Some(port)),
            Some(_) | None => (asked, None),
        };
        let bare = name.get(..4).filter(|start| start.eq_ignore_ascii_case("www.")).and(name.get(4..));
        let wanted = match (&self.host, self.www) {
            (Some(host), _) => host.clone(),
            (None, Some(Www::Remove)) => bare?.to_owned(),
            (None, Some(Www::Add)) if bare.is_none() => format!("www.{name}"),
            (None, _) => return None,
        };
        if wanted.eq_ignore_ascii_case(name) {
            return None;
        }
        Some(port.map_or(wanted.clone(), |port| format!("{wanted}:{port}")))
    }

    /// The path that should have been asked for, where it is another one.
    fn path(&self, asked: &str) -> Option<String> {
        let last = asked.rsplit('/').next().unwrap_or_default();
        match self.trailing_slash? {
            TrailingSlash::Add if !last.is_empty() && !last.contains('.') => Some(format!("{asked}/")),
            TrailingSlash::Remove if last.is_empty() && asked.len() > 1 => {
                Some(asked.trim_end_matches('/').to_owned())
            }
            TrailingSlash::Add | TrailingSlash::Remove => None,
        }
    }
}

#[async_trait]
impl Filter for Canonicaliser {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let (host, path) = (cx.host().and_then(|host| self.host(host)), self.path(req.uri.path()));
        if (host.is_none() && path.is_none()) || req.uri.path() == "*" {
            return Ok(Flow::Continue);
        }
        let origin = host.map(|host| format!("{}://{host}", cx.scheme())).unwrap_or_default();
        let path = path.as_deref().unwrap_or(req.uri.path());
        let query = req.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        // A browser takes a backslash for a slash; no path that is normal begins with two of them.
        let target = format!("{origin}{path}{query}").replace('\\', "%5C");
        let location = HeaderValue::try_from(target).map_err(|error| Error::module("canonical", error))?;
        Ok(Flow::Reply(LocalReply::redirect(self.status, location)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(
        www: Option<Www>,
        host: Option<&str>,
        trailing_slash: Option<TrailingSlash>,
    ) -> Canonicaliser {
        Canonicaliser {
            www,
            host: host.map(str::to_owned),
            trailing_slash,
            status: StatusCode::PERMANENT_REDIRECT,
        }
    }

    #[test]
    fn there_is_one_host() {
        let (add, remove) = (canonical(Some(Www::Add), None, None), canonical(Some(Www::Remove), None, None));
        let one = canonical(None, Some("www.example.com"), None);
        let rows = [
            (&add, "example.com", Some("www.example.com")),
            (&add, "www.example.com", None),
            (&add, "example.com:8443", Some("www.example.com:8443")),
            (&remove, "www.example.com", Some("example.com")),
            (&remove, "WWW.example.com", Some("example.com")),
            (&remove, "example.com", None),
            (&one, "example.com", Some("www.example.com")),
            (&one, "WWW.Example.com", None),
            (&one, "other.example:80", Some("www.example.com:80")),
            (&one, "[::1]", Some("www.example.com")),
        ];
        for (filter, asked, expected) in rows {
            assert_eq!(filter.host(asked).as_deref(), expected, "{asked}");
        }
    }

    #[test]
    fn there_is_one_path() {
        let add = canonical(None, None, Some(TrailingSlash::Add));
        let remove = canonical(None, None, Some(TrailingSlash::Remove));
        let rows = [
            (&add, "/a", Some("/a/")),
            (&add, "/a/", None),
            (&add, "/a.css", None),
            (&add, "/", None),
            (&remove, "/a/", Some("/a")),
            (&remove, "/a", None),
            (&remove, "/", None),
        ];
        for (filter, asked, expected) in rows {
            assert_eq!(filter.path(asked).as_deref(), expected, "{asked}");
        }
    }
}
