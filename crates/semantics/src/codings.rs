//! Which coding of a content a client prefers (RFC 9110, 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use crate::preferences::{Quality, preferences};

/// The most codings that are told apart. There are not half as many that anybody speaks.
const MOST: usize = 8;

/// The coding that a client likes best, and of equals the first in `offered`. `None` where it likes none, or would rather
/// have the content as it is; that is always acceptable, and better than a coding only where the client says so.
///
/// `token` is the name of a coding in headers. A ninth coding is not looked at.
pub fn preferred_coding<'a, T>(
    request: &HeaderMap,
    offered: &'a [T],
    token: impl Fn(&T) -> &'static str,
) -> Option<&'a T> {
    let mut named = [None; MOST];
    let (mut identity, mut anything) = (None, None);
    for preference in preferences(request, ACCEPT_ENCODING) {
        // A coding has no parameters, so this is one that nobody knows.
        let quality = Some(preference.quality).filter(|_| !preference.has_parameters);
        let quality = quality.or(Some(Quality::REFUSED));
        if preference.name == "*" {
            anything = quality;
        } else if preference.is("identity") {
            identity = quality;
        } else {
            // Its old name (RFC 9110, 8.4.1.3).
            let name = if preference.is("x-gzip") { "gzip" } else { preference.name };
            for (slot, coding) in named.iter_mut().zip(offered) {
                if token(coding).eq_ignore_ascii_case(name) {
                    *slot = quality;
                }
            }
        }
    }
    let mut best = (Quality::REFUSED, None);
    for (quality, coding) in named.iter().zip(offered) {
        let quality = quality.or(anything).unwrap_or(Quality::REFUSED);
        if quality > best.0 {
            best = (quality, Some(coding));
        }
    }
    best.1.filter(|_| identity.is_none_or(|identity| identity <= best.0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const OFFERED: [&str; 3] = ["zstd", "br", "gzip"];

    fn chosen(accept: &[&str], offered: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        preferred_coding(&headers, offered, |coding| coding).copied()
    }

    #[test]
    fn the_client_decides_and_of_equals_the_server() {
        let (zstd, br, gzip) = (Some("zstd"), Some("br"), Some("gzip"));
        let rows: &[(&[&str], Option<&str>, &str)] = &[
            (&[], None, "nothing is said, so nothing is known to be understood"),
            (&[""], None, "as it is, please"),
            (&["gzip"], gzip, "one"),
            (&["gzip, deflate, br, zstd"], zstd, "a browser: the server's first"),
            (&["gzip", "br"], br, "in two lines"),
            (&["GZip"], gzip, "names do not differ by case"),
            (&["x-gzip"], gzip, "an old name"),
            (&["deflate, compress"], None, "not spoken here"),
            (&["*"], zstd, "anything"),
            (&["*;q=0"], None, "nothing"),
            (&["zstd;q=0, *"], br, "anything but"),
            (&["zstd;q=0, *;q=0.5"], br, "the same, hardly"),
            (&["gzip;q=1.0, br;q=0.5"], gzip, "the client's order before the server's"),
            (&["gzip;q=0.5, br;q=0.50"], br, "equal"),
            (&["br;q=0.001, gzip;q=0"], br, "hardly"),
            (&["gzip;q=0"], None, "q=0 is a refusal"),
            (&["gzip;q=0.000"], None, "the same"),
            (&["br ; q=0.5 , gzip ; Q=0.7"], gzip, "with spaces and a capital"),
            (&["br;q=2, gzip;q=x"], None, "no qualities"),
            (&["gzip;q="], None, "no quality"),
            (&["gzip;q=1.5"], None, "no quality"),
            (&["gzip;q=0.1234"], None, "too many digits"),
            (&["gzip;level=9"], None, "no such parameter"),
            (&["identity, gzip;q=0.5"], None, "rather as it is"),
            (&["identity;q=0.5, gzip"], gzip, "rather not as it is"),
            (&["identity;q=0.5, gzip;q=0.5"], gzip, "no matter to the client"),
            (&["identity;q=0"], None, "nothing is left, and it gets what there is"),
            (&["identity;q=0, *"], zstd, "anything but as it is"),
            (&[",, gzip,"], gzip, "empty elements"),
        ];
        for (accept, expected, row) in rows {
            assert_eq!(chosen(accept, &OFFERED), *expected, "{row}: {accept:?}");
        }
        assert_eq!(chosen(&["gzip, br, zstd"], &["gzip", "br"]), gzip, "another order of the server's");
        assert_eq!(chosen(&["zstd"], &["gzip", "br"]), None, "what is not offered is not chosen");
        assert_eq!(chosen(&["zstd"], &[]), None, "nothing is offered");
    }

    proptest! {
        #[test]
        fn no_coding_is_liked_better_than_the_one_that_is_chosen(
            qualities in proptest::array::uniform3(proptest::option::of(0..=1000_u16)),
            identity in proptest::option::of(0..=1000_u16),
            anything in proptest::option::of(0..=1000_u16),
        ) {
            let mut elements: Vec<_> =
                OFFERED.iter().zip(qualities).filter_map(|(coding, quality)| Some((*coding, quality?))).collect();
            elements.extend(identity.map(|quality| ("identity", quality)));
            elements.extend(anything.map(|quality| ("*", quality)));
            let written: Vec<_> = elements
                .iter()
                .map(|(name, quality)| format!("{name};q={}.{:03}", quality / 1000, quality % 1000))
                .collect();
            let of = |index: usize| qualities[index].or(anything).unwrap_or(0);
            let best = (0..3).map(of).max().unwrap();
            let expected = (0..3).find(|index| of(*index) == best && best > 0 && identity.unwrap_or(0) <= best);
            prop_assert_eq!(chosen(&[&written.join(", ")], &OFFERED), expected.map(|index| OFFERED[index]));
        }
    }
}
