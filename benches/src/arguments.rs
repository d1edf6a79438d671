//! What is to be measured.

use std::time::Duration;

use crate::http::Row;
use crate::peer::Peer;

/// The command line, read.
#[derive(Debug)]
pub struct Arguments {
    /// How long a round lasts.
    pub round: Duration,
    /// How often everybody gets a turn.
    pub rounds: usize,
    /// How many WebSocket handshakes each way of opening them is tried with.
    pub handshakes: usize,
    /// The rows of plain HTTP.
    pub rows: Vec<Row>,
    /// Whether WebSockets are measured.
    pub websocket: bool,
    /// Whether TLS is measured.
    pub tls: bool,
    /// Who takes part.
    pub peers: Vec<Peer>,
    /// Whether ours are built first.
    pub build: bool,
}

/// A command line that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidArguments {
    /// An option that does not exist.
    #[error("expected `--quick`, `--as-built` or `--only NAME,..`, found `{0}`")]
    Unknown(String),
    /// `--only` without a value.
    #[error("expected a row or a peer after `--only`")]
    NothingNamed,
    /// A name in `--only` that is neither.
    #[error(
        "`{0}` is neither a row (64b, 64k, 1m, everything, file-1k, file-100k, file-10m, file-tls-1k, file-tls-100k, file-tls-10m, file-gz, file-br, file-compress, limit, limit-10k, limit-1m, storm, slow, websocket, tls) nor a peer (headwall, pingora, nginx, haproxy, caddy, envoy, traefik)"
    )]
    NoSuchName(String),
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// When an option or a name is not known.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, InvalidArguments> {
        let (mut round, mut rounds, mut handshakes) = (Duration::from_secs(10), 5, 100_000);
        let (mut rows, mut websocket, mut tls) = (Vec::new(), false, false);
        let (mut peers, mut build) = (Vec::new(), true);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => (round, rounds, handshakes) = (Duration::from_secs(2), 3, 10_000),
                "--as-built" => build = false,
                "--only" => {
                    let names = args.next().ok_or(InvalidArguments::NothingNamed)?;
                    for name in names.split(',') {
                        if name == "websocket" {
                            websocket = true;
                        } else if name == "tls" {
                            tls = true;
                        } else if let Some(row) = Row::ALL.into_iter().find(|row| row.name() == name) {
                            rows.push(row);
                        } else if let Some(peer) = Peer::ALL.into_iter().find(|peer| peer.name() == name) {
                            peers.push(peer);
                        } else {
                            return Err(InvalidArguments::NoSuchName(name.to_owned()));
                        }
                    }
                }
                _ => return Err(InvalidArguments::Unknown(arg)),
            }
        }
        if rows.is_empty() && !websocket && !tls {
            (rows, websocket, tls) = (Row::ALL.into(), true, true);
        }
        if peers.is_empty() {
            peers = Peer::ALL.into();
        }
        Ok(Self { round, rounds, handshakes, rows, websocket, tls, peers, build })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, InvalidArguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn names_select_rows_and_peers() {
        let rows = [
            ("", 18, true, true, 7),
            ("--only websocket", 0, true, false, 7),
            ("--only tls", 0, false, true, 7),
            ("--only 64b,headwall,nginx", 1, false, false, 2),
            ("--only file-1k,file-10m,file-tls-1k,file-gz,file-br,file-compress", 6, false, false, 7),
            ("--only envoy", 18, true, true, 1),
        ];
        for (line, row_count, websocket, tls, peer_count) in rows {
            let arguments = parse(line).expect(line);
            assert_eq!((arguments.rows.len(), arguments.peers.len()), (row_count, peer_count), "{line}");
            assert_eq!((arguments.websocket, arguments.tls), (websocket, tls), "{line}");
        }
    }

    #[test]
    fn quick_is_shorter() {
        let (quick, full) = (parse("--quick").expect("quick"), parse("").expect("full"));
        assert!(
            quick.round * 3 < full.round && quick.rounds < full.rounds && quick.handshakes < full.handshakes
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["--slow", "--only", "--only apache", "64b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
