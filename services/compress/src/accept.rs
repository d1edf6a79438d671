//! Which coding a client prefers (RFC 9110, 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use crate::Coding;

/// How much a client likes something, in thousandths: 0 is a refusal.
type Quality = u16;

/// What `Accept-Encoding` says of the codings that are spoken here.
#[derive(Debug, Default)]
struct Wishes {
    codings: [Option<Quality>; Coding::ALL.len()],
    identity: Option<Quality>,
    anything: Option<Quality>,
}

/// The coding for this client: the one it likes best, and of equals the first in `offered`. `None` where it likes none, or
/// would rather have the response as it is.
pub(crate) fn preferred(request: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    let mut wishes = Wishes::default();
    for value in request.get_all(ACCEPT_ENCODING) {
        value.to_str().unwrap_or_default().split(',').for_each(|element| wishes.hear(element));
    }
    let mut best: Option<(Quality, Coding)> = None;
    for &coding in offered {
        let quality = wishes.of(coding);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, coding));
        }
    }
    let (quality, coding) = best?;
    // A response as it is is always acceptable; better than a coding only where that is said.
    (wishes.identity.unwrap_or(0) <= quality).then_some(coding)
}

// === impl Wishes ===

impl Wishes {
    fn hear(&mut self, element: &str) {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        let name = name.trim();
        let quality = Some(quality(parameters));
        if let Some(coding) = Coding::named(name) {
            self.codings[coding as usize] = quality;
        } else if name.eq_ignore_ascii_case("identity") {
            self.identity = quality;
        } else if name == "*" {
            self.anything = quality;
        }
    }

    fn of(&self, coding: Coding) -> Quality {
        self.codings[coding as usize].or(self.anything).unwrap_or(0)
    }
}

/// Reads `q=0.5`. What is not a quality counts as a refusal: whoever writes it cannot be asked what it means.
fn quality(parameters: &str) -> Quality {
    let mut parameters = parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty());
    let Some(parameter) = parameters.next() else { return 1000 };
    let Some((name, value)) = parameter.split_once('=') else { return 0 };
    if !name.trim_end().eq_ignore_ascii_case("q") {
        return 0;
    }
    let value = value.trim_start();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let thousandths = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn chosen(accept: &[&str], offered: &[Coding]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        preferred(&headers, offered)
    }

    #[test]
    fn the_client_decides_and_of_equals_the_server() {
        use Coding::{Br, Gzip, Zstd};
        let rows: &[(&[&str], Option<Coding>, &str)] = &[
            (&[], None, "nothing is said, so nothing is known to be understood"),
            (&[""], None, "as it is, please"),
            (&["gzip"], Some(Gzip), "one"),
            (&["gzip, deflate, br, zstd"], Some(Zstd), "a browser: the server's first"),
            (&["gzip", "br"], Some(Br), "in two lines"),
            (&["GZip"], Some(Gzip), "names do not differ by case"),
            (&["x-gzip"], Some(Gzip), "an old name"),
            (&["deflate"], None, "not spoken here"),
            (&["*"], Some(Zstd), "anything"),
            (&["*;q=0"], None, "nothing"),
            (&["zstd;q=0, *"], Some(Br), "anything but"),
            (&["gzip;q=1.0, br;q=0.5"], Some(Gzip), "the client's order before the server's"),
            (&["gzip;q=0.5, br;q=0.50"], Some(Br), "equal"),
            (&["gzip;q=0"], None, "q=0 is a refusal"),
            (&["gzip;q=0.000"], None, "the same"),
            (&["gzip; q=0.8"], Some(Gzip), "with a space"),
            (&["gzip ;Q=0.8"], Some(Gzip), "with a capital"),
            (&["gzip;q=0.001"], Some(Gzip), "hardly"),
            (&["gzip;q=2"], None, "not a quality"),
            (&["gzip;q="], None, "not a quality"),
            (&["gzip;q=1.5"], None, "not a quality"),
            (&["gzip;q=0.1234"], None, "too many digits"),
            (&["gzip;level=9"], None, "no such parameter"),
            (&["identity, gzip;q=0.5"], None, "rather as it is"),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip), "no matter to the client"),
            (&["identity;q=0"], None, "nothing is left, and it gets what there is"),
            (&["identity;q=0, *"], Some(Zstd), "anything but as it is"),
            (&[",, gzip,"], Some(Gzip), "empty elements"),
        ];
        for (accept, expected, row) in rows {
            assert_eq!(chosen(accept, &Coding::ALL), *expected, "{row}: {accept:?}");
        }
        assert_eq!(chosen(&["gzip, br, zstd"], &[Gzip, Br]), Some(Gzip), "another order of the server's");
        assert_eq!(chosen(&["zstd"], &[Gzip, Br]), None, "what is not offered is not chosen");
    }

    proptest! {
        #[test]
        fn what_is_refused_is_never_chosen(
            qualities in proptest::array::uniform3(proptest::option::of(0..=1000_u16)),
            anything in proptest::option::of(0..=1000_u16),
        ) {
            let mut elements: Vec<_> = Coding::ALL
                .iter()
                .zip(qualities)
                .filter_map(|(coding, quality)| Some((coding.token(), quality?)))
                .collect();
            elements.extend(anything.map(|quality| ("*", quality)));
            let written: Vec<_> = elements
                .iter()
                .map(|(name, quality)| format!("{name};q={}.{:03}", quality / 1000, quality % 1000))
                .collect();
            let of = |coding: Coding| qualities[coding as usize].or(anything).unwrap_or(0);
            let best = Coding::ALL.into_iter().map(of).max().unwrap();
            match chosen(&[&written.join(", ")], &Coding::ALL) {
                Some(coding) => prop_assert_eq!((of(coding), of(coding) > 0), (best, true)),
                None => prop_assert_eq!(best, 0),
            }
        }

        #[test]
        fn any_text_can_be_read(text in "[ -~]{0,60}") {
            let _ = chosen(&[&text], &Coding::ALL);
        }
    }
}
