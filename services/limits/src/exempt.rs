//! Who a limit does not concern.

use garde::Validate;
use headwall_core::units::Network;
use headwall_core::{Context, RequestHead};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests that a limit does not concern: they are neither counted nor refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Exempt {
    /// Clients in these networks, such as monitoring or an office. Default: none.
    #[garde(skip)]
    pub networks: Vec<Network>,
    /// These paths, exactly, or with `/*` at the end everything beneath. Default: none.
    #[garde(inner(prefix("/")))]
    pub paths: Vec<String>,
}

impl Exempt {
    pub(crate) fn covers(&self, req: &RequestHead, cx: &Context) -> bool {
        let is_path = |pattern: &String| path_is(pattern, req.uri.path());
        self.paths.iter().any(is_path)
            || self.networks.iter().any(|network| network.contains(cx.client_address()))
    }
}

/// Whether a path is what the pattern says; the slash before a `*` belongs to what is beneath.
fn path_is(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(above) if above.ends_with('/') => path.starts_with(above),
        _ => pattern == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_or_everything_beneath() {
        let rows = [
            ("/health", "/health", true),
            ("/health", "/health/", false),
            ("/health", "/healthy", false),
            ("/static/*", "/static/a.js", true),
            ("/static/*", "/static/", true),
            ("/static/*", "/static", false),
            ("/*", "/anything", true),
            ("/a*", "/ab", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(path_is(pattern, path), expected, "{path} against {pattern}");
        }
    }
}
