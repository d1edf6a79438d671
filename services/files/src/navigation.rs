//! Who gets the shell of a single-page app where there is no file.
//!
//! A browser that goes to a page says so. A script that is missing, or an API that is not there, has to be a 404: HTML
//! where a script was expected is an error that nobody understands.

use headwall_core::semantics::{Quality, preferences};
use http::{HeaderMap, HeaderName, header};

use crate::types::Types;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a browser goes somewhere (Fetch Metadata, 2.2), or a client names HTML among what it accepts. `*/*` does not.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    if headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate") {
        return true;
    }
    preferences(headers, header::ACCEPT).any(|kind| {
        let is_html = kind.is("text/html") || kind.is("application/xhtml+xml");
        is_html && kind.quality > Quality::REFUSED
    })
}

/// Whether a path names a file of a kind that is known and is no page, such as `/assets/app.js`. `/users/john.doe` does not.
pub(crate) fn names_asset(path: &[u8], types: &Types) -> bool {
    types.known(path).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::collections::BTreeMap;

    type Fields = &'static [(&'static str, &'static str)];

    #[test]
    fn only_navigations_want_a_page() {
        let rows: [(Fields, bool, &str); 8] = [
            (&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], true, "a browser"),
            (&[("sec-fetch-mode", "navigate"), ("accept", "*/*")], true, "a browser that says so"),
            (&[("sec-fetch-mode", "no-cors"), ("accept", "*/*")], false, "a script"),
            (&[("accept", "*/*")], false, "curl, or fetch"),
            (&[("accept", "application/json")], false, "an API"),
            (&[("accept", "text/html;q=0")], false, "anything but HTML"),
            (&[("accept", "image/avif,image/webp,*/*;q=0.5")], false, "an image"),
            (&[], false, "nothing"),
        ];
        for (fields, expected, row) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(wants_page(&headers), expected, "{row}");
        }
    }

    #[test]
    fn assets_are_named_by_a_known_ending() {
        let types = Types::new(&BTreeMap::new()).unwrap();
        for (path, expected) in [
            ("assets/app.123.js", true),
            ("logo.PNG", true),
            ("page.html", false),
            ("users/john.doe", false),
            ("v1.2/settings", false),
            ("", false),
        ] {
            assert_eq!(names_asset(path.as_bytes(), &types), expected, "{path}");
        }
    }
}
