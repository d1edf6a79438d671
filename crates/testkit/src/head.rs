//! Header names and values between text, as tests write and read them, and `http`'s types.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// One header field from text.
///
/// # Panics
///
/// When the text is no header; to send such a thing on purpose there is [`Wire`](crate::Wire).
pub(crate) fn field(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let parsed_name = HeaderName::from_bytes(name.as_bytes())
        .unwrap_or_else(|_| panic!("`{name}` is no header name; to send one that is wrong, use a Wire"));
    let parsed_value = HeaderValue::from_bytes(value.as_bytes())
        .unwrap_or_else(|_| panic!("`{value}` is no header value; to send one that is wrong, use a Wire"));
    (parsed_name, parsed_value)
}

/// The first value of `name`, when it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Writes one `name: value` line for each field.
pub(crate) fn write_fields(out: &mut fmt::Formatter<'_>, headers: &HeaderMap) -> fmt::Result {
    for (name, value) in headers {
        writeln!(out, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
    }
    Ok(())
}
