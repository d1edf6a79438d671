//! Exchanges the front of a path.

use headwall_core::RequestHead;
use http::Uri;

/// What to take off a path and what to put there. Whole path elements only: `/api` is not a prefix of `/apis`.
#[derive(Debug, Default)]
pub(crate) struct Prefix {
    strip: String,
    add: String,
}

impl Prefix {
    pub(crate) fn new(strip: Option<&str>, add: Option<&str>) -> Self {
        let without_slash =
            |prefix: Option<&str>| prefix.unwrap_or_default().trim_end_matches('/').to_owned();
        Self { strip: without_slash(strip), add: without_slash(add) }
    }

    /// Rewrites the request's path; the query stays.
    pub(crate) fn rewrite(&self, req: &mut RequestHead) {
        if self.strip.is_empty() && self.add.is_empty() {
            return;
        }
        let Some(target) = self.applied(req.uri.path(), req.uri.query()) else { return };
        // Parts of a valid target make a valid target.
        if let Ok(uri) = Uri::try_from(target) {
            req.uri = uri;
        }
    }

    fn applied(&self, path: &str, query: Option<&str>) -> Option<String> {
        let rest = path.strip_prefix(&self.strip).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let rest = rest.unwrap_or(path);
        if rest.len() == path.len() && self.add.is_empty() {
            return None;
        }
        let slash = if self.add.is_empty() && rest.is_empty() { "/" } else { "" };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{slash}{rest}{query}", self.add))
    }
}

/// A prefix in the config is an absolute path.
pub(crate) fn is_path(prefix: &str, (): &()) -> garde::Result {
    if prefix.starts_with('/') && !prefix.contains(['?', '#', ' ']) {
        Ok(())
    } else {
        Err(garde::Error::new("expected a path such as /api"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_elements_are_exchanged() {
        let rows = [
            (Some("/api"), None, "/api/users?x=1", "/users?x=1"),
            (Some("/api/"), None, "/api/users", "/users"),
            (Some("/api"), None, "/api", "/"),
            (Some("/api"), None, "/api?x=1", "/?x=1"),
            (Some("/api"), None, "/apis", "/apis"),
            (Some("/api"), None, "/other", "/other"),
            (None, Some("/v2"), "/users", "/v2/users"),
            (None, Some("/v2"), "/", "/v2/"),
            (Some("/api"), Some("/v2"), "/api/users?x=1", "/v2/users?x=1"),
            (Some("/api"), Some("/v2"), "/api", "/v2"),
            (Some("/"), None, "/users", "/users"),
            (None, None, "/users", "/users"),
        ];
        for (strip, add, path, expected) in rows {
            let (mut req, ()) = http::Request::get(path).body(()).unwrap().into_parts();
            Prefix::new(strip, add).rewrite(&mut req);
            assert_eq!(req.uri, expected, "{path} - {strip:?} + {add:?}");
        }
    }
}
