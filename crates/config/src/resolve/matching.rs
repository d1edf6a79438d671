//! From the conditions that are written to the matchers of [`headwall_route`].

use super::sites::sentence;
use crate::document::{Document, NodeId, Value};
use crate::file::{Condition, Route, ValueCondition};
use crate::report::Code;
use crate::typed::{At, Typing};
use headwall_route::{HeaderMatch, Matcher, MethodMatch, PathMatch, QueryMatch, ValueMatch};
use serde_json::{Map, json};

/// The matchers of a route, or nothing if one of them is not understood; then that is reported.
pub(super) fn matchers(typing: &mut Typing<'_>, route: NodeId, written: &Route) -> Option<Vec<Matcher>> {
    let node = typing.document().child(route, "match");
    let mut understood = !node.is_some_and(|node| typing.is_damaged(node));
    if let (Some(node), true, []) = (node, understood, written.matches.0.as_slice()) {
        let message = "an empty list matches nothing".to_owned();
        let help = Some("leave `match` out to take every request".to_owned());
        typing.error(node, Code::InvalidValue, message, help);
        understood = false;
    }
    let mut matchers = Vec::with_capacity(written.matches.0.len());
    for condition in &written.matches.0 {
        match matcher(typing, &condition.value) {
            Some(matcher) => matchers.push(matcher),
            None => understood = false,
        }
    }
    understood.then_some(matchers)
}

fn matcher(typing: &mut Typing<'_>, condition: &Condition) -> Option<Matcher> {
    // Each part is read before any is given up, so that all errors are found.
    let path = path(typing, condition);
    let methods = methods(typing, &condition.methods.0);
    let headers: Vec<_> = condition.headers.0.iter().map(|slot| header(typing, slot.id())).collect();
    let query: Vec<_> = condition.query.0.iter().map(|slot| query(typing, slot.id())).collect();
    Some(Matcher {
        path: path?,
        methods: methods?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        query: query.into_iter().collect::<Option<_>>()?,
    })
}

fn path(typing: &mut Typing<'_>, condition: &Condition) -> Option<PathMatch> {
    let Condition { path, path_prefix, path_regex, .. } = condition;
    let exact = path.as_ref().map(|path| (path.id, PathMatch::exact(&path.value)));
    let prefix = path_prefix.as_ref().map(|prefix| (prefix.id, PathMatch::prefix(&prefix.value)));
    let regex = path_regex.as_ref().map(|regex| (regex.id, PathMatch::regex(&regex.value)));
    let mut result = Some(PathMatch::any());
    let mut first = None;
    for (id, parsed) in [exact, prefix, regex].into_iter().flatten() {
        result = accept(typing, id, parsed);
        if let Some(first) = first {
            let message =
                format!("a match has one condition on the path, and this one already has `{first}`");
            let help = Some("write a list of matches if one of several paths is meant".to_owned());
            typing.error_at_key(id, Code::SeveralPathConditions, message, help);
            return None;
        }
        first = Some(typing.document().key(id));
    }
    result
}

fn methods(typing: &mut Typing<'_>, written: &[At<String>]) -> Option<MethodMatch> {
    for method in written {
        accept(typing, method.id, MethodMatch::parse([method.value.as_str()]))?;
    }
    MethodMatch::parse(written.iter().map(|method| method.value.as_str())).ok()
}

fn header(typing: &mut Typing<'_>, id: NodeId) -> Option<HeaderMatch> {
    let value = value(typing, id)?;
    match HeaderMatch::new(typing.document().key(id), value) {
        Ok(header) => Some(header),
        Err(error) => {
            typing.error_at_key(id, Code::InvalidValue, error.to_string(), None);
            None
        }
    }
}

fn query(typing: &mut Typing<'_>, id: NodeId) -> Option<QueryMatch> {
    let value = value(typing, id)?;
    Some(QueryMatch::new(typing.document().key(id), value))
}

/// A text, `{ regex: … }` or `{ present: true }`.
fn value(typing: &mut Typing<'_>, id: NodeId) -> Option<ValueMatch> {
    match typing.document().node(id).value {
        Value::Scalar(_) => return typing.read(id).map(|text: String| ValueMatch::exact(text)),
        Value::List(_) => {
            let message = "expected a text, `{ regex: … }` or `{ present: true }`, found a list".to_owned();
            typing.error(id, Code::WrongType, message, None);
            return None;
        }
        Value::Map(_) => {}
    }
    match typing.read(id)? {
        ValueCondition::Regex(regex) => accept(typing, regex.id, ValueMatch::regex(&regex.value)),
        ValueCondition::Present(At { value: true, .. }) => Some(ValueMatch::present()),
        ValueCondition::Present(At { id, value: false }) => {
            let message = "only `present: true` can be asked for".to_owned();
            typing.error(id, Code::InvalidValue, message, None);
            None
        }
    }
}

fn accept<T, E: std::error::Error>(typing: &mut Typing<'_>, id: NodeId, parsed: Result<T, E>) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(error) => {
            typing.error(id, Code::InvalidValue, last_line(&sentence(&error)), None);
            None
        }
    }
}

/// The regex crate draws the expression with a caret of its own; the report shows it already.
fn last_line(sentence: &str) -> String {
    let mut lines = sentence.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else {
        return String::new();
    };
    match lines.next_back() {
        None => first.to_owned(),
        Some(last) => {
            let subject = first.split_once(": ").map_or(first, |(subject, _)| subject);
            format!("{subject}: {}", last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

/// A name for a route: its first match in one line, such as `POST /api/login`, `/api/*` or `~ ^/v[0-9]+/`.
pub(super) fn name(written: &[At<Condition>]) -> String {
    let Some(At { value: first, .. }) = written.first() else {
        return "/*".to_owned();
    };
    let path = match (&first.path, &first.path_prefix, &first.path_regex) {
        (Some(path), _, _) => path.value.clone(),
        (None, Some(prefix), _) => format!("{}/*", prefix.value.trim_end_matches('/')),
        (None, None, Some(regex)) => format!("~ {}", regex.value),
        (None, None, None) => "/*".to_owned(),
    };
    let methods: Vec<&str> = first.methods.0.iter().map(|method| method.value.as_str()).collect();
    if methods.is_empty() { path } else { format!("{} {path}", methods.join(",")) }
}

/// The match in the form of the file, without what is left to defaults.
pub(super) fn as_written(document: &Document, written: &[At<Condition>]) -> serde_json::Value {
    written.iter().map(|condition| condition_as_written(document, &condition.value)).collect()
}

fn condition_as_written(document: &Document, condition: &Condition) -> serde_json::Value {
    let mut map = Map::new();
    let paths = [
        ("path", &condition.path),
        ("path_prefix", &condition.path_prefix),
        ("path_regex", &condition.path_regex),
    ];
    for (key, path) in paths {
        map.extend(path.as_ref().map(|path| (key.to_owned(), json!(path.value))));
    }
    if !condition.methods.0.is_empty() {
        let methods: Vec<&str> = condition.methods.0.iter().map(|method| method.value.as_str()).collect();
        map.insert("methods".to_owned(), json!(methods));
    }
    for (key, values) in [("headers", &condition.headers), ("query", &condition.query)] {
        if !values.0.is_empty() {
            let values =
                values.0.iter().map(|slot| (document.key(slot.id()).to_owned(), node(document, slot.id())));
            map.insert(key.to_owned(), serde_json::Value::Object(values.collect()));
        }
    }
    serde_json::Value::Object(map)
}

/// A value's condition as it stands in the document.
fn node(document: &Document, id: NodeId) -> serde_json::Value {
    match &document.node(id).value {
        Value::Scalar(scalar) => json!(scalar.text),
        Value::List(items) => items.iter().map(|item| node(document, *item)).collect(),
        Value::Map(entries) => {
            let entry = |id: &NodeId| {
                let value = match document.key(*id) {
                    "present" => json!(true),
                    _ => node(document, *id),
                };
                (document.key(*id).to_owned(), value)
            };
            serde_json::Value::Object(entries.iter().map(entry).collect())
        }
    }
}
