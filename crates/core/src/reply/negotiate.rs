//! Which representation of an error a client prefers, and how each is written.
//!
//! RFC 9110, 12.5.1: the media range with the highest quality wins; at equal quality, JSON before problem+json
//! before HTML. No `Accept` means anything, and anything means JSON.

use bytes::Bytes;
use headwall_semantics::{Preference, Quality, preferences};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// The forms in which an error can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// `{"error": "A sentence."}`.
    Json,
    /// RFC 9457.
    Problem,
    /// A small page.
    Html,
}

#[derive(Serialize)]
struct JsonError<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Representation {
    /// The client's choice, by the headers of its request.
    pub fn preferred(request: &HeaderMap) -> Self {
        let mut best = (Quality::REFUSED, Self::Json);
        for Preference { name, quality, .. } in preferences(request, header::ACCEPT) {
            let Some(form) = Self::named(name) else { continue };
            if quality > best.0 || (quality == best.0 && form.rank() < best.1.rank()) {
                best = (quality, form);
            }
        }
        best.1
    }

    /// The form that a media range means, if it is one of ours.
    fn named(range: &str) -> Option<Self> {
        let is = |known: &str| range.eq_ignore_ascii_case(known);
        if is("application/problem+json") {
            Some(Self::Problem)
        } else if is("text/html") || is("application/xhtml+xml") || is("text/*") {
            Some(Self::Html)
        } else if is("application/json") || is("application/*") || is("*/*") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// The form's `Content-Type`.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Problem => "application/problem+json",
            Self::Html => "text/html; charset=utf-8",
        })
    }

    /// Writes an error.
    pub(crate) fn write(self, status: StatusCode, sentence: &str, reason: Option<&'static str>) -> Bytes {
        let title = status.canonical_reason().unwrap_or("Error");
        let text = match self {
            Self::Json => serde_json::to_string(&JsonError { error: sentence }).unwrap_or_default(),
            Self::Problem => {
                let kind = "about:blank";
                let problem = Problem { kind, title, status: status.as_u16(), detail: sentence, reason };
                serde_json::to_string(&problem).unwrap_or_default()
            }
            Self::Html => page(status, title, sentence),
        };
        Bytes::from(text)
    }

    fn rank(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Problem => 1,
            Self::Html => 2,
        }
    }
}

fn page(status: StatusCode, title: &str, sentence: &str) -> String {
    let code = status.as_u16();
    let sentence = escape(sentence);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{code} {title}</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}}</style>\n\
         <h1>{title}</h1>\n<p>{sentence}</p>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_form_follows_accept() {
        let rows = [
            (None, Representation::Json, "no header"),
            (Some("*/*"), Representation::Json, "anything"),
            (Some("application/json"), Representation::Json, "named"),
            (Some("application/problem+json"), Representation::Problem, "named"),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Representation::Html, "a browser"),
            (Some("application/json;q=0.5, text/html;q=0.4"), Representation::Json, "higher quality"),
            (Some("text/html;q=0.4, application/json;q=0.5"), Representation::Json, "order does not matter"),
            (Some("text/html, application/json"), Representation::Json, "JSON at equal quality"),
            (Some("text/html;q=0"), Representation::Json, "q=0 is a refusal"),
            (Some("image/png"), Representation::Json, "nothing of ours"),
            (Some("text/html;q=x"), Representation::Json, "an odd quality counts as none"),
        ];
        for (accept, expected, row) in rows {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Representation::preferred(&headers), expected, "{row}: {accept:?}");
        }
    }

    #[test]
    fn the_forms_say_the_same() {
        let write = |form: Representation| {
            let text = form.write(StatusCode::TOO_MANY_REQUESTS, "Wait <a> bit.", Some("rate_limited"));
            String::from_utf8(text.to_vec()).unwrap()
        };
        assert_eq!(write(Representation::Json), r#"{"error":"Wait <a> bit."}"#);
        assert_eq!(
            write(Representation::Problem),
            r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Wait <a> bit.","reason":"rate_limited"}"#
        );
        assert!(write(Representation::Html).contains("<p>Wait &lt;a&gt; bit.</p>"));
    }
}
