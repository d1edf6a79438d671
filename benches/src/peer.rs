//! The proxies that take part, and their configs.
//!
//! The configs are files in `benches/peers`, as their users would write them, so that anybody can see what was compared.
//! `@NAMES@` in them are filled in here.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::machine::{Machine, Place};
use crate::process::Process;
use crate::tls::Credentials;
use crate::tree;

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Ours.
    Headwall,
    /// `bin/bare_pingora.rs`: what it stands on, doing nothing.
    Pingora,
    /// From Debian.
    Nginx,
    /// From Debian.
    Haproxy,
    /// From PyPI, as are the next two.
    Caddy,
    /// A C++ proxy.
    Envoy,
    /// A Go proxy.
    Traefik,
}

/// What a proxy is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Forward, with forward headers and kept connections, and no log.
    Plain,
    /// Routes, security headers, a rate limit, metrics and a JSON access log on top.
    Everything,
    /// As [`Setup::Plain`], behind a rate limit by `X-Key` that lets everything pass.
    Limited,
    /// As [`Setup::Plain`], behind a rate limit by `X-Key` that refuses all but a request a minute.
    Storm,
    /// As [`Setup::Plain`], to four servers, of which the last takes 20 ms for each answer, by who has the fewest requests.
    Slow,
    /// WebSockets, with one worker.
    WebSocket,
    /// WebSockets, with two workers on all CPUs, and at `/ws-wait` behind a filter that awaits.
    WebSocketTwoWorkers,
    /// As [`Setup::Plain`], over TLS: versions 1.2 and 1.3, HTTP/1.1 and HTTP/2.
    Tls,
    /// Serve files, and forward nothing.
    Files,
    /// As [`Setup::Files`], over TLS.
    FilesTls,
    /// As [`Setup::Files`], compressed beforehand where the client takes that.
    Precompressed,
    /// As [`Setup::Files`], compressed with gzip at level 5 while they are sent.
    Compressed,
}

/// A proxy that is up.
#[derive(Debug)]
pub struct Running {
    /// Who it is.
    pub peer: Peer,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
    /// Its config, its logs.
    dir: TempDir,
}

// === impl Setup ===

impl Setup {
    /// Whether files are served. Nothing is forwarded then.
    pub fn serves_files(self) -> bool {
        matches!(self, Self::Files | Self::FilesTls | Self::Precompressed | Self::Compressed)
    }

    /// Whether a certificate is needed.
    pub fn speaks_tls(self) -> bool {
        matches!(self, Self::Tls | Self::FilesTls)
    }
}

// === impl Peer ===

impl Peer {
    /// Everybody, ours and the yardstick first.
    pub const ALL: [Self; 7] =
        [Self::Headwall, Self::Pingora, Self::Nginx, Self::Haproxy, Self::Caddy, Self::Envoy, Self::Traefik];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Headwall => "headwall",
            Self::Pingora => "pingora",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
        }
    }

    /// What of [`Setup::Everything`] it does differently, or not at all.
    pub fn deviation(self) -> Option<&'static str> {
        match self {
            Self::Headwall => None,
            Self::Pingora => Some("nothing is on; it is the yardstick"),
            Self::Nginx => Some("the log is buffered; metrics are stub_status, without labels"),
            Self::Haproxy => Some("the log is written line by line, its only way to a file"),
            Self::Caddy => Some("no rate limit, the stock build has none"),
            Self::Envoy => Some("the rate limit is one for all clients"),
            Self::Traefik => Some("the log is buffered"),
        }
    }

    /// Whether it serves files.
    pub fn serves_files(self) -> bool {
        matches!(self, Self::Headwall | Self::Nginx | Self::Caddy)
    }

    /// The arguments of the binary. Its config has the file's name in the directory of the run.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Headwall => &["run", "--config", "@CONFIG@"],
            Self::Pingora => &["@LISTEN@", "@ORIGIN@"],
            Self::Nginx => &["-e", "@DIR@/error.log", "-p", "@DIR@", "-c", "@CONFIG@"],
            Self::Haproxy => &["-db", "-f", "@CONFIG@"],
            Self::Caddy => &["run", "--config", "@CONFIG@", "--adapter", "caddyfile"],
            Self::Envoy => &["--concurrency", "1", "--disable-hot-restart", "-l", "warn", "-c", "@CONFIG@"],
            Self::Traefik => &["--configfile=@CONFIG@"],
        }
    }

    /// Its config files, the first of which is the one on its command line; none when it needs none.
    fn configs(self, setup: Setup) -> io::Result<&'static [(&'static str, &'static str)]> {
        use Setup::{
            Compressed, Everything, Files, FilesTls, Limited, Plain, Precompressed, Slow, Storm, Tls,
            WebSocket, WebSocketTwoWorkers,
        };
        /// `name in benches/peers`, with its text.
        macro_rules! files {
            ($($name:literal),+) => { &[$(($name, include_str!(concat!("../peers/", $name)))),+] };
        }
        Ok(match (self, setup) {
            (Self::Pingora, _) => &[],
            (Self::Headwall, Plain) => files!["headwall.yaml"],
            (Self::Headwall, Everything) => files!["headwall-everything.yaml"],
            (Self::Headwall, Limited) => files!["headwall-limited.yaml"],
            (Self::Headwall, Storm) => files!["headwall-storm.yaml"],
            (Self::Headwall, Slow) => files!["headwall-slow.yaml"],
            (Self::Headwall, WebSocket) => files!["headwall-websocket.yaml"],
            (Self::Headwall, WebSocketTwoWorkers) => files!["headwall-two-workers.yaml"],
            (Self::Headwall, Tls) => files!["headwall-tls.yaml"],
            (Self::Nginx, Plain) => files!["nginx.conf"],
            (Self::Nginx, Everything) => files!["nginx-everything.conf"],
            (Self::Nginx, Limited) => files!["nginx-limited.conf"],
            (Self::Nginx, Storm) => files!["nginx-storm.conf"],
            (Self::Nginx, Slow) => files!["nginx-slow.conf"],
            (Self::Nginx, WebSocket) => files!["nginx-websocket.conf"],
            (Self::Nginx, Tls) => files!["nginx-tls.conf"],
            // What was compressed beforehand is looked for unless the config says otherwise.
            (Self::Headwall, Files | Precompressed) => files!["headwall-files.yaml"],
            (Self::Headwall, FilesTls) => files!["headwall-files-tls.yaml"],
            (Self::Headwall, Compressed) => files!["headwall-compressed.yaml"],
            (Self::Nginx, Files) => files!["nginx-files.conf"],
            (Self::Nginx, FilesTls) => files!["nginx-files-tls.conf"],
            (Self::Nginx, Precompressed) => files!["nginx-precompressed.conf"],
            (Self::Nginx, Compressed) => files!["nginx-compressed.conf"],
            (Self::Caddy, Files) => files!["Caddyfile-files"],
            (Self::Caddy, FilesTls) => files!["Caddyfile-files-tls"],
            (Self::Caddy, Precompressed) => files!["Caddyfile-precompressed"],
            (Self::Caddy, Compressed) => files!["Caddyfile-compressed"],
            (Self::Haproxy, Plain) => files!["haproxy.cfg"],
            (Self::Haproxy, Everything) => files!["haproxy-everything.cfg"],
            (Self::Haproxy, Slow) => files!["haproxy-slow.cfg"],
            (Self::Haproxy, Tls) => files!["haproxy-tls.cfg"],
            (Self::Caddy, Plain) => files!["Caddyfile"],
            (Self::Caddy, Everything) => files!["Caddyfile-everything"],
            (Self::Envoy, Plain) => files!["envoy.yaml"],
            (Self::Envoy, Everything) => files!["envoy-everything.yaml"],
            (Self::Traefik, Plain) => files!["traefik.yaml", "traefik-routes.yaml"],
            (Self::Traefik, Everything) => {
                files!["traefik-everything.yaml", "traefik-routes-everything.yaml"]
            }
            (
                _,
                Limited | Storm | Slow | WebSocket | WebSocketTwoWorkers | Tls | Files | FilesTls
                | Precompressed | Compressed,
            ) => {
                return Err(io::Error::other(format!("{} has no config for {setup:?} here", self.name())));
            }
        })
    }

    /// Starts it and waits until it answers. `credentials` are for those setups that speak TLS.
    ///
    /// # Errors
    ///
    /// When it does not answer; with what it said.
    pub fn start(
        self,
        setup: Setup,
        credentials: Option<&Credentials>,
        binaries: &Binaries,
        machine: &Machine,
        origin: SocketAddr,
    ) -> io::Result<Running> {
        // Files are served from a real file system, which has them in the kernel's memory; nobody writes to it meanwhile.
        let dir = if setup.serves_files() { tempfile::tempdir()? } else { in_memory()? };
        let (address, admin) = (free_address()?, free_address()?);
        let dir_name = dir.path().display().to_string();
        let fill = |text: &str, config: &str| {
            text.replace("@LISTEN@", &address.to_string())
                .replace("@LISTEN_PORT@", &address.port().to_string())
                .replace("@ADMIN@", &admin.to_string())
                .replace("@ADMIN_PORT@", &admin.port().to_string())
                .replace("@ORIGIN@", &origin.to_string())
                .replace("@ORIGIN_PORT@", &origin.port().to_string())
                .replace("@CONFIG@", config)
                .replace("@DIR@", &dir_name)
        };
        if let Some(credentials) = credentials {
            credentials.write(dir.path())?;
        }
        if setup.serves_files() {
            tree::write(&dir.path().join("files"))?;
        }
        let configs = self.configs(setup)?;
        for (name, text) in configs {
            fs::write(dir.path().join(name), fill(text, ""))?;
        }
        let config = configs.first().map(|(name, _)| dir.path().join(name).display().to_string());
        let config = config.unwrap_or_default();
        let place = if setup == Setup::WebSocketTwoWorkers { Place::Anywhere } else { Place::Proxy };
        let mut command = machine.command(place, binaries.of(self)?);
        command.args(self.arguments().iter().map(|argument| fill(argument, &config)));
        // Go's way to have one worker, and a place where Caddy may keep its state.
        command.env("GOMAXPROCS", "1").env("HOME", dir.path()).current_dir(dir.path());
        let mut process = Process::start(&mut command, dir.path().join("output"))?;
        let up = match credentials {
            None => process.answers(address, "/64"),
            Some(credentials) => process.answers_to("/64", || credentials.is_ok(address, "/64")),
        };
        up.map_err(|error| io::Error::other(format!("{}: {error}", self.name())))?;
        Ok(Running { peer: self, address, process, dir })
    }
}

// === impl Running ===

impl Running {
    /// Empties its logs: a minute of load writes a gigabyte.
    ///
    /// # Errors
    ///
    /// When there is one that cannot be emptied.
    pub fn empty_logs(&self) -> io::Result<()> {
        for name in ["access.log", "output"] {
            let path = self.dir.path().join(name);
            if path.exists() {
                fs::OpenOptions::new().write(true).truncate(true).open(path)?;
            }
        }
        Ok(())
    }
}

/// A directory whose files are no disk's work, where there is such a place.
fn in_memory() -> io::Result<TempDir> {
    let shared_memory = Path::new("/dev/shm");
    if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() }
}

/// A port that was free a moment ago. Not every peer can say which port it was given.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_config_names_where_it_listens_and_what_it_forwards_to() {
        for peer in Peer::ALL {
            for setup in [Setup::Plain, Setup::Everything] {
                let configs = peer.configs(setup).unwrap();
                let text: String = configs.iter().map(|(_, text)| *text).collect();
                for name in ["@LISTEN", "@ORIGIN"] {
                    assert!(configs.is_empty() || text.contains(name), "{} {setup:?}: {name}", peer.name());
                }
            }
        }
        for peer in Peer::ALL.into_iter().filter(|peer| peer.serves_files()) {
            for setup in [Setup::Files, Setup::FilesTls, Setup::Precompressed, Setup::Compressed] {
                let (_, text) = peer.configs(setup).unwrap()[0];
                let names =
                    ["@LISTEN", "@DIR@/files", if setup.speaks_tls() { "@DIR@/privkey.pem" } else { "" }];
                for name in names {
                    assert!(text.contains(name), "{} {setup:?}: {name}", peer.name());
                }
            }
        }
        for (peer, setup) in [Peer::Headwall, Peer::Nginx]
            .into_iter()
            .flat_map(|peer| [Setup::Limited, Setup::Storm].map(|setup| (peer, setup)))
        {
            let (_, text) = peer.configs(setup).unwrap()[0];
            assert!(text.to_lowercase().replace('-', "_").contains("x_key"), "{} {setup:?}", peer.name());
        }
        for peer in [Peer::Headwall, Peer::Nginx, Peer::Haproxy] {
            let (_, text) = peer.configs(Setup::Slow).unwrap()[0];
            assert_eq!(text.matches(":@ORIGIN_PORT@").count(), 4, "{}", peer.name());
            let (_, text) = peer.configs(Setup::Tls).unwrap()[0];
            for name in ["@LISTEN", "@ORIGIN", "@DIR@/"] {
                assert!(text.contains(name), "{} over TLS: {name}", peer.name());
            }
        }
    }
}
