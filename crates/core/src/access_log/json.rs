//! The JSON form. Times are in seconds; a field that does not apply is left out.

use std::io;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Record, protocol};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: std::time::SystemTime,
    kind: &'static str,
    client: std::net::IpAddr,
    method: &'a str,
    scheme: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    uri: &'a str,
    protocol: &'static str,
    status: u16,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(serialize_with = "seconds")]
    duration: Duration,
    #[serde(serialize_with = "maybe_seconds", skip_serializing_if = "Option::is_none")]
    first_byte: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
    #[serde(serialize_with = "maybe_seconds", skip_serializing_if = "Option::is_none")]
    connect: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
}

pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    let line = Line {
        time: record.time,
        kind: record.kind,
        client: record.client,
        method: record.method.as_str(),
        scheme: record.scheme,
        host: record.host,
        uri: &record.uri,
        protocol: protocol(record.version),
        status: record.status,
        bytes_received: record.bytes_received,
        bytes_sent: record.bytes_sent,
        duration: record.duration,
        first_byte: record.first_byte,
        site: record.site,
        route: record.route,
        upstream: record.upstream,
        server: record.server,
        attempts: record.attempts,
        connect: record.connect,
        reason: record.reason,
        request_id: record.request_id,
        user_agent: record.user_agent.as_deref(),
        referer: record.referer.as_deref(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}

fn rfc3339<S: Serializer>(time: &std::time::SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*time))
}

/// Microseconds are as fine as the clock is honest.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1e6)
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds(&duration.unwrap_or_default(), serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
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
}
