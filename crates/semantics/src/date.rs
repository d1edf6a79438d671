//! Dates in headers (RFC 9110, 5.6.7): whole seconds, in three forms of which one is written.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The date in a header, if it is there and is one.
pub fn of(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    headers.get(name).and_then(read)
}

/// Reads a date in any of the three forms.
pub fn read(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Writes a date. `None` where HTTP has none: before 1970, and after the year 9999.
pub fn write(time: SystemTime) -> Option<HeaderValue> {
    const YEAR_10_000: u64 = 253_402_300_800;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let text = (since.as_secs() < YEAR_10_000).then(|| httpdate::fmt_http_date(time))?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_three_forms_are_read_and_one_is_written() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(read(&HeaderValue::from_static(text)), Some(time), "{text}");
        }
        assert_eq!(write(time).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read(&HeaderValue::from_static("yesterday")), None);
    }

    #[test]
    fn what_has_no_date_in_http_is_not_written() {
        let second = Duration::from_secs(1);
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        assert_eq!(write(last).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(write(last + second), None);
        assert_eq!(write(SystemTime::UNIX_EPOCH - second), None);
    }
}
