//! What is said to a server besides HTTP/1.1 in the clear: TLS, HTTP/2, and who the client is.

mod announced;
mod checks;
mod http2;
mod identity;
mod pools;
mod settings;
mod verification;

use std::path::Path;

use headwall_testkit::{Authority, Gateway, GatewayBuilder, Origin, OriginBuilder};
use tempfile::TempDir;

use crate::command_line::process::{Process, dir_with};

/// An authority, and its certificate in a file.
struct Trust {
    authority: Authority,
    dir: TempDir,
}

impl Trust {
    fn new() -> Self {
        let authority = Authority::new();
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        authority.write(dir.path());
        Self { authority, dir }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `ca: …` for settings.
    fn ca(&self) -> String {
        format!("ca: \"{}\"", self.dir().join("ca.pem").display())
    }

    /// A server at 127.0.0.1 and `localhost` with a certificate of this authority.
    fn origin(&self) -> OriginBuilder {
        Origin::builder().otherwise("hello").tls(&self.authority.issue(&["127.0.0.1", "localhost"]))
    }
}

/// One route to one server, with more settings of the upstream.
fn config(server: &str, settings: &str) -> String {
    format!(
        "sites: [{{ name: site, routes: [{{ name: route, api: {{ upstream: app, websocket: {{}} }} }}] }}]\n\
         upstreams: {{ app: {{ servers: [\"{server}\"], {settings} }} }}\n"
    )
}

/// The same as a process, whose log can be heard.
fn process(server: &str, settings: &str) -> Process {
    let own = "listeners: [{ address: \"127.0.0.1:0\" }]\nadmin: { address: \"127.0.0.1:0\" }\n";
    let dir = dir_with("headwall.yaml", &(own.to_owned() + &config(server, settings)));
    Process::start(&["run", "--config", "headwall.yaml"], dir)
}

fn in_front_of(server: &str, settings: &str) -> GatewayBuilder {
    Gateway::config(&config(server, settings))
}

/// The server under its name instead of its address.
fn by_name(origin: &Origin) -> String {
    format!("https://localhost:{}", origin.address().port())
}

/// The reason of the last line of the log.
async fn reason(gateway: Gateway) -> String {
    let log = gateway.stop().await;
    log.last().and_then(|line| line["reason"].as_str()).unwrap_or_default().to_owned()
}
