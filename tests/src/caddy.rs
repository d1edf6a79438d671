//! A real Caddy, to stand beside Headwall.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use headwall_testkit::eventually;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::real_peers::skip;

/// Caddy with a site of the test's, ended when it is dropped.
pub(crate) struct Caddy {
    _process: Child,
    _dir: TempDir,
    port: u16,
}

impl Caddy {
    /// Has one site, on which it does what `site` says in the words of a Caddyfile. `None`, said loudly, where there is no
    /// Caddy.
    pub(crate) async fn start(site: &str) -> Option<Self> {
        if Command::new("caddy").arg("version").stdout(Stdio::null()).status().await.is_err() {
            skip("caddy is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        // Caddy does not tell a port that it was given by the system, so a free one is looked for.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let caddyfile =
            format!("{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind 127.0.0.1\n{site}\n}}\n");
        let path = dir.path().join("Caddyfile");
        std::fs::write(&path, caddyfile).unwrap();
        let process = Command::new("caddy")
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&path)
            // It keeps what it knows below its user's home.
            .env("HOME", dir.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually(20, async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Some(Self { _process: process, _dir: dir, port })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}
