//! Flags of cookies: apps behind a proxy often do not know that their clients come over TLS.

use garde::Validate;
use headwall_core::template::Pattern;
use headwall_core::units::SameSite;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the cookies that a response sets are to look like (RFC 6265). What is not named stays as the app has it.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct CookieRule {
    /// A pattern for the names of the cookies that are meant. Default: all.
    #[garde(skip)]
    pub name: Option<Pattern>,
    /// Whether it goes over TLS only.
    #[garde(skip)]
    pub secure: Option<bool>,
    /// Whether scripts are kept from it.
    #[garde(skip)]
    pub http_only: Option<bool>,
    /// Whether it goes along when another site sends the browser here. `none` makes it `secure` too, else browsers drop it.
    #[garde(skip)]
    pub same_site: Option<SameSite>,
    /// The hosts that it goes to. An empty text leaves the attribute out: then it goes to the host that was asked.
    #[garde(inner(custom(is_attribute)))]
    pub domain: Option<String>,
    /// The paths that it goes to. An empty text leaves the attribute out.
    #[garde(inner(custom(is_attribute)))]
    pub path: Option<String>,
}

/// Rules with their attributes written out.
#[derive(Debug)]
pub(crate) struct Cookies(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    name: Option<Pattern>,
    /// Attributes in lower case, and what is to stand there; nothing where the attribute is taken away.
    attributes: Vec<(&'static str, Option<String>)>,
}

fn is_attribute(text: &str, (): &()) -> garde::Result {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b';') {
        Ok(())
    } else {
        Err(garde::Error::new("expected printable characters without `;`"))
    }
}

// === impl Cookies ===

impl Cookies {
    pub(crate) fn new(rules: &[CookieRule]) -> Result<Self, String> {
        rules.iter().map(Rule::new).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        if self.is_empty() || !headers.contains_key(SET_COOKIE) {
            return;
        }
        let rewritten: Vec<_> =
            headers.get_all(SET_COOKIE).iter().map(|cookie| self.rewrite(cookie)).collect();
        headers.remove(SET_COOKIE);
        for cookie in rewritten {
            headers.append(SET_COOKIE, cookie);
        }
    }

    fn rewrite(&self, cookie: &HeaderValue) -> HeaderValue {
        let mut parts = cookie.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let pair = parts.next().unwrap_or_default();
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name.trim_ascii());
        let mut attributes: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
        let mut touched = false;
        for rule in self.0.iter().filter(|rule| rule.is_for(&name)) {
            rule.apply(&mut attributes);
            touched = true;
        }
        if !touched {
            return cookie.clone();
        }
        let mut written = pair.to_vec();
        for attribute in attributes {
            written.extend_from_slice(b"; ");
            written.extend_from_slice(&attribute);
        }
        HeaderValue::from_bytes(&written).unwrap_or_else(|_| cookie.clone())
    }
}

// === impl Rule ===

impl Rule {
    fn new(rule: &CookieRule) -> Result<Self, String> {
        if rule.same_site == Some(SameSite::None) && rule.secure == Some(false) {
            return Err("`same_site: none` needs `secure: true`, else browsers drop the cookie".to_owned());
        }
        let secure = if rule.same_site == Some(SameSite::None) { Some(true) } else { rule.secure };
        let flag = |name: &'static str, written: &str, wanted: Option<bool>| {
            wanted.map(|wanted| (name, wanted.then(|| written.to_owned())))
        };
        let text = |name: &'static str, written: &str, text: &Option<String>| {
            let text = text.as_deref()?;
            Some((name, (!text.is_empty()).then(|| format!("{written}={text}"))))
        };
        let same_site = rule.same_site.map(|same_site| ("samesite", Some(format!("SameSite={same_site}"))));
        let attributes = [
            text("domain", "Domain", &rule.domain),
            text("path", "Path", &rule.path),
            flag("secure", "Secure", secure),
            flag("httponly", "HttpOnly", rule.http_only),
            same_site,
        ];
        Ok(Self { name: rule.name.clone(), attributes: attributes.into_iter().flatten().collect() })
    }

    fn is_for(&self, cookie: &str) -> bool {
        self.name.as_ref().is_none_or(|name| name.matches(cookie))
    }

    fn apply(&self, attributes: &mut Vec<Vec<u8>>) {
        for (name, wanted) in &self.attributes {
            attributes.retain(|attribute| {
                let key = attribute.split(|byte| *byte == b'=').next().unwrap_or_default();
                !key.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
            });
            attributes.extend(wanted.as_ref().map(|wanted| wanted.clone().into_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_put_on_and_taken_off() {
        let all = || CookieRule { secure: Some(true), http_only: Some(true), ..CookieRule::default() };
        let named = |name: &str| CookieRule { name: Some(name.parse().unwrap()), ..all() };
        let rows = [
            (all(), "a=1", "a=1; Secure; HttpOnly", "put on"),
            (all(), "a=1; secure; Max-Age=5", "a=1; Max-Age=5; Secure; HttpOnly", "once"),
            (CookieRule { secure: Some(false), ..CookieRule::default() }, "a=1;Secure", "a=1", "taken off"),
            (
                CookieRule { same_site: Some(SameSite::None), ..CookieRule::default() },
                "a=1; SameSite=Lax",
                "a=1; Secure; SameSite=None",
                "what needs the other has it",
            ),
            (
                CookieRule {
                    domain: Some(String::new()),
                    path: Some("/app".to_owned()),
                    ..CookieRule::default()
                },
                "a=1; Domain=inside.test; Path=/",
                "a=1; Path=/app",
                "hosts and paths",
            ),
            (named("^session$"), "session=a=b", "session=a=b; Secure; HttpOnly", "the one that is meant"),
            (named("^session$"), "other=1", "other=1", "another"),
            (CookieRule::default(), "a=1; Path=/", "a=1; Path=/", "nothing is asked for"),
        ];
        for (rule, cookie, expected, row) in rows {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
            Cookies::new(&[rule]).unwrap().apply(&mut headers);
            assert_eq!(headers[SET_COOKIE], expected, "{row}");
        }
    }

    #[test]
    fn what_browsers_would_drop_is_refused() {
        let rule =
            CookieRule { same_site: Some(SameSite::None), secure: Some(false), ..CookieRule::default() };
        assert!(Cookies::new(&[rule]).unwrap_err().contains("needs `secure: true`"));
    }
}
