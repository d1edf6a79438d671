//! An edit ready for use: names and values parsed, templates taken apart.

use std::collections::BTreeMap;

use headwall_core::template::{Escape, Pattern, Scene};
use headwall_core::{BoxError, Template};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::edit::{Replace, name, no_value};

/// An edit with its texts parsed.
pub(crate) struct Prepared {
    replace: Vec<(HeaderName, Pattern, Template)>,
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
    add: Vec<(HeaderName, Value)>,
}

pub(crate) enum Value {
    Fixed(HeaderValue),
    Expanded(Template),
}

/// What the templates of one edit have come to, before anything is changed.
pub(crate) struct Edits {
    replaced: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// The values that are not fixed, in order.
    expanded: Vec<HeaderValue>,
}

// === impl Prepared ===

impl Prepared {
    pub(crate) fn new(
        replace: &[Replace],
        remove: &[String],
        set: &BTreeMap<String, Template>,
        add: &BTreeMap<String, Template>,
    ) -> Result<Self, BoxError> {
        let pairs = |map: &BTreeMap<String, Template>| {
            let pair =
                |(header, template): (&String, &Template)| Ok((name(header)?, Value::new(header, template)?));
            map.iter().map(pair).collect::<Result<Vec<_>, String>>()
        };
        let replacement =
            |replace: &Replace| Ok((name(&replace.header)?, replace.pattern.clone(), replace.with.clone()));
        Ok(Self {
            replace: replace.iter().map(replacement).collect::<Result<_, String>>()?,
            remove: remove.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
            set: pairs(set)?,
            add: pairs(add)?,
        })
    }

    pub(crate) fn edits(&self, headers: &HeaderMap, scene: &Scene<'_>) -> Edits {
        let expanded = |(_, value): &(HeaderName, Value)| match value {
            Value::Fixed(_) => None,
            Value::Expanded(template) => Some(template.header_value(scene)),
        };
        Edits {
            replaced: self.replaced(headers, scene),
            expanded: self.set.iter().chain(&self.add).filter_map(expanded).collect(),
        }
    }

    /// The values of the headers in which something was found. Of several rules for one header, each goes on with what the
    /// one before has left.
    fn replaced(&self, headers: &HeaderMap, scene: &Scene<'_>) -> Vec<(HeaderName, Vec<HeaderValue>)> {
        let mut replaced: Vec<(HeaderName, Vec<HeaderValue>)> = Vec::new();
        for (name, pattern, with) in &self.replace {
            let before = replaced.iter().position(|(known, _)| known == name);
            let values = match before {
                Some(index) => replaced.remove(index).1,
                None => headers.get_all(name).iter().cloned().collect(),
            };
            let exchange = |value: HeaderValue| {
                let text = std::str::from_utf8(value.as_bytes()).ok();
                let text = text.and_then(|text| pattern.replace(text, with, scene, Escape::Header));
                text.and_then(|text| HeaderValue::try_from(text).ok()).unwrap_or(value)
            };
            replaced.push((name.clone(), values.into_iter().map(exchange).collect()));
        }
        replaced
    }

    pub(crate) fn apply(&self, edits: Edits, headers: &mut HeaderMap) {
        for (name, values) in edits.replaced {
            headers.remove(&name);
            for value in values {
                headers.append(&name, value);
            }
        }
        for name in &self.remove {
            headers.remove(name);
        }
        let mut expanded = edits.expanded.into_iter();
        for (name, value) in &self.set {
            if let Some(value) = value.ready(&mut expanded) {
                headers.insert(name, value);
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = value.ready(&mut expanded) {
                headers.append(name, value);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

// === impl Value ===

impl Value {
    pub(crate) fn new(header: &str, template: &Template) -> Result<Self, String> {
        // Placeholders are made safe each time; what stands around them is looked at once.
        let plain = template.as_str();
        let value = HeaderValue::from_str(template.fixed().unwrap_or(plain)).map_err(|_| no_value(header))?;
        Ok(if template.fixed().is_some() { Self::Fixed(value) } else { Self::Expanded(template.clone()) })
    }

    /// The value itself, or the next of those that were expanded.
    fn ready(&self, expanded: &mut impl Iterator<Item = HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Expanded(_) => expanded.next(),
        }
    }
}
