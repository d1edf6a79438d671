//! A configuration file as an arena of nodes that know their places.
//!
//! The type of a slot (`filters: [{ rate_limit: … }]`) is chosen by a name in the file, so one pass of serde over
//! YAML cannot type it and keep line and column. The file is therefore read once into this tree, and any part of
//! it can be typed at any time, more than once, by [`typed`](crate::typed).

mod expand;
mod scalar;
mod yaml;

pub(crate) use self::scalar::{Scalar, Shape};
use crate::report::{Code, Diagnostic, Redaction, Report, Severity};
use crate::source::{Place, Source};

/// The index of a node in its [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(usize);

/// A value of the file. Aliases and merges are resolved, so the nodes are a tree.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// The value's own text; for a mapping or list its key, or where it begins.
    pub(crate) place: Place,
    /// The key, when the node is a mapping's value.
    pub(crate) key: Option<Key>,
    pub(crate) parent: Option<NodeId>,
}

/// What a node holds.
#[derive(Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<NodeId>),
    /// The values in the order written; each has a [`Key`].
    Map(Vec<NodeId>),
}

/// A mapping's key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A file that is YAML, with every variable expanded.
#[derive(Clone)]
pub(crate) struct Document {
    source: Source,
    nodes: Vec<Node>,
    /// Nodes with a mistake that is already reported; typing goes on as if they were not there.
    unusable: Vec<NodeId>,
    redaction: Redaction,
}

/// A document, and what is wrong with it so far.
pub(crate) struct Parsed {
    pub(crate) document: Document,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// How the reader asks for an environment variable.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

// === impl NodeId ===

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0
    }

    /// The id as serde can carry it.
    pub(crate) fn to_number(self) -> u64 {
        self.0 as u64
    }

    pub(crate) fn from_number(number: u64) -> Self {
        Self(usize::try_from(number).unwrap_or(usize::MAX))
    }
}

// === impl Document ===

impl Document {
    /// The first node, which holds all others.
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Reads a file. An `Err` is a file that is not YAML at all; any other mistake leaves a document.
    pub(crate) fn parse(source: Source, environment: &Environment<'_>) -> Result<Parsed, Report> {
        let yaml::Tree { nodes, duplicates } = match yaml::read(&source) {
            Ok(tree) => tree,
            Err(diagnostic) => return Err(Report::new(source, vec![diagnostic], &Redaction::default())),
        };
        let mut document = Self { source, nodes, unusable: Vec::new(), redaction: Redaction::default() };
        let mut diagnostics = Vec::new();
        document.refuse_duplicates(duplicates, &mut diagnostics);
        document.expand(environment, &mut diagnostics);
        Ok(Parsed { document, diagnostics })
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        // An id is made only together with its node, and nodes are never taken away.
        &self.nodes[id.0]
    }

    /// The values of a mapping or a list; nothing for a scalar.
    pub(crate) fn children(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).value {
            Value::Map(children) | Value::List(children) => children,
            Value::Scalar(_) => &[],
        }
    }

    /// The key of a mapping's value; empty for other nodes.
    pub(crate) fn key(&self, id: NodeId) -> &str {
        self.node(id).key.as_ref().map_or("", |key| &key.text)
    }

    /// The value that a mapping has for a key.
    pub(crate) fn child(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.children(id).iter().copied().find(|child| self.key(*child) == key)
    }

    /// Where to point when a node's value is wrong.
    pub(crate) fn place(&self, id: NodeId) -> Place {
        self.node(id).place
    }

    /// Where to point when a node should not be there: its key, if it has one.
    pub(crate) fn key_place(&self, id: NodeId) -> Place {
        let node = self.node(id);
        node.key.as_ref().map_or(node.place, |key| key.place)
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn unusable(&self) -> &[NodeId] {
        &self.unusable
    }

    /// A report on this document.
    pub(crate) fn report(&self, diagnostics: Vec<Diagnostic>) -> Report {
        Report::new(self.source.clone(), diagnostics, &self.redaction)
    }

    fn refuse_duplicates(&mut self, duplicates: Vec<(NodeId, Place)>, diagnostics: &mut Vec<Diagnostic>) {
        for (id, first) in duplicates {
            diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: Code::DuplicateKey,
                message: format!("the key `{}` stands twice in one mapping", self.key(id)),
                place: self.key_place(id),
                help: Some(format!("it stands first in line {}", first.line)),
            });
            self.unusable.push(id);
        }
    }

    fn expand(&mut self, environment: &Environment<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let mut variables = Vec::new();
        for index in 0..self.nodes.len() {
            let Some(Node { value: Value::Scalar(scalar), place, .. }) = self.nodes.get_mut(index) else {
                continue;
            };
            let expansion = expand::expand(&scalar.text, environment);
            for unset in &expansion.unset {
                // Point at the very expression, if the source shows it as it was read.
                let at =
                    self.source.slice(place.start, place.end).find(&unset.expression).map_or(*place, |at| {
                        let start = place.start + at;
                        self.source.place(start, start + unset.expression.len())
                    });
                diagnostics.push(unset.diagnostic(at));
            }
            if !expansion.unset.is_empty() {
                self.unusable.push(NodeId(index));
            }
            if let Some(text) = expansion.text {
                scalar.become_expanded(text, !expansion.variables.is_empty());
                variables.extend(expansion.variables);
            }
        }
        self.redaction = Redaction::new(variables);
    }
}

impl std::fmt::Debug for Document {
    /// Shows the name alone: the nodes hold values from the environment.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("source", &self.source).finish_non_exhaustive()
    }
}
