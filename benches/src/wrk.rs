//! HTTP load, made by wrk.
//!
//! wrk is a closed loop: a connection asks again as soon as it is answered. That is right for CPU time per request and for
//! the highest rate; its percentiles leave out what a client would have waited before it could ask.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use crate::machine::{Machine, Place};

/// How many connections ask at the same time.
pub const CONNECTIONS: usize = 64;

/// What wrk saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Answers.
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// The 99th percentile of latency in microseconds.
    pub p99: f64,
    /// Answers that were not 2xx or 3xx, and connections that failed.
    pub failures: u64,
}

/// Asks for `path` for so long, with one of so many keys if there are to be any.
///
/// # Errors
///
/// When wrk fails.
pub fn run(
    machine: &Machine,
    address: SocketAddr,
    (path, keys): (&str, Option<u32>),
    duration: Duration,
) -> io::Result<Seen> {
    let mut script = tempfile::NamedTempFile::new()?;
    script.write_all(include_bytes!("../peers/keys.lua"))?;
    let mut command = machine.command(Place::Load, "wrk");
    command.args(["-t1", "--latency", "-H", "User-Agent: wrk", &format!("-c{CONNECTIONS}")]);
    command.arg(format!("-d{}s", duration.as_secs().max(1)));
    if keys.is_some() {
        command.arg("-s").arg(script.path());
    }
    command.arg(format!("http://{address}{path}"));
    if let Some(keys) = keys {
        command.args(["--", &keys.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| io::Error::other(format!("wrk printed no figures:\n{text}")))
}

fn parse(text: &str) -> Option<Seen> {
    let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start).map(str::trim));
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "))?.0.parse().ok()?;
    let bad_answers = line("Non-2xx or 3xx responses:").and_then(|count| count.parse().ok()).unwrap_or(0);
    // `Socket errors: connect 0, read 3, write 0, timeout 0`
    let bad_sockets: u64 = line("Socket errors:")
        .map_or(0, |counts| counts.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum());
    Some(Seen {
        requests,
        rate: line("Requests/sec:")?.parse().ok()?,
        p99: microseconds(line("99%")?)?,
        failures: bad_answers + bad_sockets,
    })
}

/// `1.25ms` in microseconds.
fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
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
        let seen = Seen { requests: 85_471, rate: 42_711.34, p99: 2_510.0, failures: 11 };
        assert_eq!(parse(text), Some(seen));
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn reads_every_unit() {
        for (text, expected) in [("812.00us", 812.0), ("2.50ms", 2_500.0), ("1.00s", 1e6), ("2m", 1.2e8)] {
            assert_eq!(microseconds(text), Some(expected), "{text}");
        }
    }
}
