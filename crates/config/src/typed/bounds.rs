//! Limits of values (`#[garde(range(min = 1))]`), reported at the very value that breaks them.

use super::Typing;
use crate::document::{NodeId, Value};
use crate::report::Code;
use garde::error::Kind;

impl Typing<'_> {
    /// Reports every limit that a value breaks. Limits on damaged parts are not reported: a list that is too short
    /// may be so because an element was refused.
    pub(crate) fn check_bounds<T: garde::Validate<Context = ()>>(&mut self, id: NodeId, value: &T) {
        let Err(broken) = value.validate() else { return };
        for (path, error) in broken.iter() {
            // The structured form of a path is hidden in garde's documentation; its text form is ambiguous as soon
            // as a mapping's key has a dot, and host names do. Components come last first.
            let steps: Vec<(Kind, String)> =
                path.__iter().map(|(kind, name)| (kind, name.to_string())).collect();
            let (at, left) = self.descend(id, steps.iter().rev());
            if !self.is_damaged(at) {
                let name = left.unwrap_or_else(|| self.document.key(at));
                self.error(at, Code::OutOfRange, sentence(name, error.message()), None);
            }
        }
    }

    /// Walks down as far as the file goes. What is left over is a field that holds its default.
    fn descend<'p>(
        &self,
        mut id: NodeId,
        steps: impl Iterator<Item = &'p (Kind, String)>,
    ) -> (NodeId, Option<&'p str>) {
        for (kind, name) in steps {
            let next = match (kind, &self.document.node(id).value) {
                (Kind::Index, Value::List(_)) => {
                    name.parse().ok().and_then(|index| self.children(id).nth(index))
                }
                // One value stands for a list of one.
                (Kind::Index, Value::Scalar(_) | Value::Map(_)) if name == "0" => Some(id),
                (Kind::Key, Value::Map(_)) => {
                    self.children(id).find(|child| same_name(self.document.key(*child), name))
                }
                (Kind::None, _) => Some(id),
                (Kind::Index | Kind::Key, _) => None,
            };
            match next {
                Some(next) => id = next,
                None => return (id, Some(name)),
            }
        }
        (id, None)
    }
}

/// Says whose limit is broken, since garde's own messages have no subject.
fn sentence(name: &str, broken: &str) -> String {
    match broken {
        _ if name.is_empty() => broken.to_owned(),
        _ if broken.starts_with("lower than") || broken.starts_with("greater than") => {
            format!("`{name}` is {broken}")
        }
        _ => format!("`{name}`: {broken}"),
    }
}

/// Whether a key can be the name that serde gives to a field: `rename_all` changes case and word breaks.
fn same_name(key: &str, field: &str) -> bool {
    let letters = |name: &str| -> String {
        name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    key == field || letters(key) == letters(field)
}
