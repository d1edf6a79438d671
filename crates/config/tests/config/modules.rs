//! Modules such as a program registers, one of them written by somebody who forgot `deny_unknown_fields`.

use garde::Validate;
use headwall_config::{Config, Registry, Report};
use headwall_units::{Duration, Rate, Secret, Size, UpstreamRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Limits the rate of requests.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// How many requests in which time.
    #[garde(skip)]
    pub(crate) rate: Rate,
    /// How many more at once.
    #[serde(default)]
    #[garde(range(max = 1000))]
    pub(crate) burst: u32,
}

/// Adds headers that every answer should have.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecurityHeaders {
    /// How long browsers insist on TLS.
    #[serde(default = "half_a_year")]
    #[garde(skip)]
    pub(crate) hsts: Duration,
    /// Who may show the site in a frame.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) frames: Frames,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Frames {
    #[default]
    Nobody,
    SameOrigin,
    Only(Vec<String>),
}

/// A third party's module.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct Guard {
    #[garde(skip)]
    pub(crate) token: Secret,
    #[serde(default)]
    #[garde(skip)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    #[garde(skip)]
    pub(crate) version: Option<String>,
    #[serde(default)]
    #[garde(dive)]
    pub(crate) rules: Vec<GuardRule>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GuardRule {
    #[garde(range(min = 1, max = 10))]
    pub(crate) max_weight: u8,
    #[serde(default)]
    #[garde(skip)]
    pub(crate) ratio: f64,
    #[serde(default)]
    #[garde(skip)]
    pub(crate) then: Option<UpstreamRef>,
}

/// Forwards to an upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    #[garde(skip)]
    pub(crate) upstream: UpstreamRef,
    #[serde(default = "a_minute")]
    #[garde(skip)]
    pub(crate) timeout: Duration,
    #[serde(default = "ten_mebibytes")]
    #[garde(skip)]
    pub(crate) max_body_size: Size,
}

/// Serves the files of a single-page application.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spa {
    #[garde(skip)]
    pub(crate) root: String,
}

/// Servers that are listed.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    #[garde(length(min = 1))]
    pub(crate) servers: Vec<String>,
    #[serde(default)]
    #[garde(dive)]
    pub(crate) health_check: Option<HealthCheck>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthCheck {
    #[garde(skip)]
    pub(crate) path: String,
    #[serde(default = "half_a_minute")]
    #[garde(skip)]
    pub(crate) interval: Duration,
    #[serde(default = "three")]
    #[garde(range(min = 1, max = 10))]
    pub(crate) unhealthy_after: u8,
}

/// Servers that are found among containers.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Containers {
    #[garde(skip)]
    pub(crate) label: String,
}

fn half_a_year() -> Duration {
    Duration::from_secs(182 * 86_400)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn ten_mebibytes() -> Size {
    Size::from_mib(10)
}

fn three() -> u8 {
    3
}

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.filter::<RateLimit>("rate_limit").unwrap();
    registry.filter::<SecurityHeaders>("security_headers").unwrap();
    registry.filter::<Guard>("guard").unwrap();
    registry.service::<Api>("api").unwrap();
    registry.service::<Spa>("spa").unwrap();
    registry.upstream::<Cluster>("cluster").unwrap();
    registry.upstream::<Containers>("containers").unwrap();
    registry
}

/// The same in every test, so that a golden file says all there is to know.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "APP_HOST" => "app.example.com",
        "BURST" => "7",
        "TOKEN" => "hunter2-hunter2",
        "INJECTION" => "a\n- spa: {root: /etc}\nb: [",
        "ODD_PATH" => "/%hunter2",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

pub(crate) fn read(text: &str) -> Result<Config, Report> {
    Config::read("headwall.yaml", text, &registry(), &environment)
}
