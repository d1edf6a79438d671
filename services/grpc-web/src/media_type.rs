//! The media types of gRPC and gRPC-Web: what a call is, and what its answer is to be.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

const GRPC: &str = "application/grpc";
const WEB: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As gRPC has it, but for the trailers.
    Binary,
    /// The same in base64.
    Text,
}

/// What the head of a call of gRPC-Web says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// How the messages of the client are written.
    pub(crate) asked: Form,
    /// How it wants those of the server.
    pub(crate) answered: Form,
    /// The same call's type in gRPC.
    pub(crate) to_server: HeaderValue,
    /// The type of the answer.
    pub(crate) to_client: HeaderValue,
}

// === impl Spoken ===

impl Spoken {
    /// What is said; `None` for a request that is no call of gRPC-Web. The answer is in the form that `Accept` names, or else
    /// in that of the question.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let (asked, messages) = web(headers.get(CONTENT_TYPE)?)?;
        let accepted = headers.get(ACCEPT).and_then(web).map(|(form, _)| form);
        let answered = accepted.unwrap_or(asked);
        // The sender should always say which messages they are, and these are meant when nothing is said.
        let format = messages.split(';').next().filter(|format| !format.is_empty()).unwrap_or("+proto");
        let to_client = match answered {
            Form::Binary => typed(WEB, format),
            Form::Text => typed(TEXT, format),
        };
        Some(Self { asked, answered, to_server: typed(GRPC, messages)?, to_client: to_client? })
    }
}

/// Whether a response is one of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| behind(GRPC, value).is_some())
}

/// The form, and what follows the type's name: `+proto`, parameters.
fn web(value: &HeaderValue) -> Option<(Form, &str)> {
    let text = behind(TEXT, value).map(|rest| (Form::Text, rest));
    text.or_else(|| behind(WEB, value).map(|rest| (Form::Binary, rest)))
}

fn behind<'v>(name: &str, value: &'v HeaderValue) -> Option<&'v str> {
    let (head, rest) = value.to_str().ok()?.split_at_checked(name.len())?;
    let is_whole = rest.is_empty() || rest.starts_with(['+', ';', ' ']);
    (is_whole && head.eq_ignore_ascii_case(name)).then_some(rest)
}

/// A type; what nearly everybody sends is not written anew.
fn typed(name: &str, rest: &str) -> Option<HeaderValue> {
    Some(match (name, rest) {
        (GRPC, "") => HeaderValue::from_static("application/grpc"),
        (GRPC, "+proto") => HeaderValue::from_static("application/grpc+proto"),
        (WEB, "+proto") => HeaderValue::from_static("application/grpc-web+proto"),
        (TEXT, "+proto") => HeaderValue::from_static("application/grpc-web-text+proto"),
        _ => HeaderValue::try_from([name, rest].concat()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(content_type: &str, accept: Option<&str>) -> Option<Spoken> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        if let Some(accept) = accept {
            headers.insert(ACCEPT, accept.parse().unwrap());
        }
        Spoken::of(&headers)
    }

    #[test]
    fn calls_are_told_by_their_type() {
        let (binary, text) = ("application/grpc-web+proto", "application/grpc-web-text+proto");
        let rows = [
            ("application/grpc-web", None, "application/grpc", binary, "proto is meant"),
            (binary, None, "application/grpc+proto", binary, "binary"),
            (text, None, "application/grpc+proto", text, "text is answered in text"),
            (text, Some("application/grpc-web"), "application/grpc+proto", binary, "unless it is not wanted"),
            (binary, Some(text), "application/grpc+proto", text, "and the other way round"),
            (binary, Some("*/*"), "application/grpc+proto", binary, "anything will do"),
            ("Application/gRPC-Web", None, "application/grpc", binary, "types do not differ by case"),
            (
                "application/grpc-web+thrift; charset=utf-8",
                None,
                "application/grpc+thrift; charset=utf-8",
                "application/grpc-web+thrift",
                "other messages",
            ),
        ];
        for (content_type, accept, to_server, to_client, row) in rows {
            let spoken = spoken(content_type, accept).unwrap();
            assert_eq!(
                (&spoken.to_server, &spoken.to_client),
                (&to_server.parse().unwrap(), &to_client.parse().unwrap()),
                "{row}"
            );
            assert_eq!(spoken.answered == Form::Text, to_client == text, "{row}");
        }
    }

    #[test]
    fn everything_else_is_none() {
        for content_type in
            ["application/grpc", "application/grpc+proto", "application/grpc-webby", "application/json", ""]
        {
            assert_eq!(spoken(content_type, Some("application/grpc-web")), None, "{content_type:?}");
        }
    }
}
