//! What a health check is configured with.

use std::collections::BTreeMap;

use garde::Validate;
use headwall_core::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StatusRange;

/// How it is found out whether a server works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Asks for this path over HTTP, or HTTPS where that is spoken. Default: only a connection is opened, its TLS
    /// handshake included.
    #[garde(inner(prefix("/")), custom(one_kind(&self.grpc)))]
    pub path: Option<String>,
    /// How it asks. Default: `GET`.
    #[garde(custom(for_a_path(&self.path)))]
    pub method: Option<CheckMethod>,
    /// The Host to ask for. Default: `tls.server_name` if there is one, otherwise the server's address.
    #[garde(skip)]
    pub host: Option<String>,
    /// Headers to ask with, besides `Host` and `User-Agent`.
    #[garde(custom(headers_for_a_path(&self.path)))]
    pub headers: BTreeMap<String, String>,
    /// Statuses that are taken for health: `200`, `2xx`, `200-204`. Default: every 2xx and 3xx.
    #[garde(custom(statuses_for_a_path(&self.path)))]
    pub expect: Vec<StatusRange>,
    /// A text that has to be in the first 64 KiB of the answer. Default: any answer will do.
    #[garde(inner(length(min = 1)), custom(for_a_body(&self.path, self.method)))]
    pub body_contains: Option<String>,
    /// Asks by gRPC's own protocol for it, `grpc.health.v1`, in HTTP/2. Default: not in gRPC.
    #[garde(skip)]
    pub grpc: Option<GrpcCheck>,
    /// The port to ask at. Default: the server's own.
    #[garde(inner(range(min = 1)))]
    pub port: Option<u16>,
    /// How often. Each wait is up to a tenth shorter or longer, so that checks do not march in step. Default: `10s`.
    #[garde(custom(at_least_half_a_second))]
    pub interval: Duration,
    /// How often while the server is down. Default: as `interval`.
    #[garde(inner(custom(at_least_half_a_second)))]
    pub interval_down: Option<Duration>,
    /// How long a check may take. Default: `5s`.
    #[garde(custom(more_than_nothing))]
    pub timeout: Duration,
    /// After how many failures in a row a server counts as down. Default: 3.
    #[garde(range(min = 1, max = 100))]
    pub fall: u32,
    /// After how many successes in a row it counts as up again. Default: 2.
    #[garde(range(min = 1, max = 100))]
    pub rise: u32,
}

/// The method of a check. A check has no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// Asks for the whole answer.
    Get,
    /// Asks for its head.
    Head,
    /// Asks what could be asked.
    Options,
}

/// What is asked in gRPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcCheck {
    /// The service that has to be `SERVING`. Default: the server as a whole.
    #[garde(skip)]
    pub service: String,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: None,
            method: None,
            host: None,
            headers: BTreeMap::new(),
            expect: Vec::new(),
            body_contains: None,
            grpc: None,
            port: None,
            interval: Duration::from_secs(10),
            interval_down: None,
            timeout: Duration::from_secs(5),
            fall: 3,
            rise: 2,
        }
    }
}

impl CheckMethod {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

fn one_kind(grpc: &Option<GrpcCheck>) -> impl FnOnce(&Option<String>, &()) -> garde::Result {
    let is_grpc = grpc.is_some();
    move |path, ()| {
        if path.is_some() && is_grpc {
            return Err(garde::Error::new("expected `path` or `grpc`, because a check asks in one way"));
        }
        Ok(())
    }
}

fn for_a_path<T>(path: &Option<String>) -> impl FnOnce(&Option<T>, &()) -> garde::Result {
    let needs_path = needs_path(path);
    move |value, ()| needs_path(value.is_some())
}

fn headers_for_a_path(path: &Option<String>) -> impl FnOnce(&BTreeMap<String, String>, &()) -> garde::Result {
    let needs_path = needs_path(path);
    move |headers, ()| needs_path(!headers.is_empty())
}

fn statuses_for_a_path(path: &Option<String>) -> impl FnOnce(&Vec<StatusRange>, &()) -> garde::Result {
    let needs_path = needs_path(path);
    move |statuses, ()| needs_path(!statuses.is_empty())
}

fn for_a_body(
    path: &Option<String>,
    method: Option<CheckMethod>,
) -> impl FnOnce(&Option<String>, &()) -> garde::Result {
    let needs_path = needs_path(path);
    move |text, ()| {
        if text.is_some() && method == Some(CheckMethod::Head) {
            return Err(garde::Error::new("expected another method: the answer to HEAD has no body"));
        }
        needs_path(text.is_some())
    }
}

/// What only a check that asks over HTTP can have.
fn needs_path(path: &Option<String>) -> impl FnOnce(bool) -> garde::Result + use<> {
    let is_missing = path.is_none();
    move |is_set| {
        if is_set && is_missing {
            return Err(garde::Error::new(
                "expected `path` beside it: without one nothing is asked over HTTP",
            ));
        }
        Ok(())
    }
}

fn at_least_half_a_second(interval: &Duration, (): &()) -> garde::Result {
    if interval.as_std().as_millis() < 500 {
        return Err(garde::Error::new("expected at least 500ms"));
    }
    Ok(())
}

fn more_than_nothing(timeout: &Duration, (): &()) -> garde::Result {
    if timeout.is_zero() { Err(garde::Error::new("expected more than nothing")) } else { Ok(()) }
}
