//! Whether the client has it already (RFC 9110, 13).

use http::HeaderMap;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

use crate::directives::parts;
use crate::freshness::date;

/// Whether an answer with this head tells the client nothing new. `If-None-Match` counts before `If-Modified-Since`
/// (RFC 9110, 13.2.2).
pub(crate) fn is_known(request: &HeaderMap, answer: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let etag = answer.get(ETAG).map(|etag| opaque(etag.as_bytes()));
        let mut listed = request.get_all(IF_NONE_MATCH).iter().flat_map(|line| parts(line.as_bytes()));
        return listed.any(|known| known == b"*" || etag == Some(opaque(known)));
    }
    match (date(request, &IF_MODIFIED_SINCE), date(answer, &LAST_MODIFIED)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether two entity tags name the same, by the weak comparison (RFC 9110, 8.8.3.2).
pub(crate) fn same_tag(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Takes out of a head what a 304 does not say (RFC 9110, 15.4.5).
pub(crate) fn strip(headers: &mut HeaderMap) {
    const ABOUT_CONTENT: [HeaderName; 5] =
        [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE];
    for name in ABOUT_CONTENT {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_is_told_so() {
        const MONDAY: &str = "Mon, 02 Nov 2026 08:00:00 GMT";
        const SUNDAY: &str = "Sun, 01 Nov 2026 08:00:00 GMT";
        let rows = [
            ("if-none-match", "\"a\"", true, "the same tag"),
            ("if-none-match", "W/\"a\"", true, "weakly the same"),
            ("if-none-match", "\"b\", \"a\"", true, "one of several"),
            ("if-none-match", "\"x,y\", \"a\"", true, "a comma in a tag"),
            ("if-none-match", "*", true, "anything"),
            ("if-none-match", "\"b\"", false, "another"),
            ("if-none-match", "a", false, "not a tag"),
            ("if-modified-since", MONDAY, true, "of that date"),
            ("if-modified-since", SUNDAY, false, "changed since"),
            ("if-modified-since", "yesterday", false, "not a date"),
        ];
        let mut answer = HeaderMap::new();
        answer.insert(ETAG, "\"a\"".parse().unwrap());
        answer.insert(LAST_MODIFIED, MONDAY.parse().unwrap());
        for (name, value, expected, row) in rows {
            let mut request = HeaderMap::new();
            request.insert(HeaderName::from_static(name), value.parse().unwrap());
            assert_eq!(is_known(&request, &answer), expected, "{row}");
        }
        let mut both = HeaderMap::new();
        both.insert(IF_NONE_MATCH, "\"b\"".parse().unwrap());
        both.insert(IF_MODIFIED_SINCE, MONDAY.parse().unwrap());
        assert!(!is_known(&both, &answer), "tags count before dates");
    }
}
