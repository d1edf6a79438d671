//! The JSON form. Times are in seconds; a field that does not apply is left out.
//!
//! Written by hand, field by field, because every request pays for it: a derived serializer escapes the same twenty keys
//! again for each line. Texts that need escaping are left to serde_json.

use std::io::{self, Write as _};
use std::time::Duration;

use super::{Record, protocol};

/// One JSON object in the making.
struct Line<'a>(&'a mut Vec<u8>);

pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    let mut line = Line(out);
    write!(line.0, "{{\"time\":\"{}\"", humantime::format_rfc3339_millis(record.time))?;
    line.text("kind", record.kind)?;
    line.key("client");
    write!(line.0, "\"{}\"", record.client)?;
    line.maybe("user", record.user)?;
    line.text("method", record.method)?;
    line.text("scheme", record.scheme)?;
    line.maybe("host", record.host)?;
    line.text("uri", &record.uri)?;
    line.text("protocol", protocol(record.version))?;
    if let Some(tls) = record.tls {
        line.text("tls_version", tls.version)?;
        line.text("tls_cipher", tls.cipher)?;
        line.maybe("client_certificate", tls.client_certificate.as_ref().map(|shown| &*shown.subject))?;
    }
    line.number("status", u64::from(record.status))?;
    line.number("bytes_received", record.bytes_received)?;
    line.number("bytes_sent", record.bytes_sent)?;
    line.seconds("duration", Some(record.duration))?;
    line.seconds("first_byte", record.first_byte)?;
    line.maybe("site", record.site)?;
    line.maybe("route", record.route)?;
    line.maybe("upstream", record.upstream)?;
    line.maybe("server", record.server)?;
    if record.attempts > 0 {
        line.number("attempts", u64::from(record.attempts))?;
    }
    line.seconds("connect", record.connect)?;
    line.maybe("cache", record.cache)?;
    line.maybe("reason", record.reason)?;
    line.text("request_id", record.request_id)?;
    line.maybe("user_agent", record.user_agent.as_deref())?;
    line.maybe("referer", record.referer.as_deref())?;
    line.0.extend_from_slice(b"}\n");
    Ok(())
}

impl Line<'_> {
    fn key(&mut self, key: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, key: &str, text: &str) -> io::Result<()> {
        self.key(key);
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f;
        if text.bytes().all(plain) {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
            return Ok(());
        }
        serde_json::to_writer(&mut *self.0, text).map_err(io::Error::from)
    }

    fn maybe(&mut self, key: &str, text: Option<&str>) -> io::Result<()> {
        text.map_or(Ok(()), |text| self.text(key, text))
    }

    fn number(&mut self, key: &str, number: u64) -> io::Result<()> {
        self.key(key);
        write!(self.0, "{number}")
    }

    /// Microseconds are as fine as the clock is honest.
    fn seconds(&mut self, key: &str, duration: Option<Duration>) -> io::Result<()> {
        let Some(duration) = duration else { return Ok(()) };
        self.key(key);
        write!(self.0, "{}.{:06}", duration.as_secs(), duration.subsec_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let mut out = Vec::new();
        write(&mut out, &sample()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "one line whatever the client sends: {text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["time"], "2026-11-20T05:00:01.250Z");
        assert_eq!(value["duration"], 0.0015);
        assert_eq!(value["user_agent"], "curl/8.0 \"x\"\n");
        assert_eq!(value["server"], "127.0.0.1:31337");
        assert!(value.get("referer").is_none());
    }

    #[test]
    fn whatever_a_client_writes_comes_out_as_it_was() {
        for hostile in
            ["\"", "\\", "a\u{0}b", "\u{1f}", "\u{7f}", "\u{e9}\u{1f600}", "\"}\n{\"status\":200", ""]
        {
            let mut out = Vec::new();
            let record = Record { uri: hostile.into(), user_agent: Some(hostile.into()), ..sample() };
            write(&mut out, &record).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), 1, "{hostile:?}");
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&value["uri"], &value["user_agent"]),
                (&hostile.into(), &hostile.into()),
                "{hostile:?}"
            );
        }
    }
}
