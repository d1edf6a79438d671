//! What caches are told of a response that is compressed for some.

use headwall_core::semantics::{EntityTag, tags};
use http::header::{ETAG, VARY};
use http::{HeaderMap, HeaderValue};

/// RFC 9110, 12.5.5. Said whether or not this client's response is compressed, because another's would be.
pub(crate) fn vary(headers: &mut HeaderMap) {
    let named = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let mut fields = named.flat_map(|value| value.split(',')).map(str::trim);
    if !fields.any(|field| field == "*" || field.eq_ignore_ascii_case("accept-encoding")) {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// A strong validator tells one sequence of bytes from every other (RFC 9110, 8.8.1), and this is another one now.
pub(crate) fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| is_strong(tag)) else { return };
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

/// A client that has stored what was compressed is told of it by the same tag, else it could not find it again
/// (RFC 9111, 4.3.4).
pub(crate) fn freshen(headers: &mut HeaderMap, stored: Option<&HeaderValue>) {
    let (Some(tag), Some(stored)) = (headers.get(ETAG), stored) else { return };
    let strong = EntityTag::read(tag.as_bytes());
    if is_strong(tag) && tags(stored.as_bytes()).any(|other| other.is_weak() && other.is_like(strong)) {
        weaken(headers);
        vary(headers);
    }
}

/// Whether a text is a strong tag; some servers write what is none.
fn is_strong(tag: &HeaderValue) -> bool {
    tag.as_bytes().starts_with(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_tag_is_weakened_once() {
        for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\""), ("odd", "odd")] {
            let mut headers = headers(&[(ETAG, tag)]);
            weaken(&mut headers);
            assert_eq!(headers[ETAG], expected);
        }
    }

    #[test]
    fn caches_are_told_what_a_response_depends_on() {
        let rows = [
            (None, "Accept-Encoding"),
            (Some("Origin"), "Origin, Accept-Encoding"),
            (Some("Origin, accept-encoding"), "Origin, accept-encoding"),
            (Some("*"), "*"),
        ];
        for (before, after) in rows {
            let mut map = HeaderMap::new();
            if let Some(before) = before {
                map.insert(VARY, HeaderValue::from_static(before));
            }
            vary(&mut map);
            let lines: Vec<_> = map.get_all(VARY).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(lines.join(", "), after);
        }
    }

    #[test]
    fn what_was_stored_is_found_again_by_its_tag() {
        let rows = [
            ("\"a\"", Some("W/\"a\""), "W/\"a\"", "it was compressed"),
            ("\"a\"", Some("W/\"b\", W/\"a\""), "W/\"a\"", "one of several"),
            ("\"a,b\"", Some("W/\"a,b\""), "W/\"a,b\"", "a comma within a tag"),
            ("\"a\"", Some("\"a\""), "\"a\"", "it was not"),
            ("\"a\"", None, "\"a\"", "nothing was stored"),
            ("W/\"a\"", Some("W/\"a\""), "W/\"a\"", "it was weak before"),
        ];
        for (tag, stored, expected, row) in rows {
            let mut map = headers(&[(ETAG, tag)]);
            freshen(&mut map, stored.map(HeaderValue::from_static).as_ref());
            assert_eq!(map[ETAG], expected, "{row}");
        }
    }
}
