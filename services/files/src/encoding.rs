//! Files that were compressed beforehand, and who wants them (RFC 9110, 12.5.3).

use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a file was compressed, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FileEncoding")]
pub enum Encoding {
    /// `app.js.br`, Brotli.
    #[serde(rename = "br")]
    Brotli,
    /// `app.js.zst`, Zstandard.
    #[serde(rename = "zstd")]
    Zstandard,
    /// `app.js.gz`, gzip.
    #[serde(rename = "gzip")]
    Gzip,
}

/// How much a client wants each encoding, in thousandths; 0 is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wishes {
    brotli: u16,
    zstandard: u16,
    gzip: u16,
    /// The file as it is, where the client has said so. It is always there, and never refused for its encoding.
    identity: u16,
}

// === impl Encoding ===

impl Encoding {
    /// The word in `Content-Encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What stands behind the name of the file that was compressed.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

// === impl Wishes ===

impl Wishes {
    /// What `Accept-Encoding` says. Without one a client gets files as they are.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut named, mut any) = ([None; 4], None);
        let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for element in values.flat_map(|value| value.split(',')) {
            let (coding, quality) = weighted(element);
            let place = match coding {
                coding if coding.eq_ignore_ascii_case("br") => &mut named[0],
                coding if coding.eq_ignore_ascii_case("zstd") => &mut named[1],
                coding if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
                    &mut named[2]
                }
                coding if coding.eq_ignore_ascii_case("identity") => &mut named[3],
                "*" => &mut any,
                _ => continue,
            };
            *place = Some(quality);
        }
        let [brotli, zstandard, gzip] =
            [named[0], named[1], named[2]].map(|quality| quality.or(any).unwrap_or(0));
        Self { brotli, zstandard, gzip, identity: named[3].unwrap_or(0) }
    }

    /// The best of those that there are, in the server's own order where the client does not care. `None` is the file as
    /// it is.
    pub(crate) fn choose(self, available: impl Iterator<Item = Encoding>) -> Option<Encoding> {
        let mut best: Option<(u16, Encoding)> = None;
        for encoding in available {
            let wish = self.wish(encoding);
            if wish > 0 && wish >= self.identity && best.is_none_or(|(most, _)| wish > most) {
                best = Some((wish, encoding));
            }
        }
        best.map(|(_, encoding)| encoding)
    }

    fn wish(self, encoding: Encoding) -> u16 {
        match encoding {
            Encoding::Brotli => self.brotli,
            Encoding::Zstandard => self.zstandard,
            Encoding::Gzip => self.gzip,
        }
    }
}

/// An element of a list with qualities: what it names, and how much it is wanted (RFC 9110, 12.4.2). A quality that is
/// none counts as a refusal.
pub(crate) fn weighted(element: &str) -> (&str, u16) {
    let mut parts = element.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, quality.map_or(1000, |quality| thousandths(quality).unwrap_or(0)))
}

/// `1`, `0.5`, `0.333`.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, rest) = quality.split_once('.').unwrap_or((quality, ""));
    let is_number = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let rest: u16 = format!("{rest:0<3}").parse().ok().filter(|_| is_number)?;
    match whole {
        "0" => Some(rest),
        "1" if rest == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstandard, Encoding::Gzip];

    #[test]
    fn the_client_chooses_and_the_server_breaks_the_tie() {
        let rows = [
            (None, None, "nothing was said"),
            (Some(""), None, "nothing is wanted"),
            (Some("gzip"), Some(Encoding::Gzip), "one"),
            (Some("x-gzip"), Some(Encoding::Gzip), "its old name"),
            (Some("GZip"), Some(Encoding::Gzip), "in any spelling"),
            (Some("gzip, deflate, br, zstd"), Some(Encoding::Brotli), "a browser"),
            (Some("gzip, zstd"), Some(Encoding::Zstandard), "the server's order"),
            (Some("gzip;q=1.0, br;q=0.5"), Some(Encoding::Gzip), "the client's order"),
            (Some("br;q=0.001, gzip;q=0"), Some(Encoding::Brotli), "hardly"),
            (Some("br;q=0, gzip;q=0"), None, "q=0 is a refusal"),
            (Some("*"), Some(Encoding::Brotli), "anything"),
            (Some("br;q=0, *;q=0.5"), Some(Encoding::Zstandard), "anything but one"),
            (Some("identity, gzip;q=0.5"), None, "better as it is"),
            (Some("identity;q=0.5, gzip"), Some(Encoding::Gzip), "better not as it is"),
            (Some("identity, gzip"), Some(Encoding::Gzip), "at equal quality the shorter one"),
            (Some("identity;q=0"), None, "there is nothing else, so it is sent all the same"),
            (Some("deflate, compress"), None, "none of ours"),
            (Some("br;q=2, gzip;q=x"), None, "an odd quality counts as none"),
            (Some("br ; q=0.5 , gzip ; q=0.7"), Some(Encoding::Gzip), "spaces"),
        ];
        for (accept, expected, row) in rows {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            }
            assert_eq!(Wishes::of(&headers).choose(ALL.into_iter()), expected, "{row}: {accept:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(
            Wishes::of(&headers).choose(ALL.into_iter()),
            Some(Encoding::Brotli),
            "two lines are one list"
        );
        assert_eq!(
            Wishes::of(&headers).choose([Encoding::Gzip].into_iter()),
            Some(Encoding::Gzip),
            "what there is"
        );
    }

    #[test]
    fn qualities_are_thousandths() {
        let rows = [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.123", Some(123)),
            ("0.", Some(0)),
            ("1.1", None),
            ("0.1234", None),
            ("-1", None),
            ("", None),
            ("0.+1", None),
        ];
        for (text, expected) in rows {
            assert_eq!(thousandths(text), expected, "{text:?}");
        }
    }
}
