//! Lists of what a client accepts, and how much it wants each (RFC 9110, 12.4).

use http::{HeaderMap, HeaderName};

/// How much something is wanted, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quality(u16);

/// An element of such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference<'a> {
    /// What is meant, as it was written: `text/html`, `gzip`, `*`.
    pub name: &'a str,
    /// How much. What is written as a quality and is none counts as a refusal: nobody can ask what it means.
    pub quality: Quality,
    /// Whether there are parameters beside the quality.
    pub has_parameters: bool,
}

/// The elements of all lines of a header, in the order in which they stand there.
pub fn preferences(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Preference<'_>> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(Preference::read)
        .filter(|preference| !preference.name.is_empty())
}

// === impl Preference ===

impl<'a> Preference<'a> {
    fn read(element: &'a str) -> Self {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut quality, mut has_parameters) = (Quality::FULL, false);
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if name.trim_end().eq_ignore_ascii_case("q") => {
                    quality = Quality::read(value.trim_start()).unwrap_or(Quality::REFUSED);
                }
                Some(_) | None => has_parameters = true,
            }
        }
        Self { name, quality, has_parameters }
    }

    /// Whether it names this. Names have no case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

// === impl Quality ===

impl Quality {
    /// What is said by saying nothing of it.
    pub const FULL: Self = Self(1000);
    /// Not at all.
    pub const REFUSED: Self = Self(0);

    /// Reads `1`, `0.5` or `0.333`.
    fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
        let thousandths = digits.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        match whole {
            "0" => Some(Self(thousandths)),
            "1" if thousandths == 0 => Some(Self::FULL),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn qualities_are_thousandths() {
        let rows = [
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.123", Some(123)),
            ("0.", Some(0)),
            ("1.1", None),
            ("2", None),
            ("0.1234", None),
            ("-1", None),
            ("", None),
            ("0.+1", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Quality::read(text), expected.map(Quality), "{text:?}");
        }
    }

    #[test]
    fn elements_are_read_however_they_are_written() {
        let rows = [
            ("gzip", ("gzip", 1000, false), "a name"),
            ("gzip;q=0.5", ("gzip", 500, false), "and how much"),
            (" gzip ; Q = 0.5 ", ("gzip", 500, false), "with spaces and a capital"),
            ("gzip;", ("gzip", 1000, false), "nothing behind it"),
            ("text/html;level=1;q=0.4", ("text/html", 400, true), "a parameter"),
            ("text/html;level", ("text/html", 1000, true), "half a parameter"),
            ("gzip;q=", ("gzip", 0, false), "no quality"),
            ("gzip;q=x", ("gzip", 0, false), "no quality"),
        ];
        for (text, (name, quality, has_parameters), row) in rows {
            let expected = Preference { name, quality: Quality(quality), has_parameters };
            assert_eq!(Preference::read(text), expected, "{row}: {text:?}");
        }
    }

    #[test]
    fn lines_are_one_list_and_nothing_is_no_element() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "a, ,b;q=0".parse().unwrap());
        headers.append(ACCEPT, ",c".parse().unwrap());
        let names: Vec<_> = preferences(&headers, ACCEPT).map(|preference| preference.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    proptest! {
        #[test]
        fn a_quality_is_the_number_that_is_written(thousandths in 0..=1000_u16) {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            prop_assert_eq!(Quality::read(&text), Some(Quality(thousandths)));
            prop_assert_eq!(Quality::read(text.trim_end_matches('0')), Some(Quality(thousandths)), "{}", text);
        }

        #[test]
        fn any_text_can_be_read(text in "[ -~]{0,60}") {
            let preference = Preference::read(&text);
            prop_assert!(preference.quality <= Quality::FULL);
        }
    }
}
