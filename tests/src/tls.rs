//! TLS towards clients: which certificate is shown, what is agreed on, what is refused, and what is spoken on top of it.

mod client_auth;
mod failures;
mod http2;
mod http2_abuse;
mod http2_limits;
mod http2_streams;
mod internal;
mod misdirected;
mod names;
mod proxy_protocol;
mod real_peers;
mod redirect;
mod reload;
mod renewal;
mod sessions;
mod unreadable;
mod versions;

use std::path::{Path, PathBuf};

use headwall_testkit::{Authority, Client, Gateway, Identity};
use tempfile::TempDir;

use crate::command_line::process::Process;

/// A listener with TLS, and one without.
const LISTENERS: &str =
    "listeners: [{ address: \"127.0.0.1:0\", tls: true }, { address: \"127.0.0.1:0\" }]\n";

/// An authority, and a directory for what it issues.
struct Issuer {
    authority: Authority,
    dir: TempDir,
}

impl Issuer {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let authority = Authority::new();
        authority.write(dir.path());
        Self { authority, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts an identity where `place` had another one before, or none, and gives the settings that name its files.
    fn put(&self, place: &str, identity: &Identity) -> String {
        let dir = self.path(place);
        std::fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        identity.write(&dir);
        files(&dir)
    }

    /// A new certificate for these names, as settings. It lies where the first name says.
    fn files(&self, names: &[&str]) -> String {
        self.put(names[0], &self.authority.issue(names))
    }

    /// A client of the first listener that believes the authority and asks for this host.
    fn client(&self, gateway: &Gateway, host: &str) -> Client {
        gateway.client().tls(&self.authority).server_name(host)
    }
}

/// Settings that name the files in a directory.
fn files(dir: &Path) -> String {
    format!("certificate: \"{0}/fullchain.pem\", key: \"{0}/privkey.pem\"", dir.display())
}

/// A site with TLS that says its host.
fn site(host: &str, tls: &str) -> String {
    format!(
        "  - hosts: [\"{host}\"]\n    tls: {{ {tls} }}\n    routes: [{{ respond: {{ body: \"{host}\" }} }}]\n"
    )
}

/// A listener with TLS, one without, and these sites.
fn config(sites: impl IntoIterator<Item = String>) -> String {
    let sites: String = sites.into_iter().collect();
    format!("{LISTENERS}sites:\n{sites}")
}

/// One site with TLS in front of an application `${APP}`, with more settings at the end.
fn in_front(host: &str, tls: &str, more: &str) -> String {
    format!(
        "{LISTENERS}sites:\n  - hosts: [\"{host}\"]\n    tls: {{ {tls} }}\n    routes: [{{ name: app, api: {{ \
         upstream: app, websocket: {{}} }} }}]\nupstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}\n{more}"
    )
}

/// The same as a process, whose log can be heard.
async fn process(yaml: &str) -> Process {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    process_in(dir, yaml).await
}

async fn process_in(dir: TempDir, yaml: &str) -> Process {
    let frame = "workers: 2\nadmin: { address: \"127.0.0.1:0\" }\naccess_log: { output: access.log }\n";
    let path = dir.path().join("headwall.yaml");
    std::fs::write(&path, frame.to_owned() + yaml).unwrap_or_else(|error| panic!("{error}"));
    let mut process = Process::start(&["run", "--config", "headwall.yaml"], dir);
    process.hears(" is serving").await;
    process
}

/// How many handshakes have failed for this reason.
fn failures(gateway: &Gateway, reason: &str) -> f64 {
    let name = format!("headwall_tls_handshake_failures_total{{reason=\"{reason}\"}}");
    gateway.metric(&name).unwrap_or_else(|| panic!("{name} is not there"))
}

/// How many handshakes have succeeded.
fn handshakes(gateway: &Gateway, version: &str, resumed: bool) -> f64 {
    let name = format!("headwall_tls_handshakes_total{{resumed=\"{resumed}\",version=\"{version}\"}}");
    gateway.metric(&name).unwrap_or_else(|| panic!("{name} is not there"))
}
