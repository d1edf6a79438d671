//! Headwall itself, in the process of the test.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use headwall::config::{Config, Report};
use headwall::{Address, ReloadError, Running, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, Reply};

/// A server with a config of the test's, on ports of its own.
///
/// What the YAML does not mention is set for tests: a listener and an admin listener on port 0 of 127.0.0.1, one worker,
/// a JSON access log in a temporary file, and a short shutdown.
///
/// ```
/// use headwall_testkit::{Gateway, Origin};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let origin = Origin::fixed("hello").await;
/// let gateway = Gateway::config(
///     "
///     sites: [{ routes: [{ api: { upstream: app } }] }]
///     upstreams: { app: { servers: [\"${APP}\"] } }
///     ",
/// )
/// .variable("APP", origin.address())
/// .start()
/// .await;
///
/// gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
///
/// let log = gateway.stop().await;
/// assert_eq!(log[0]["status"], 200);
/// # }
/// ```
pub struct Gateway {
    running: Running,
    server: Server,
    variables: HashMap<String, String>,
    dir: TempDir,
}

/// A [`Gateway`] in the making.
#[must_use]
pub struct GatewayBuilder {
    yaml: String,
    server: Server,
    variables: HashMap<String, String>,
}

impl Gateway {
    /// Begins with a config.
    pub fn config(yaml: &str) -> GatewayBuilder {
        GatewayBuilder { yaml: yaml.to_owned(), server: Server::new(), variables: HashMap::new() }
    }

    /// Starts one with a config that needs nothing else.
    pub async fn start(yaml: &str) -> Self {
        Self::config(yaml).start().await
    }

    /// The address of the first listener.
    ///
    /// # Panics
    ///
    /// If it is a unix socket.
    pub fn address(&self) -> SocketAddr {
        self.address_at(0)
    }

    /// The address of one of several listeners, counted from 0 in the order of the config.
    ///
    /// # Panics
    ///
    /// If it is a unix socket, or there are not so many.
    pub fn address_at(&self, index: usize) -> SocketAddr {
        match self.running.addresses().get(index) {
            Some(Address::Tcp(address)) => *address,
            Some(other) => panic!("listener {index} is not on TCP: {other:?}"),
            None => panic!("there is no listener {index}, counted from 0"),
        }
    }

    /// All addresses, in the order of the config.
    pub fn addresses(&self) -> Vec<Address> {
        self.running.addresses()
    }

    /// A client of the first listener, with a connection for each request.
    pub fn client(&self) -> Client {
        self.client_at(0)
    }

    /// A client of one of several listeners, counted from 0 in the order of the config, with a connection for each
    /// request: `gateway.client_at(1).tls(&authority)`.
    ///
    /// # Panics
    ///
    /// If it is a unix socket, or there are not so many.
    pub fn client_at(&self, index: usize) -> Client {
        Client::to(self.address_at(index))
    }

    /// Asks the admin listener.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn admin(&self, path: &str) -> Reply {
        self.admin_client().get(path).send().await
    }

    /// A client of the admin listener.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn admin_client(&self) -> Client {
        match self.running.admin_address() {
            Some(Address::Tcp(address)) => Client::to(address),
            other => panic!("there is no admin listener on TCP: {other:?}"),
        }
    }

    /// The value of a metric, named as Prometheus writes it: `name` or `name{label="value"}` with labels in
    /// alphabetical order. `None` when it is not there.
    ///
    /// # Panics
    ///
    /// If the metrics cannot be rendered.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text =
            self.running.metrics().render().unwrap_or_else(|error| panic!("metrics do not render: {error}"));
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Changes to another config. Ports stay where the YAML does not name any.
    pub async fn reload(&mut self, yaml: &str) -> Result<(), ReloadError> {
        let config = match read(&self.server, yaml, &self.variables, &self.dir) {
            Ok(config) => config,
            Err(report) => return Err(ReloadError::Config(vec![report])),
        };
        self.running.reload(config).await
    }

    /// Sets a variable for the next reload.
    pub fn set_variable(&mut self, name: &str, value: impl fmt::Display) {
        self.variables.insert(name.to_owned(), value.to_string());
    }

    /// Stops gently and gives the access log's lines.
    ///
    /// # Panics
    ///
    /// If the log has a line that is not JSON.
    pub async fn stop(self) -> Vec<Value> {
        let Self { running, dir, .. } = self;
        running.stop().await;
        let text = std::fs::read_to_string(log_path(&dir)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

impl GatewayBuilder {
    /// Gives `${NAME}` in the config a value.
    pub fn variable(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Uses a server with modules of its own.
    pub fn server(self, server: Server) -> Self {
        Self { server, ..self }
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it does not start, with the error that an operator would see.
    pub async fn start(self) -> Gateway {
        match self.try_start().await {
            Ok(gateway) => gateway,
            Err(why) => panic!("the gateway did not start:\n{why}"),
        }
    }

    /// Starts it, or says why not, as an operator would be told.
    pub async fn try_start(self) -> Result<Gateway, String> {
        let Self { yaml, server, variables } = self;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let config = read(&server, &yaml, &variables, &dir).map_err(|report| report.to_string())?;
        let running = server.start(config).await.map_err(|error| error.to_string())?;
        Ok(Gateway { running, server, variables, dir })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("running", &self.running).finish_non_exhaustive()
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder").field("yaml", &self.yaml).finish_non_exhaustive()
    }
}

fn read(
    server: &Server,
    yaml: &str,
    variables: &HashMap<String, String>,
    dir: &TempDir,
) -> Result<Config, Report> {
    let yaml = with_defaults(yaml, dir);
    server.read("test.yaml", &yaml, &|name| variables.get(name).cloned())
}

/// Adds what a test does not care about, in front of what it does.
fn with_defaults(yaml: &str, dir: &TempDir) -> String {
    let log = log_path(dir).display().to_string();
    let defaults = [
        ("workers", "1".to_owned()),
        ("listeners", "[{ address: \"127.0.0.1:0\" }]".to_owned()),
        ("admin", "{ address: \"127.0.0.1:0\" }".to_owned()),
        ("access_log", format!("{{ format: json, output: \"{log}\" }}")),
        ("shutdown", "{ timeout: 2s }".to_owned()),
    ];
    let indent = yaml
        .lines()
        .find(|line| !line.trim().is_empty())
        .map_or(0, |line| line.len() - line.trim_start().len());
    let mut text = String::new();
    for (key, value) in defaults {
        let mentioned = yaml.lines().any(|line| {
            line.get(indent..).is_some_and(|line| line.starts_with(key) && line[key.len()..].starts_with(':'))
        });
        if !mentioned {
            text.push_str(&format!("{:indent$}{key}: {value}\n", ""));
        }
    }
    text + yaml.trim_start_matches('\n')
}

fn log_path(dir: &TempDir) -> PathBuf {
    dir.path().join("access.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
        listeners: [{ address: \"127.0.0.1:0\" }, { address: \"127.0.0.1:0\" }]
        sites: [{ routes: [{ respond: { body: hello } }] }]
    ";

    #[tokio::test]
    async fn each_listener_can_be_asked() {
        let gateway = Gateway::start(TWO).await;
        assert_ne!(gateway.address_at(0), gateway.address_at(1));
        assert_eq!(gateway.address(), gateway.address_at(0));
        for index in [0, 1] {
            gateway.client_at(index).get("/").send().await.assert_text("hello");
        }
    }

    #[tokio::test]
    #[should_panic(expected = "there is no listener 2, counted from 0")]
    async fn a_listener_that_is_not_there_is_told() {
        Gateway::start(TWO).await.client_at(2);
    }
}
