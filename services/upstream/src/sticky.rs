//! A client that stays with its server.
//!
//! The first answer brings a cookie that names the server, and requests that bring it back go there for as long as the server
//! is available. The name is a keyed digest of where the server is (HMAC-SHA-256, RFC 2104, the first half): it tells nothing
//! of the address, nobody can make one up, and every process that has the key knows it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use garde::Validate;
use headwall_core::units::{Duration, SameSite, Secret};
use headwall_core::{Context, RequestHead};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Candidate;
use crate::server::Server;
use crate::token::CookieName;

/// Keeps clients with the server that has answered them first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Sticky")]
pub struct StickySettings {
    /// The cookie's name. Two upstreams of one site need two names. Default: `headwall-server`.
    #[garde(skip)]
    pub cookie: CookieName,
    /// What the cookie is signed with: at least 16 bytes, from a `${VARIABLE}`. Processes that share it know each other's
    /// cookies. Default: made at the start, and kept over reloads, so that a restart forgets who was where.
    #[garde(inner(custom(long_enough)))]
    pub secret: Option<Secret>,
    /// How long a browser keeps the cookie, from the answer that brought it. Default: until it is closed.
    #[garde(inner(custom(whole_seconds)))]
    pub max_age: Option<Duration>,
    /// Which paths the browser sends it for. Default: `/`.
    #[garde(prefix("/"), custom(no_attribute))]
    pub path: String,
    /// Which hosts the browser sends it to, with their subdomains. Default: the one that it asked.
    #[garde(inner(custom(a_host)))]
    pub domain: Option<String>,
    /// Whether it is sent over HTTPS alone. Default: yes, if the request came over it.
    #[garde(skip)]
    pub secure: Option<bool>,
    /// Whether scripts of the page may not see it. Default: `true`.
    #[garde(skip)]
    pub http_only: bool,
    /// Whether requests that other sites make bring it. Default: `lax`, links alone. `none` needs HTTPS.
    #[garde(custom(none_is_secure(self.secure)))]
    pub same_site: SameSite,
}

/// Knows clients by their cookies.
#[derive(Debug)]
pub(crate) struct Sticky {
    settings: StickySettings,
    name: Arc<str>,
    key: hmac::Key,
    upstream: String,
}

/// The cookies of certain servers.
#[derive(Debug, Default)]
pub(crate) struct Cookies {
    /// Which group and candidate a cookie's value names.
    seats: HashMap<Vec<u8>, (usize, usize)>,
    /// What gives the cookie to a client, by group and candidate: over plain HTTP, and over HTTPS.
    lines: Vec<Vec<[HeaderValue; 2]>>,
}

// === impl Sticky ===

impl Sticky {
    /// `made` is the key where the settings have none.
    pub(crate) fn new(settings: &StickySettings, upstream: &str, made: &[u8]) -> Self {
        let key = settings.secret.as_ref().map_or(made, |secret| secret.expose().as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let name = settings.cookie.to_string().into();
        Self { settings: settings.clone(), name, key, upstream: upstream.to_owned() }
    }

    /// The cookie's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Makes the cookies of these servers.
    pub(crate) fn cookies<'a>(&self, groups: impl IntoIterator<Item = &'a [Candidate]>) -> Cookies {
        let mut cookies = Cookies::default();
        for (group, candidates) in groups.into_iter().enumerate() {
            let mut lines = Vec::with_capacity(candidates.len());
            for (index, candidate) in candidates.iter().enumerate() {
                let value = self.value(candidate.server());
                lines.push([false, true].map(|https| self.line(&value, https)));
                cookies.seats.insert(value.into_bytes(), (group, index));
            }
            cookies.lines.push(lines);
        }
        cookies
    }

    /// Group and candidate that a request's cookie names, if it names one of those that may be asked.
    pub(crate) fn seat(&self, cookies: &Cookies, req: &RequestHead) -> Option<(usize, usize)> {
        cookies.seats.get(self.settings.cookie.of(req)?).copied()
    }

    fn value(&self, server: &Server) -> String {
        let named = format!("{}\0{}", self.upstream, server.identity());
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.key, named.as_bytes()).as_ref()[..16])
    }

    /// RFC 6265, 4.1.
    fn line(&self, value: &str, https: bool) -> HeaderValue {
        let StickySettings { cookie, max_age, path, domain, secure, http_only, same_site, .. } =
            &self.settings;
        let mut line = format!("{cookie}={value}; Path={path}");
        if let Some(max_age) = max_age {
            line += &format!("; Max-Age={}", max_age.as_std().as_secs());
        }
        if let Some(domain) = domain {
            line += &format!("; Domain={domain}");
        }
        if secure.unwrap_or(https) {
            line += "; Secure";
        }
        if *http_only {
            line += "; HttpOnly";
        }
        line += &format!("; SameSite={same_site}");
        // The settings were checked to have nothing in them that a header may not have.
        HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
    }
}

// === impl Cookies ===

impl Cookies {
    /// What gives a client the cookie of this server.
    pub(crate) fn line(&self, (group, index): (usize, usize), cx: &Context) -> Option<&HeaderValue> {
        let lines = self.lines.get(group)?.get(index)?;
        Some(&lines[usize::from(cx.scheme() == "https")])
    }
}

// === impl StickySettings ===

impl Default for StickySettings {
    fn default() -> Self {
        Self {
            cookie: CookieName::SERVER,
            secret: None,
            max_age: None,
            path: "/".to_owned(),
            domain: None,
            secure: None,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }
}

fn long_enough(secret: &Secret, (): &()) -> garde::Result {
    if secret.expose().len() < 16 {
        return Err(garde::Error::new("expected at least 16 bytes, such as `openssl rand -base64 32` gives"));
    }
    Ok(())
}

fn whole_seconds(age: &Duration, (): &()) -> garde::Result {
    if age.as_std().as_secs() == 0 { Err(garde::Error::new("expected at least 1s")) } else { Ok(()) }
}

fn no_attribute(path: &str, (): &()) -> garde::Result {
    if path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') {
        return Ok(());
    }
    Err(garde::Error::new("expected a path of visible ASCII without `;`"))
}

fn a_host(domain: &str, (): &()) -> garde::Result {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if !domain.is_empty() && domain.bytes().all(is_name) {
        return Ok(());
    }
    Err(garde::Error::new("expected a host name such as `example.com`"))
}

/// Browsers drop such a cookie otherwise.
fn none_is_secure(secure: Option<bool>) -> impl FnOnce(&SameSite, &()) -> garde::Result {
    move |same_site, ()| {
        if *same_site == SameSite::None && secure == Some(false) {
            return Err(garde::Error::new(
                "expected `secure: true`, because browsers refuse `none` without it",
            ));
        }
        Ok(())
    }
}
