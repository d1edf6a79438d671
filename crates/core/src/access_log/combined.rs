//! nginx's `combined`, so that goaccess, fail2ban and awk scripts go on working.
//!
//! `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
//! "$http_user_agent"`, with nginx's default escaping: `"`, `\` and everything outside printable ASCII as `\xXX`; a
//! missing value is `-`. Source: ngx_http_log_module.

use std::io::{self, Write as _};

use super::{Record, protocol};

pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    write!(out, "{} - ", record.client)?;
    user(out, record.user)?;
    out.extend_from_slice(b" [");
    time(out, record)?;
    out.extend_from_slice(b"] \"");
    escape(out, record.method)?;
    out.push(b' ');
    escape(out, &record.uri)?;
    write!(out, " {}\" {} {} \"", protocol(record.version), record.status, record.bytes_sent)?;
    escape(out, record.referer.as_deref().unwrap_or("-"))?;
    out.extend_from_slice(b"\" \"");
    escape(out, record.user_agent.as_deref().unwrap_or("-"))?;
    out.extend_from_slice(b"\"\n");
    Ok(())
}

/// A space would shift the fields behind it.
fn user(out: &mut Vec<u8>, user: Option<&str>) -> io::Result<()> {
    for (index, part) in user.filter(|user| !user.is_empty()).unwrap_or("-").split(' ').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\\x20");
        }
        escape(out, part)?;
    }
    Ok(())
}

/// Local time, as nginx has it.
fn time(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    let at = jiff::Timestamp::try_from(record.time).unwrap_or_default();
    let local = at.to_zoned(jiff::tz::TimeZone::system());
    write!(out, "{}", local.strftime("%d/%b/%Y:%H:%M:%S %z"))
}

fn escape(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    for &byte in text.as_bytes() {
        if byte == b'"' || byte == b'\\' || !(32..127).contains(&byte) {
            write!(out, "\\x{byte:02X}")?;
        } else {
            out.push(byte);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_line_is_nginxs() {
        let mut out = Vec::new();
        write(&mut out, &sample()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (before, rest) = text.split_once('[').unwrap();
        let (time, after) = rest.split_once(']').unwrap();
        assert_eq!(before, "192.0.2.1 - - ");
        assert_eq!(time.len(), "20/Nov/2026:05:00:01 +0000".len(), "{time}");
        assert_eq!(after, " \"GET /a?b=c HTTP/1.1\" 200 66 \"-\" \"curl/8.0 \\x22x\\x22\\x0A\"\n");
    }

    #[test]
    fn a_user_cannot_shift_the_fields_behind_it() {
        let rows =
            [(Some("ada"), "ada"), (Some("a b\"\n"), "a\\x20b\\x22\\x0A"), (Some(""), "-"), (None, "-")];
        for (user, expected) in rows {
            let mut out = Vec::new();
            write(&mut out, &Record { user, ..sample() }).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with(&format!("192.0.2.1 - {expected} [")), "{user:?}: {text}");
        }
    }
}
