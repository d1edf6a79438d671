//! Gives any node of a [`Document`] any serde type, and reports all that does not fit, not just the first.
//!
//! serde stops at the first error. So the node that an error is about is taken out of the tree and the type is
//! tried again, until it fits or the node itself is refused. Errors that a taken-out node causes in the nodes
//! around it (a "missing" key) are not reported.

mod access;
mod bounds;
mod deserializer;
mod marker;
mod mistake;

use self::deserializer::Typist;
pub(crate) use self::marker::{At, Named, NodeRef, OneOrMany, Rest};
use self::mistake::Mistake;
use crate::document::{Document, NodeId};
use crate::report::{Code, Diagnostic, Severity};
use serde::de::DeserializeOwned;
use std::cell::Cell;

/// After this many errors reading stops; a file with more is the wrong file.
const MOST_ERRORS: usize = 100;

/// The state of typing one document: what is taken out, and what is wrong.
pub(crate) struct Typing<'d> {
    document: &'d Document,
    /// The names that a reference to an upstream may have, and whether one had it.
    upstreams: Vec<(&'d str, Cell<bool>)>,
    /// For each node, whether it counts as not there.
    removed: Vec<bool>,
    /// For each node, whether something in it is removed.
    damaged: Vec<bool>,
    diagnostics: Vec<Diagnostic>,
}

// === impl Typing ===

impl<'d> Typing<'d> {
    pub(crate) fn new(document: &'d Document, diagnostics: Vec<Diagnostic>) -> Self {
        let upstreams = document.child(Document::ROOT, "upstreams");
        let upstreams = upstreams.map_or(&[][..], |upstreams| document.children(upstreams));
        let mut typing = Self {
            document,
            upstreams: upstreams.iter().map(|id| (document.key(*id), Cell::new(false))).collect(),
            removed: vec![false; document.len()],
            damaged: vec![false; document.len()],
            diagnostics: Vec::new(),
        };
        for diagnostic in diagnostics {
            typing.report(diagnostic);
        }
        for id in document.unusable() {
            typing.remove(*id);
        }
        typing
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    /// The node as a `T`, which it is even if parts of it had to be taken out and reported.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, id: NodeId) -> Option<T> {
        self.read_with(id, false)
    }

    /// The settings of a slot: as [`read`](Self::read), except that nothing at all is `{}`, so that a module
    /// without settings can be written `- security_headers:`. Limits are checked too.
    pub(crate) fn read_settings<T>(&mut self, id: NodeId) -> Option<T>
    where
        T: DeserializeOwned + garde::Validate<Context = ()>,
    {
        let value = self.read_with(id, true)?;
        self.check_bounds(id, &value);
        Some(value)
    }

    /// A part that may be left empty, as [`read_settings`](Self::read_settings), whose limits are checked elsewhere.
    pub(crate) fn read_slot<T: DeserializeOwned>(&mut self, id: NodeId) -> Option<T> {
        self.read_with(id, true)
    }

    fn read_with<T: DeserializeOwned>(&mut self, id: NodeId, nothing_is_empty: bool) -> Option<T> {
        if self.is_removed(id) {
            return None;
        }
        loop {
            let mistake = match T::deserialize(Typist::new(self, id, nothing_is_empty)) {
                Ok(value) => return Some(value),
                Err(mistake) => mistake,
            };
            let culprit = mistake.node().unwrap_or(id);
            let is_consequence = mistake.can_be_a_consequence() && self.is_damaged(culprit);
            if !is_consequence {
                let diagnostic = mistake.diagnostic(self.document, culprit);
                self.report(diagnostic);
            }
            self.remove(culprit);
            if culprit == id || self.is_full() {
                return None;
            }
        }
    }

    /// Reports an error about a node's value.
    pub(crate) fn error(&mut self, id: NodeId, code: Code, message: String, help: Option<String>) {
        let message = mistake::sentence_about(self.document, id, message);
        let place = self.document.place(id);
        self.report(Diagnostic { severity: Severity::Error, code, message, place, help });
    }

    /// Reports an error about a node that should not be there.
    pub(crate) fn error_at_key(&mut self, id: NodeId, code: Code, message: String, help: Option<String>) {
        let place = self.document.key_place(id);
        self.report(Diagnostic { severity: Severity::Error, code, message, place, help });
    }

    /// Reports something about a node's key that is not wrong, but probably not meant.
    pub(crate) fn warn_at_key(&mut self, id: NodeId, code: Code, message: String, help: Option<String>) {
        let place = self.document.key_place(id);
        self.report(Diagnostic { severity: Severity::Warning, code, message, place, help });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether a reference to this upstream was read.
    pub(crate) fn is_used(&self, upstream: &str) -> bool {
        self.upstreams.iter().any(|(name, used)| *name == upstream && used.get())
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        match self.diagnostics.len() {
            ..MOST_ERRORS => self.diagnostics.push(diagnostic),
            MOST_ERRORS => self.diagnostics.push(Diagnostic {
                code: Code::TooManyErrors,
                message: format!("this is error {}; the rest is not looked at", MOST_ERRORS + 1),
                help: None,
                ..diagnostic
            }),
            _ => {}
        }
    }

    /// Whether there are so many errors that it is no use to go on.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.len() > MOST_ERRORS
    }

    /// Whether something in this node was taken out, so that what it says is not all that was meant.
    pub(crate) fn is_damaged(&self, id: NodeId) -> bool {
        self.damaged[id.index()]
    }

    pub(crate) fn is_removed(&self, id: NodeId) -> bool {
        self.removed[id.index()]
    }

    /// The children that are left.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.document.children(id).iter().copied().filter(|child| !self.is_removed(*child))
    }

    /// Every error so far.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// Counts a node as not there, because what is wrong with it is reported.
    pub(crate) fn remove(&mut self, id: NodeId) {
        self.removed[id.index()] = true;
        let mut ancestor = Some(id);
        while let Some(id) = ancestor {
            self.damaged[id.index()] = true;
            ancestor = self.document.node(id).parent;
        }
    }
}
