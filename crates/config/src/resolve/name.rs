//! Names of sites and routes: they end up in metrics and logs, so they are there, they are unique, and they are
//! printable.

use crate::document::NodeId;
use crate::report::Code;
use crate::typed::{At, Typing};
use std::collections::HashMap;

/// The names given so far within one scope.
#[derive(Default)]
pub(super) struct Names {
    taken: HashMap<String, NodeId>,
}

// === impl Names ===

impl Names {
    /// Takes every name that is written, before any is made up: a made-up name gives way to a written one.
    pub(super) fn take_written<'a>(
        &mut self,
        typing: &mut Typing<'_>,
        code: Code,
        written: impl Iterator<Item = &'a At<String>>,
    ) {
        for At { id, value: name } in written {
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                let message = "expected a name that can be printed".to_owned();
                typing.error(*id, Code::InvalidValue, message, None);
            } else if let Some(first) = self.taken.get(name) {
                let line = typing.document().place(*first).line;
                let help = Some(format!("it stands first in line {line}"));
                typing.error(*id, code, format!("the name `{name}` is given twice"), help);
            } else {
                self.taken.insert(name.clone(), *id);
            }
        }
    }

    /// A name made up for a node, with a number if it is taken.
    pub(super) fn make_up(&mut self, name: &str, id: NodeId) -> String {
        let numbered = (2..).map(|number| format!("{name}#{number}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        let free = candidates.find(|candidate| !self.taken.contains_key(candidate)).unwrap_or_default();
        self.taken.insert(free.clone(), id);
        free
    }
}
