//! Links as `Link` has them (RFC 8288): what a page needs, and how it needs it.

use std::str::FromStr;

use http::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What browsers preload (the Fetch standard's destinations).
const DESTINATIONS: [&str; 12] = [
    "audio", "document", "embed", "fetch", "font", "image", "object", "script", "style", "track", "video",
    "worker",
];

/// A link that browsers act on before they have the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Link {
    written: HeaderValue,
    /// How many bytes of it are `<target>`.
    target: usize,
}

/// Why a text is not a [`Link`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidLink {
    /// It does not begin with a target.
    #[error("expected a link such as `</app.css>; rel=preload; as=style`, was `{0}`")]
    NoTarget(String),
    /// The target has characters that no URL has.
    #[error("expected a URL in the angle brackets, was `{0}`")]
    InvalidTarget(String),
    /// What follows the target is no list of parameters.
    #[error(
        "expected parameters such as `; rel=preload` behind the target, was `{0}`; each link is an item of its own"
    )]
    InvalidParameters(String),
    /// It has no relation that browsers act on early.
    #[error("expected `rel=preload`, `rel=modulepreload` or `rel=preconnect`, was `{0}`")]
    InvalidRelation(String),
    /// A preload says not what of.
    #[error(
        "a preload needs `as`, one of audio, document, embed, fetch, font, image, object, script, style, track, video and worker; was `{0}`"
    )]
    InvalidDestination(String),
    /// Fonts are fetched as if from another origin.
    #[error("a preload of a font needs `crossorigin`, because browsers otherwise fetch it twice, was `{0}`")]
    FontOfOneOrigin(String),
    /// A connection is opened to a server.
    #[error("a preconnect leads to a server, such as `<https://fonts.example.com>`, was `{0}`")]
    PreconnectToPath(String),
}

// === impl Link ===

impl Link {
    /// The link as a value of the header.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.written
    }

    /// `<target>`.
    pub(crate) fn target(&self) -> &[u8] {
        &self.written.as_bytes()[..self.target]
    }
}

impl FromStr for Link {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let no_target = || InvalidLink::NoTarget(text.to_owned());
        let inner = text.strip_prefix('<').ok_or_else(no_target)?;
        let (target, rest) = inner.split_once('>').ok_or_else(no_target)?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if target.is_empty() || !target.bytes().all(is_plain) {
            return Err(InvalidLink::InvalidTarget(text.to_owned()));
        }
        let parameters = parameters(rest).ok_or_else(|| InvalidLink::InvalidParameters(text.to_owned()))?;
        let named = |name: &str| {
            let found = parameters.iter().find(|(parameter, _)| parameter.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value)
        };
        let relation = named("rel").unwrap_or_default().to_ascii_lowercase();
        match (&*relation, named("as").unwrap_or_default()) {
            ("preload", "font") if named("crossorigin").is_none() => {
                return Err(InvalidLink::FontOfOneOrigin(text.to_owned()));
            }
            ("preload", destination) if !DESTINATIONS.contains(&destination) => {
                return Err(InvalidLink::InvalidDestination(text.to_owned()));
            }
            ("preconnect", _)
                if !["https://", "http://", "//"].iter().any(|scheme| target.starts_with(scheme)) =>
            {
                return Err(InvalidLink::PreconnectToPath(text.to_owned()));
            }
            ("preload" | "modulepreload" | "preconnect", _) => {}
            _ => return Err(InvalidLink::InvalidRelation(text.to_owned())),
        }
        let written =
            HeaderValue::from_str(text).map_err(|_| InvalidLink::InvalidParameters(text.to_owned()))?;
        Ok(Self { written, target: target.len() + 2 })
    }
}

/// Reads `; name=value; name="value"; name`. `None` if that is not what stands there.
fn parameters(mut rest: &str) -> Option<Vec<(&str, &str)>> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let token = |text: &str| text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(parameters);
        }
        rest = rest.strip_prefix(';')?.trim_start();
        let (name, behind) = rest.split_at(token(rest));
        if name.is_empty() {
            return None;
        }
        rest = behind.trim_start();
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start();
            (value, rest) = match given.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => given.split_at(token(given)),
            };
        }
        parameters.push((name, value));
    }
}

impl TryFrom<String> for Link {
    type Error = InvalidLink;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Link> for String {
    fn from(link: Link) -> Self {
        Self::from_utf8_lossy(link.written.as_bytes()).into_owned()
    }
}

impl JsonSchema for Link {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Link".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A link that browsers act on early (RFC 8288): its target, and what it is to the page.",
            "examples": ["</app.css>; rel=preload; as=style", "<https://fonts.example.com>; rel=preconnect"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        let rows = [
            ("</app.css>; rel=preload; as=style", "</app.css>"),
            ("</app.js>;rel=\"modulepreload\"", "</app.js>"),
            (" <https://fonts.example.com> ; rel=preconnect ; crossorigin ", "<https://fonts.example.com>"),
            ("<//cdn.example.com>; REL=Preconnect", "<//cdn.example.com>"),
            ("</f.woff2>; rel=preload; as=font; type=\"font/woff2\"; crossorigin=anonymous", "</f.woff2>"),
            ("</a?b=c&d,e>; rel=preload; as=fetch", "</a?b=c&d,e>"),
        ];
        for (text, target) in rows {
            let link = text.parse::<Link>().unwrap();
            assert_eq!(link.value(), text.trim(), "{text}");
            assert_eq!(link.target(), target.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_no_browser_acts_on_is_refused() {
        type Kind = fn(String) -> InvalidLink;
        let rows: [(&str, Kind); 14] = [
            ("/app.css; rel=preload; as=style", InvalidLink::NoTarget),
            ("</app.css; rel=preload", InvalidLink::NoTarget),
            ("", InvalidLink::NoTarget),
            ("<>; rel=preload; as=style", InvalidLink::InvalidTarget),
            ("</a b>; rel=preload; as=style", InvalidLink::InvalidTarget),
            (
                "</a.css>; rel=preload; as=style, </b.css>; rel=preload; as=style",
                InvalidLink::InvalidParameters,
            ),
            ("</a.css>; rel=\"preload; as=style", InvalidLink::InvalidParameters),
            ("</a.css>;; rel=preload", InvalidLink::InvalidParameters),
            ("</a.css>", InvalidLink::InvalidRelation),
            ("</a.css>; rel=stylesheet", InvalidLink::InvalidRelation),
            ("</a.css>; rel=preload", InvalidLink::InvalidDestination),
            ("</a.css>; rel=preload; as=stylesheet", InvalidLink::InvalidDestination),
            ("</a.woff2>; rel=preload; as=font", InvalidLink::FontOfOneOrigin),
            ("</fonts>; rel=preconnect", InvalidLink::PreconnectToPath),
        ];
        for (text, kind) in rows {
            assert_eq!(text.parse::<Link>(), Err(kind(text.to_owned())), "{text}");
        }
        assert!(matches!("</ü>; rel=preload; as=style".parse::<Link>(), Err(InvalidLink::InvalidTarget(_))));
        assert!("</a>; rel=preload; as=style; title=\"a\nb\"".parse::<Link>().is_err(), "no line ends");
    }
}
