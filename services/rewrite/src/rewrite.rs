//! The `rewrite` filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use headwall_core::matching::normalise;
use headwall_core::template::{Escape, Pattern, Placeholder, Scene};
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, Template, async_trait,
};
use http::header::HOST;
use http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QueryEdit;

/// Changes what a request asks for before its service sees it. Its route was chosen already, and stays.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// Rules for the path. The first whose pattern matches is applied, and no other.
    #[garde(dive)]
    pub rules: Vec<Rule>,
    /// Parameters of the query to change, after the rules.
    #[garde(dive)]
    pub query: QueryEdit,
    /// The host that the upstream is told, in place of the one that the client has asked for. Placeholders may stand in it.
    #[garde(inner(custom(is_host)))]
    pub host: Option<Template>,
}

/// One change of a path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the path has to match, as it is normalised. `^` and `$` stand for its ends.
    #[garde(skip)]
    pub path: Pattern,
    /// The new path, the whole of it; `{0}` is what has matched, and `{1}` to `{9}` are its groups. With a `?` it has the new
    /// query too, in which `{query}` is the old one; without, the query stays.
    #[garde(custom(is_target))]
    pub to: Template,
}

struct Rewriter {
    rules: Vec<(Pattern, Template, Option<Template>)>,
    query: QueryEdit,
    host: Option<Template>,
}

/// A new target that cannot be asked for.
struct Unfit;

// === impl Rewrite ===

impl Module for Rewrite {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let parted = |rule: &Rule| {
            let (path, query) = rule.to.split('?');
            (rule.path.clone(), path, query)
        };
        let (query, host) = (self.query.clone(), self.host.clone());
        Ok(Arc::new(Rewriter { rules: self.rules.iter().map(parted).collect(), query, host }))
    }
}

fn is_target(to: &Template, (): &()) -> garde::Result {
    let path = to.split('?').0;
    let begins_well = path.beginning().starts_with('/')
        || (path.beginning().is_empty() && path.placeholders().next() == Some(&Placeholder::Path));
    if !begins_well {
        return Err(garde::Error::new("expected a path that begins with `/` or {path}"));
    }
    if path.placeholders().any(|value| matches!(value, Placeholder::Uri)) {
        return Err(garde::Error::new("{uri} has a query; write {path}"));
    }
    if to.as_str().contains('#') || to.placeholders().any(Placeholder::is_of_error) {
        return Err(garde::Error::new("expected a path that a server can be asked for"));
    }
    Ok(())
}

fn is_host(host: &Template, (): &()) -> garde::Result {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]{}".contains(&byte);
    if host.as_str().is_empty() || !host.as_str().bytes().all(plain) {
        return Err(garde::Error::new("expected a host such as app.internal or app.internal:8080"));
    }
    is_of_requests(host)
}

fn is_of_requests(template: &Template) -> garde::Result {
    let is_odd = |value: &Placeholder| value.is_of_error() || matches!(value, Placeholder::Capture(_));
    if template.placeholders().any(is_odd) {
        return Err(garde::Error::new(format!("`{template}` has a placeholder that is not known here")));
    }
    Ok(())
}

pub(crate) fn are_of_requests(map: &BTreeMap<String, Template>, (): &()) -> garde::Result {
    map.values().try_for_each(is_of_requests)
}

// === impl Rewriter ===

impl Rewriter {
    /// The new target, if there is one.
    fn target(&self, req: &RequestHead, cx: &Context) -> Result<Option<Uri>, Unfit> {
        let scene = Scene::request(req, cx);
        let old = (req.uri.path(), req.uri.query());
        let rule = self.rules.iter().find_map(|(pattern, path, query)| {
            pattern.capture(old.0, |captures| {
                let scene = scene.captures(captures);
                let new_query = query.as_ref().map(|query| query.expand(&scene, Escape::Url));
                (path.expand(&scene, Escape::Path), new_query)
            })
        });
        if rule.is_none() && self.query.is_empty() {
            return Ok(None);
        }
        let (path, query) = match rule {
            Some((path, query)) => (path, query.or_else(|| old.1.map(str::to_owned))),
            None => (old.0.to_owned(), old.1.map(str::to_owned)),
        };
        let query = match &self.query {
            edit if edit.is_empty() => query,
            edit => edit.applied(query.as_deref().unwrap_or(""), &scene),
        };
        let path = one_spelling(&path)?;
        let target = match query.filter(|query| !query.is_empty()) {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        Uri::try_from(target).map(Some).map_err(|_| Unfit)
    }
}

/// What is matched is normal; what is put together need not be. A part of a request must not climb out of what the rule has
/// put in front of it.
fn one_spelling(path: &str) -> Result<String, Unfit> {
    let dots = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".."
    };
    if path.split('/').any(dots) {
        return Err(Unfit);
    }
    normalise(path).map(Into::into).map_err(|_| Unfit)
}

#[async_trait]
impl Filter for Rewriter {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let host = self.host.as_ref().map(|host| host.header_value(&Scene::request(req, cx)));
        match self.target(req, cx) {
            Ok(Some(target)) => req.uri = target,
            Ok(None) => {}
            Err(Unfit) => {
                let reply = LocalReply::error(StatusCode::BAD_REQUEST, "invalid_path");
                return Ok(Flow::Reply(reply.message("The request's path cannot be rewritten.")));
            }
        }
        if let Some(host) = host {
            req.headers.insert(HOST, host);
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_was_put_together_does_not_climb() {
        for (path, expected) in [
            ("/a/b", Some("/a/b")),
            ("/a//b", Some("/a/b")),
            ("/%61", Some("/a")),
            ("/a/..b", Some("/a/..b")),
            ("/a/../b", None),
            ("/a/%2E%2e/b", None),
            ("/a/.", None),
            ("a", None),
            ("/a%zz", None),
            ("/a%00", None),
        ] {
            assert_eq!(one_spelling(path).ok().as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn targets_are_paths() {
        for (to, expected) in [
            ("/new", true),
            ("/new/{1}?x={query}", true),
            ("{path}.html", true),
            ("new", false),
            ("{1}", false),
            ("/a{uri}", false),
            ("/a#b", false),
            ("/{status}", false),
        ] {
            assert_eq!(is_target(&to.parse().unwrap(), &()).is_ok(), expected, "{to}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_below_where_it_was_put(tail in "[a-z./%2eE]{0,20}") {
            if let Ok(path) = one_spelling(&format!("/files/{tail}")) {
                prop_assert!(path.starts_with("/files/"), "{path}");
            }
        }
    }
}
