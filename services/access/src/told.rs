//! Headers by which the upstream is told who the client turned out to be.
//!
//! An application believes them, so nobody but us may have a hand in them. A client that sends one itself is overruled;
//! and one that names it in `Connection`, as a header of this hop alone (RFC 9110, 7.6.1), is not obeyed: it would be taken
//! out again behind us, and to some applications a request without a name is one from the inside.

use headwall_core::RequestHead;
use http::header::{CONNECTION, HeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};

/// A header that only we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told(HeaderName);

/// A text that is no name of a header.
#[derive(Debug, thiserror::Error)]
#[error("expected the name of a header, found `{0}`")]
pub(crate) struct InvalidName(String);

impl Told {
    pub(crate) fn new(name: &str) -> Result<Self, InvalidName> {
        name.parse().map(Self).map_err(|_| InvalidName(name.to_owned()))
    }

    /// The same where there may be none.
    pub(crate) fn maybe(name: Option<&str>) -> Result<Option<Self>, InvalidName> {
        name.map(Self::new).transpose()
    }

    pub(crate) fn name(&self) -> &HeaderName {
        &self.0
    }

    /// Takes away what the client has said, of the header and about it.
    pub(crate) fn clear(&self, req: &mut RequestHead) {
        req.headers.remove(&self.0);
        let is_it = |token: &str| token.trim().eq_ignore_ascii_case(self.0.as_str());
        if tokens(&req.headers).any(is_it) {
            let kept: Vec<_> = tokens(&req.headers).filter(|token| !is_it(token)).map(str::trim).collect();
            let kept = kept.join(", ");
            req.headers.remove(CONNECTION);
            if let Some(value) = HeaderValue::try_from(kept).ok().filter(|value| !value.is_empty()) {
                req.headers.insert(CONNECTION, value);
            }
        }
    }

    /// Says this, and nothing else.
    pub(crate) fn set(&self, req: &mut RequestHead, text: &str) -> Result<(), InvalidHeaderValue> {
        self.clear(req);
        req.headers.insert(&self.0, HeaderValue::from_bytes(text.as_bytes())?);
        Ok(())
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_no_hand_in_it() {
        let told = Told::new("X-User").unwrap();
        let rows = [
            (&["keep-alive"][..], Some("keep-alive"), "nothing to do with it"),
            (&["x-user"], None, "it alone"),
            (&["close, X-USER ,upgrade"], Some("close, upgrade"), "among others"),
            (&["close", "x-user"], Some("close"), "on a line of its own"),
            (&["x-user-2"], Some("x-user-2"), "a longer name"),
        ];
        for (lines, expected, row) in rows {
            let (mut req, ()) = http::Request::new(()).into_parts();
            req.headers.append("x-user", HeaderValue::from_static("root"));
            req.headers.append("x-user", HeaderValue::from_static("admin"));
            for line in lines {
                req.headers.append(CONNECTION, line.parse().unwrap());
            }
            told.set(&mut req, "ada").unwrap();
            assert_eq!(req.headers.get_all("x-user").iter().collect::<Vec<_>>(), ["ada"], "{row}");
            assert_eq!(req.headers.get(CONNECTION).map(|value| value.to_str().unwrap()), expected, "{row}");
        }
    }
}
