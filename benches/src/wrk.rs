//! HTTP load, made by wrk.
//!
//! wrk is a closed loop: a connection asks again as soon as it is answered. That is right for CPU time per request and for
//! the highest rate; its percentiles leave out what a client would have waited before it could ask.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use crate::load::Load;
use crate::machine::{Machine, Place};

/// What wrk saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Answers.
    pub requests: u64,
    /// Bytes that were read, heads included; wrk rounds to a hundredth of their unit.
    pub bytes: f64,
    /// Answers a second.
    pub rate: f64,
    /// The 99th percentile of latency in microseconds.
    pub p99: f64,
    /// Answers that were not 2xx or 3xx, and connections that failed.
    pub failures: u64,
}

/// Makes this load for so long.
///
/// # Errors
///
/// When wrk fails.
pub fn run(machine: &Machine, address: SocketAddr, load: &Load, duration: Duration) -> io::Result<Seen> {
    let (mut script, mut tls) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    script.write_all(include_bytes!("../peers/keys.lua"))?;
    tls.write_all(include_bytes!("../peers/client-tls.cnf"))?;
    let mut command = machine.command(Place::Load, "wrk");
    command.env("OPENSSL_CONF", tls.path());
    command.args(["-t1", "--latency", "-H", "User-Agent: wrk", &format!("-c{}", load.connections)]);
    command.arg(format!("-d{}s", duration.as_secs().max(1)));
    if let Some(coding) = load.coding {
        command.arg("-H").arg(format!("Accept-Encoding: {}", coding.accepted()));
    }
    if load.keys.is_some() {
        command.arg("-s").arg(script.path());
    }
    command.arg(format!("{}://{address}{}", if load.tls { "https" } else { "http" }, load.path));
    if let Some(keys) = load.keys {
        command.args(["--", &keys.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| io::Error::other(format!("wrk printed no figures:\n{text}")))
}

fn parse(text: &str) -> Option<Seen> {
    let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start).map(str::trim));
    let (requests, rest) = text.lines().find_map(|line| line.trim().split_once(" requests in "))?;
    let read = rest.split_once(", ")?.1.strip_suffix(" read")?;
    let bad_answers = line("Non-2xx or 3xx responses:").and_then(|count| count.parse().ok()).unwrap_or(0);
    // `Socket errors: connect 0, read 3, write 0, timeout 0`
    let bad_sockets: u64 = line("Socket errors:")
        .map_or(0, |counts| counts.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum());
    Some(Seen {
        requests: requests.parse().ok()?,
        bytes: bytes(read)?,
        rate: line("Requests/sec:")?.parse().ok()?,
        p99: microseconds(line("99%")?)?,
        failures: bad_answers + bad_sockets,
    })
}

// === impl Seen ===

impl Seen {
    /// Whether every answer had a body of this length. What wrk has rounded away is given to it.
    pub fn has_read(&self, body: usize) -> bool {
        self.bytes * 1.01 >= self.requests.saturating_sub(self.failures) as f64 * body as f64
    }
}

/// `12.72MB` in bytes.
fn bytes(text: &str) -> Option<f64> {
    let units = [
        ("KB", 1024.0),
        ("MB", 1_048_576.0),
        ("GB", 1_073_741_824.0),
        ("TB", 1_099_511_627_776.0),
        ("B", 1.0),
    ];
    amount(text, units)
}

/// `1.25ms` in microseconds.
fn microseconds(text: &str) -> Option<f64> {
    amount(text, [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)])
}

fn amount<const N: usize>(text: &str, units: [(&str, f64); N]) -> Option<f64> {
    units.into_iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let text = "Running 2s test @ http://127.0.0.1:1/64
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.49ms  255.31us   5.88ms   91.02%
  Latency Distribution
     50%    1.46ms
     99%    2.51ms
  85471 requests in 2.00s, 12.72MB read
  Socket errors: connect 0, read 3, write 1, timeout 0
  Non-2xx or 3xx responses: 7
Requests/sec:  42711.34
Transfer/sec:      6.36MB";
        let bytes = 12.72 * 1_048_576.0;
        let seen = Seen { requests: 85_471, bytes, rate: 42_711.34, p99: 2_510.0, failures: 11 };
        assert_eq!(parse(text), Some(seen));
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn reads_every_unit() {
        for (text, expected) in [("812.00us", 812.0), ("2.50ms", 2_500.0), ("1.00s", 1e6), ("2m", 1.2e8)] {
            assert_eq!(microseconds(text), Some(expected), "{text}");
        }
        for (text, expected) in [("0.00B", 0.0), ("1.50KB", 1536.0), ("2.00GB", 2_147_483_648.0)] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn bodies_that_were_cut_are_seen() {
        let seen = Seen { requests: 100, bytes: 1e6, rate: 1.0, p99: 1.0, failures: 0 };
        for (body, whole) in [(64, true), (10_000, true), (10_500, false)] {
            assert_eq!(seen.has_read(body), whole, "{body}");
        }
    }
}
