//! DNS records through a hook of the operator's: a program or a webhook.
//!
//! Headwall knows no DNS provider. It says which record is wanted, and whoever holds the provider's key makes it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::authority::host;
use crate::client::{Client, ClientError};

/// How much of what a program or a webhook said is kept for the error.
const SHOWN: usize = 1000;

/// Who makes the TXT record of DNS-01 (RFC 8555 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsHook {
    /// How it is called.
    pub call: DnsCall,
    /// How long to wait after the record was made, for it to reach all of the zone's servers. Nothing by default.
    pub propagation: Duration,
}

/// How a hook is called. `Debug` leaves out arguments and a URL's query, where tokens are.
#[derive(Clone, PartialEq, Eq)]
pub enum DnsCall {
    /// A program, which finds `HEADWALL_ACME_ACTION` (`present` or `cleanup`), `HEADWALL_ACME_DOMAIN`,
    /// `HEADWALL_ACME_RECORD` (the record's whole name) and `HEADWALL_ACME_VALUE` in its environment and ends with 0
    /// when it is done.
    Exec {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// How long it may take; it is killed then.
        timeout: Duration,
    },
    /// A URL, which gets a POST with the same as JSON: `action`, `domain`, `record`, `value`. Any 2xx means that it is
    /// done.
    Webhook {
        /// The URL, `http` or `https`.
        url: String,
        /// How long it may take.
        timeout: Duration,
    },
}

/// A record that a CA asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The name that is to be proven, without `*.`.
    pub(crate) domain: String,
    pub(crate) value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Present,
    CleanUp,
}

/// Why a hook did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    /// The program cannot be started.
    #[error("the DNS hook {} cannot be run: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The program took too long.
    #[error("the DNS hook {} did not end within {} s", program.display(), limit.as_secs_f64())]
    Timeout {
        /// The program.
        program: PathBuf,
        /// How long it had.
        limit: Duration,
    },
    /// The program failed.
    #[error("the DNS hook {} ended with {status}: {output}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it wrote, its end.
        output: String,
    },
    /// The webhook cannot be asked.
    #[error("the DNS webhook: {0}")]
    Webhook(#[from] ClientError),
    /// The webhook refused.
    #[error("the DNS webhook at {url} answered {status}: {output}")]
    Refused {
        /// Its host and path; a query may have a token.
        url: String,
        /// The status.
        status: http::StatusCode,
        /// What it wrote, its end.
        output: String,
    },
}

// === impl DnsHook ===

impl DnsHook {
    /// A program.
    pub fn exec<'a>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = &'a str>,
        timeout: Duration,
    ) -> Self {
        let args = args.into_iter().map(str::to_owned).collect();
        Self { call: DnsCall::Exec { program: program.into(), args, timeout }, propagation: Duration::ZERO }
    }

    /// A webhook.
    pub fn webhook(url: impl Into<String>, timeout: Duration) -> Self {
        Self { call: DnsCall::Webhook { url: url.into(), timeout }, propagation: Duration::ZERO }
    }

    /// Makes the record and waits until it has spread.
    pub(crate) async fn present(&self, record: &Record) -> Result<(), DnsError> {
        self.call(Action::Present, record).await?;
        tokio::time::sleep(self.propagation).await;
        Ok(())
    }

    /// Removes the record. A record that stays harms nobody, so a failure is told in the log only.
    pub(crate) async fn clean_up(&self, record: &Record) {
        if let Err(error) = self.call(Action::CleanUp, record).await {
            log::warn!("{} stays: {error}", record.name());
        }
    }

    async fn call(&self, action: Action, record: &Record) -> Result<(), DnsError> {
        match &self.call {
            DnsCall::Exec { program, args, timeout } => exec(program, args, *timeout, action, record).await,
            DnsCall::Webhook { url, timeout } => post(url, *timeout, action, record).await,
        }
    }
}

async fn exec(
    program: &PathBuf,
    args: &[String],
    limit: Duration,
    action: Action,
    record: &Record,
) -> Result<(), DnsError> {
    let variables: BTreeMap<&str, String> = [
        ("HEADWALL_ACME_ACTION", action.word().to_owned()),
        ("HEADWALL_ACME_DOMAIN", record.domain.clone()),
        ("HEADWALL_ACME_RECORD", record.name()),
        ("HEADWALL_ACME_VALUE", record.value.clone()),
    ]
    .into();
    let mut command = tokio::process::Command::new(program);
    command.args(args).envs(variables).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output())
        .await
        .map_err(|_| DnsError::Timeout { program: program.clone(), limit })?
        .map_err(|cause| DnsError::Start { program: program.clone(), cause })?;
    if output.status.success() {
        return Ok(());
    }
    let output_text = end_of(&[output.stdout, output.stderr].concat());
    Err(DnsError::Program { program: program.clone(), status: output.status, output: output_text })
}

async fn post(url: &str, timeout: Duration, action: Action, record: &Record) -> Result<(), DnsError> {
    let body = json!({
        "action": action.word(),
        "domain": record.domain,
        "record": record.name(),
        "value": record.value,
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|_| ClientError::Url(shown(url)))?;
    let answer = Client::for_url(url, timeout)?.send(request).await?;
    let status = answer.parts.status;
    if status.is_success() {
        return Ok(());
    }
    Err(DnsError::Refused { url: shown(url), status, output: end_of(&answer.body) })
}

/// A URL as it may be shown: no password, no query.
fn shown(url: &str) -> String {
    let path = url.parse::<http::Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default();
    format!("{}{path}", host(url.split(['?', '#']).next().unwrap_or_default()))
}

fn end_of(output: &[u8]) -> String {
    let from = output.len().saturating_sub(SHOWN);
    String::from_utf8_lossy(&output[from..]).trim().to_owned()
}

// === impl DnsCall ===

impl fmt::Debug for DnsCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec { program, timeout, .. } => f
                .debug_struct("Exec")
                .field("program", program)
                .field("timeout", timeout)
                .finish_non_exhaustive(),
            Self::Webhook { url, timeout } => {
                f.debug_struct("Webhook").field("url", &shown(url)).field("timeout", timeout).finish()
            }
        }
    }
}

// === impl Record ===

impl Record {
    /// The record's whole name.
    pub(crate) fn name(&self) -> String {
        format!("_acme-challenge.{}", self.domain)
    }
}

// === impl Action ===

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::CleanUp => "cleanup",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record { domain: "example.com".to_owned(), value: "digest".to_owned() }
    }

    fn shell(script: &str, timeout: Duration) -> DnsHook {
        DnsHook::exec("sh", ["-c", script, "hook"], timeout)
    }

    #[tokio::test]
    async fn a_program_is_told_everything_by_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("calls");
        let line = "$HEADWALL_ACME_ACTION $HEADWALL_ACME_DOMAIN $HEADWALL_ACME_RECORD $HEADWALL_ACME_VALUE";
        let hook = shell(&format!("echo \"{line}\" >> {}", file.display()), Duration::from_secs(10));
        hook.present(&record()).await.unwrap();
        hook.clean_up(&record()).await;
        let calls = std::fs::read_to_string(file).unwrap();
        assert_eq!(
            calls,
            "present example.com _acme-challenge.example.com digest\n\
             cleanup example.com _acme-challenge.example.com digest\n"
        );
    }

    #[tokio::test]
    async fn what_a_program_says_is_in_the_error() {
        let rows = [
            (
                "echo out; echo no such zone >&2; exit 3",
                10_000,
                "exit status: 3: out\nno such zone",
                "it fails",
            ),
            ("exec sleep 60", 200, "did not end within 0.2 s", "it hangs"),
        ];
        for (script, limit, expected, message) in rows {
            let hook = shell(script, Duration::from_millis(limit));
            let error = hook.present(&record()).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{message}: {error}");
        }
        let missing = DnsHook::exec("/no/such/hook", [], Duration::from_secs(1));
        let error = missing.present(&record()).await.unwrap_err().to_string();
        assert!(error.contains("/no/such/hook cannot be run"), "{error}");
    }

    #[tokio::test]
    async fn tokens_in_a_hook_are_not_shown() {
        let webhook =
            DnsHook::webhook("http://me:secret@127.0.0.1:9/dns?token=secret", Duration::from_secs(5));
        let exec = DnsHook::exec("hook", ["--token", "secret"], Duration::from_secs(5));
        let broken = DnsHook::webhook("http://me:secret@ /?secret", Duration::from_secs(5));
        for hook in [&webhook, &exec] {
            assert!(!format!("{hook:?}").contains("secret"), "{hook:?}");
        }
        assert!(format!("{webhook:?}").contains("127.0.0.1:9/dns"), "{webhook:?}");
        for hook in [&webhook, &broken] {
            let error = hook.present(&record()).await.unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
