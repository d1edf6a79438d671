//! The parts of lists, mappings and enums, as serde asks for them one by one.

use super::deserializer::Typist;
use super::{Mistake, marker};
use crate::document::{NodeId, Value};
use crate::suggest;
use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// The elements of a list; or a node's id, followed by the node.
pub(super) struct Element<'t> {
    typist: Typist<'t>,
    next: Next,
}

enum Next {
    Id,
    Node,
    Items(std::vec::IntoIter<NodeId>),
    Nothing,
}

/// The pairs of a mapping with any keys.
pub(super) struct Pairs<'t> {
    typist: Typist<'t>,
    entries: std::vec::IntoIter<NodeId>,
    value: Option<NodeId>,
}

/// The fields of a struct, and under the name of [`marker::REST`] the keys that are no field.
pub(super) struct Fields<'t> {
    pairs: Pairs<'t>,
    rest: Option<Vec<NodeId>>,
}

/// A variant: a word, or a mapping of one key.
pub(super) struct Enum<'t> {
    typist: Typist<'t>,
    variant: &'t str,
    content: Option<NodeId>,
}

/// Keys that are no field, as a list of node ids.
struct Remaining(Vec<NodeId>);

// === impl Element ===

impl<'t> Element<'t> {
    pub(super) fn list(typist: Typist<'t>, items: Vec<NodeId>) -> Self {
        Self { typist, next: Next::Items(items.into_iter()) }
    }

    pub(super) fn located(typist: Typist<'t>) -> Self {
        Self { typist, next: Next::Id }
    }
}

impl<'de> SeqAccess<'de> for Element<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let typist = match &mut self.next {
            Next::Id => {
                self.next = Next::Node;
                return seed.deserialize(U64Deserializer::new(self.typist.id.to_number())).map(Some);
            }
            Next::Node => {
                self.next = Next::Nothing;
                self.typist
            }
            Next::Items(items) => match items.next() {
                Some(item) => self.typist.child(item),
                None => return Ok(None),
            },
            Next::Nothing => return Ok(None),
        };
        seed.deserialize(typist).map(Some).map_err(|mistake| mistake.at(typist.id))
    }
}

// === impl Pairs ===

impl<'t> Pairs<'t> {
    pub(super) fn new(typist: Typist<'t>, entries: Vec<NodeId>) -> Self {
        Self { typist, entries: entries.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.value = self.entries.next();
        let Some(id) = self.value else { return Ok(None) };
        let key = StrDeserializer::<Mistake>::new(self.typist.typing.document.key(id));
        seed.deserialize(key).map(Some).map_err(|mistake| mistake.about_key().at(id))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let Some(id) = self.value.take() else {
            return Err(Mistake::expected("a key before a value"));
        };
        seed.deserialize(self.typist.child(id)).map_err(|mistake| mistake.at(id))
    }
}

// === impl Fields ===

impl<'t> Fields<'t> {
    /// Refuses the first key that is no field, unless the struct takes the rest.
    pub(super) fn new(
        typist: Typist<'t>,
        entries: Vec<NodeId>,
        fields: &'static [&'static str],
    ) -> Result<Self, Mistake> {
        let document = typist.typing.document;
        let (known, unknown): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|id| fields.contains(&document.key(*id)));
        let takes_rest = fields.contains(&marker::REST);
        if let (Some(first), false) = (unknown.first(), takes_rest) {
            return Err(Mistake::unknown_key(document.key(*first), fields).at(*first));
        }
        Ok(Self { pairs: Pairs::new(typist, known), rest: takes_rest.then_some(unknown) })
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        if self.pairs.entries.len() == 0 && self.rest.is_some() {
            self.pairs.value = None;
            return seed.deserialize(StrDeserializer::<Mistake>::new(marker::REST)).map(Some);
        }
        self.pairs.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        match (self.pairs.value, &mut self.rest) {
            (None, Some(_)) => seed.deserialize(Remaining(self.rest.take().unwrap_or_default())),
            (None | Some(_), _) => self.pairs.next_value_seed(seed),
        }
    }
}

impl<'de> Deserializer<'de> for Remaining {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let ids = self.0.into_iter().map(NodeId::to_number);
        visitor.visit_seq(serde::de::value::SeqDeserializer::new(ids))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

// === impl Enum ===

impl<'t> Enum<'t> {
    pub(super) fn new(typist: Typist<'t>, variants: &'static [&'static str]) -> Result<Self, Mistake> {
        let document = typist.typing.document;
        let one_of = || format!("one of {}", suggest::list(variants));
        let (variant, content) = match typist.value() {
            Value::Scalar(scalar) => (scalar.text.as_str(), None),
            Value::Map(_) => match typist.children().as_slice() {
                [only] => (document.key(*only), Some(*only)),
                _ => {
                    return Err(Mistake::expected_one_key(format!("a mapping with one key, {}", one_of())));
                }
            },
            Value::List(_) => return Err(Mistake::expected(one_of())),
        };
        if variants.contains(&variant) {
            return Ok(Self { typist, variant, content });
        }
        Err(match (content, typist.value()) {
            (Some(content), _) => Mistake::unknown_key(variant, variants).at(content),
            (None, Value::Scalar(scalar)) => Mistake::unknown_value(scalar.shown(), variants),
            (None, Value::List(_) | Value::Map(_)) => Mistake::expected(one_of()),
        })
    }

    fn content(&self) -> Result<Typist<'t>, Mistake> {
        let missing = || Mistake::expected(format!("`{}` with a value", self.variant));
        self.content.map(|content| self.typist.child(content)).ok_or_else(missing)
    }
}

impl<'de, 't> EnumAccess<'de> for Enum<'t> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mistake> {
        let variant: StrDeserializer<'_, Mistake> = self.variant.into_deserializer();
        seed.deserialize(variant).map(|value| (value, self))
    }
}

impl<'de> VariantAccess<'de> for Enum<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Mistake::expected(format!("`{}` alone", self.variant))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Mistake> {
        let content = self.content()?;
        seed.deserialize(content).map_err(|mistake| mistake.at(content.id))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mistake> {
        let content = self.content()?;
        content.deserialize_tuple(length, visitor).map_err(|mistake| mistake.at(content.id))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let content = self.content()?;
        content.deserialize_struct("", fields, visitor).map_err(|mistake| mistake.at(content.id))
    }
}
