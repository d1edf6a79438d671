//! The only file that knows the YAML parser. It turns a text into nodes, with exact places for keys and values,
//! within a budget that alias bombs and deep nesting run into.

use super::{Key, Node, NodeId, Scalar, Shape, Value};
use crate::report::{Code, Diagnostic, Severity};
use crate::source::{Place, Source};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MessageFormatter, NonFiniteFloatPolicy, Options, Spanned};
use std::collections::HashMap;
use std::fmt;

/// More than any configuration needs, and little enough to be read in a second.
const MOST_NODES: usize = 100_000;
/// Bytes of all values together, aliases counted as often as they are used.
const MOST_TEXT: usize = 16 << 20;
/// Typing recurses as deep as the file does, on the stack.
const DEEPEST: usize = 32;

/// A file's nodes, the root first.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Values whose key stood already in the same mapping, and where it stood first.
    pub(super) duplicates: Vec<(NodeId, Place)>,
}

/// YAML as the parser gives it.
enum Yaml {
    /// A value that the parser sees as a text.
    Text(String),
    /// A value of an inferred type; what was written is in the source.
    Inferred,
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

struct YamlVisitor;

struct Builder<'a> {
    source: &'a Source,
    tree: Tree,
}

/// Reads a text. An error is a syntax error, the first one: a parser does not know how to go on after it.
pub(super) fn read(source: &Source) -> Result<Tree, Diagnostic> {
    let (yaml, refused) = match parse(source, DuplicateKeyPolicy::Error) {
        Ok(yaml) => (yaml, None),
        // The parser stops at the first duplicate. Reading again with another policy finds them all, except that
        // it hides duplicates of keys that are numbers; so the first one is kept.
        Err(error) if matches!(*error, serde_saphyr::Error::DuplicateMappingKey { .. }) => {
            let refused = error.location().map(|location| place(source, location));
            (parse(source, DuplicateKeyPolicy::LastWins).map_err(|error| failure(source, &error))?, refused)
        }
        Err(error) => return Err(failure(source, &error)),
    };
    let mut builder = Builder { source, tree: Tree { nodes: Vec::new(), duplicates: Vec::new() } };
    builder.add(yaml, None, None)?;
    let Tree { nodes, duplicates } = builder.tree;
    if let Some(refused) = refused.filter(|_| duplicates.is_empty()) {
        let message = "this key stands twice in one mapping".to_owned();
        return Err(error(Code::DuplicateKey, message, refused, None));
    }
    Ok(Tree { nodes, duplicates })
}

fn parse(source: &Source, policy: DuplicateKeyPolicy) -> Result<Spanned<Yaml>, Box<serde_saphyr::Error>> {
    let options: Options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_total_scalar_bytes: MOST_TEXT,
            max_depth: DEEPEST,
        },
        duplicate_keys: policy,
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(source.text(), options).map_err(Box::new)
}

fn error(code: Code, message: String, place: Place, help: Option<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message, place, help }
}

fn failure(source: &Source, mut failure: &serde_saphyr::Error) -> Diagnostic {
    while let serde_saphyr::Error::AliasError { error, .. } = failure {
        failure = error;
    }
    let place = failure.location().map_or_else(|| source.point(1, 1), |location| place(source, location));
    let too_large = matches!(
        failure,
        serde_saphyr::Error::Budget { .. } | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
    );
    if too_large {
        let message = "the file is larger or deeper than a configuration can be".to_owned();
        let help = format!(
            "at most {MOST_NODES} values, nested {DEEPEST} deep; an alias counts as often as it is used"
        );
        return error(Code::TooLarge, message, place, Some(help));
    }
    if matches!(failure, serde_saphyr::Error::MultipleDocuments { .. }) {
        let message = "a second document begins here, and a configuration is one".to_owned();
        return error(Code::Syntax, message, place, Some("remove the `---`".to_owned()));
    }
    let message = serde_saphyr::UserMessageFormatter.format_message(failure).into_owned();
    let line = source.line_text(place.line);
    let in_braces = line.contains("${") && line.contains(['{', '[']);
    let help = if in_braces {
        "inside `{ }` and `[ ]`, a value with `${NAME}` must stand in quotes: \"${NAME}\""
    } else {
        "the cause can be in a line above: a bracket or quote that is not closed, or another indentation"
    };
    error(Code::Syntax, message, place, Some(help.to_owned()))
}

/// Byte offsets where the parser knows them, else the character at its line and column.
fn place(source: &Source, location: Location) -> Place {
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let start = usize::try_from(start).ok()?;
        Some(source.place(start, start.checked_add(usize::try_from(length).ok()?)?))
    });
    let point = || {
        source.point(
            usize::try_from(location.line()).unwrap_or(usize::MAX),
            usize::try_from(location.column()).unwrap_or(usize::MAX),
        )
    };
    bytes.unwrap_or_else(point)
}

// === impl Yaml ===

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

// === impl YamlVisitor ===

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Yaml, E> {
        Ok(Yaml::Inferred)
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Yaml::Map(map))
    }
}

// === impl Builder ===

impl Builder<'_> {
    fn add(
        &mut self,
        yaml: Spanned<Yaml>,
        key: Option<Key>,
        parent: Option<NodeId>,
    ) -> Result<NodeId, Diagnostic> {
        let id = NodeId(self.tree.nodes.len());
        let own = place(self.source, yaml.defined);
        let is_scalar = matches!(yaml.value, Yaml::Text(_) | Yaml::Inferred);
        // A list or mapping has no text of its own to point at, and neither has a value that is left out.
        let place = match &key {
            Some(key) if !is_scalar || own.start == own.end => key.place,
            Some(_) | None => own,
        };
        self.tree.nodes.push(Node { value: Value::List(Vec::new()), place, key, parent });
        let value = match yaml.value {
            Yaml::Text(text) => Value::Scalar(self.text(&text, own)),
            Yaml::Inferred => Value::Scalar(Scalar::plain(self.source.slice(own.start, own.end))),
            Yaml::List(items) => {
                let children = items.into_iter().map(|item| self.add(item, None, Some(id)));
                Value::List(children.collect::<Result<_, _>>()?)
            }
            Yaml::Map(entries) => Value::Map(self.entries(entries, id)?),
        };
        self.tree.nodes[id.0].value = value;
        self.widen(id);
        Ok(id)
    }

    /// A value that the parser sees as text is quoted if its text alone would be seen as something else. (A text
    /// in quotes that looks like text is the same either way.)
    fn text(&self, text: &str, place: Place) -> Scalar {
        let written = self.source.slice(place.start, place.end);
        match text {
            ".inf" | "-.inf" | ".nan" if written != text && !written.contains(text) => Scalar::plain(written),
            _ if written.starts_with(['"', '\'']) || Shape::of(text) != Shape::Text => Scalar::quoted(text),
            _ => Scalar::plain(text),
        }
    }

    fn entries(
        &mut self,
        entries: Vec<(Spanned<Yaml>, Spanned<Yaml>)>,
        parent: NodeId,
    ) -> Result<Vec<NodeId>, Diagnostic> {
        let mut seen: HashMap<String, Place> = HashMap::with_capacity(entries.len());
        let mut children = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.key(&key)?;
            let first = seen.get(&key.text).copied();
            if first.is_none() {
                seen.insert(key.text.clone(), key.place);
            }
            let id = self.add(value, Some(key), Some(parent))?;
            self.tree.duplicates.extend(first.map(|first| (id, first)));
            children.push(id);
        }
        Ok(children)
    }

    fn key(&self, key: &Spanned<Yaml>) -> Result<Key, Diagnostic> {
        let place = place(self.source, key.defined);
        let text = match &key.value {
            Yaml::Text(text) => text.clone(),
            Yaml::Inferred => self.source.slice(place.start, place.end).to_owned(),
            Yaml::List(_) | Yaml::Map(_) => {
                return Err(error(Code::Syntax, "a key must be a text".to_owned(), place, None));
            }
        };
        Ok(Key { text, place })
    }

    /// A mapping in a list has neither a key nor a width: it is pointed at by its first key.
    fn widen(&mut self, id: NodeId) {
        let node = &self.tree.nodes[id.0];
        let (Value::List(children) | Value::Map(children)) = &node.value else {
            return;
        };
        if node.place.start == node.place.end
            && let Some(first) = children.first()
        {
            let first = &self.tree.nodes[first.0];
            let place = first.key.as_ref().map_or(first.place, |key| key.place);
            self.tree.nodes[id.0].place = place;
        }
    }
}
