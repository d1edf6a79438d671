//! A real nginx, to stand behind Headwall or beside it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use headwall_testkit::eventually;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::real_peers::skip;

/// nginx with a configuration of the test's, ended when it is dropped.
pub(crate) struct Nginx {
    _process: Child,
    dir: TempDir,
    port: u16,
}

impl Nginx {
    /// Serves the files that `fill` has put into its directory. `None`, said loudly, where there is no nginx.
    pub(crate) async fn serving(fill: impl FnOnce(&Path)) -> Option<Self> {
        Self::start("", "", fill).await
    }

    /// Is a proxy: `http` is said beside its server, and `location` is what its one location does, in nginx's words.
    pub(crate) async fn proxying(http: &str, location: &str) -> Option<Self> {
        Self::start(http, &format!("location / {{ {location} }}"), |_| {}).await
    }

    /// Serves files too, with more lines for its block `http` and for its block `server`. `{dir}` is where it may write.
    pub(crate) async fn start(http: &str, server: &str, fill: impl FnOnce(&Path)) -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().await.is_err() {
            skip("nginx is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        fill(&dir.path().join("files"));
        // nginx cannot tell a port that it was given by the system, so a free one is looked for.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = dir.path().display().to_string();
        let (http, server) = (http.replace("{dir}", &root), server.replace("{dir}", &root));
        let conf = format!(
            "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
             events {{ worker_connections 1024; }}
             http {{
                 access_log {root}/access.log combined;
                 client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
                 uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
                 {http}
                 server {{ listen 127.0.0.1:{port}; root {root}/files; {server} }}
             }}"
        );
        let conf_path = dir.path().join("nginx.conf");
        std::fs::write(&conf_path, conf).unwrap();
        let process = Command::new("nginx").arg("-c").arg(&conf_path).kill_on_drop(true).spawn().unwrap();
        eventually(10, async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Some(Self { _process: process, dir, port })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where its files are.
    pub(crate) fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// The lines of its access log.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join("access.log"));
        log.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}
