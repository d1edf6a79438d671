//! A real browser, driven over the DevTools protocol: what it loads, what its console says, what it looks like.

pub(crate) mod png;

use std::path::PathBuf;
use std::process::Stdio;

use headwall_testkit::{Client, WebSocket, eventually, within};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Without a screen, a sandbox or a word to anybody outside.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
    --no-default-browser-check";

/// A browser with one page. It is killed when it is dropped.
pub(crate) struct Chromium {
    _process: Child,
    _profile: TempDir,
    devtools: WebSocket,
    calls: u64,
    session: Option<String>,
    events: Vec<Value>,
}

impl Chromium {
    /// Starts it, with this for a home. `None`, said loudly, where it is not installed.
    pub(crate) async fn start(test: &str, profile: TempDir) -> Option<Self> {
        let mut command = Command::new("chromium");
        command.env("HOME", profile.path()).args(FLAGS.split_whitespace()).arg("--remote-debugging-port=0");
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skip(test);
                return None;
            }
            Err(error) => panic!("chromium: {error}"),
        };
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = within(60, async {
            loop {
                let line = said.next_line().await.unwrap().expect("chromium says where its DevTools are");
                if let Some((_, address)) = line.split_once("DevTools listening on ws://") {
                    return address.trim().to_owned();
                }
            }
        });
        let address = address.await;
        // Whoever writes to a pipe that nobody reads is stopped in the end.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let (authority, path) = address.split_once('/').unwrap();
        let devtools = Client::to(authority.parse().unwrap()).websocket(&format!("/{path}")).open().await;
        let (calls, session, events) = (0, None, Vec::new());
        let mut chromium = Self { _process: process, _profile: profile, devtools, calls, session, events };
        chromium.open().await;
        Some(chromium)
    }

    async fn open(&mut self) {
        let page = self.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attached = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attached).await;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({})).await;
        }
    }

    /// Calls a method of the protocol and gives its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.devtools.send(call.to_string()).await;
        loop {
            let mut message: Value = serde_json::from_str(&self.devtools.text().await).unwrap();
            if message["id"] != self.calls {
                self.events.push(message);
                continue;
            }
            assert!(message["error"].is_null(), "{method}: {message}");
            return message["result"].take();
        }
    }

    /// So wide and so high, with these colours: `light` or `dark`.
    pub(crate) async fn looks(&mut self, (width, height): (u32, u32), colours: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        // What is on its way to another colour would be on the picture in between.
        let features = json!([
            { "name": "prefers-color-scheme", "value": colours },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Goes there, and waits until everything is loaded.
    pub(crate) async fn goes_to(&mut self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'").await;
    }

    /// What an expression comes to, awaited if it is a promise.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut outcome = self.call("Runtime.evaluate", params).await;
        assert!(outcome["exceptionDetails"].is_null(), "{expression}: {outcome:#}");
        outcome["result"]["value"].take()
    }

    /// Waits until an expression is true. A page that is just being left has no answer, and the next one is asked.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) -> impl Future<Output = ()> {
        let params = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        eventually(20, async move || {
            let outcome = self.call("Runtime.evaluate", params.clone()).await;
            (outcome["result"]["value"] == true).then_some(())
        })
    }

    /// What the console has as an error since this was asked last: exceptions, refused loads, broken policies.
    pub(crate) fn errors(&mut self) -> Vec<String> {
        let events = self.events.iter().filter(|event| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        });
        let errors = events.map(|event| event["params"].to_string()).collect();
        self.events.retain(|event| event["method"] == "Network.responseReceived");
        errors
    }

    /// The answers that the page has got since it was started: each as the protocol has it.
    pub(crate) fn responses(&self) -> Vec<&Value> {
        let received = self.events.iter().filter(|event| event["method"] == "Network.responseReceived");
        received.map(|event| &event["params"]["response"]).collect()
    }

    /// What it looks like, as a PNG, which is written to `target/artefacts` too.
    pub(crate) async fn picture(&mut self, name: &str) -> Vec<u8> {
        use base64::Engine as _;
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let picture =
            base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        let directory = artefacts();
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), &picture).unwrap();
        picture
    }
}

/// Where tests leave what people want to look at.
fn artefacts() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("artefacts")
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip(test: &str) {
    eprintln!("SKIPPED {test}: chromium is not installed");
}
