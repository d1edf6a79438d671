//! The [`serde::Deserializer`] over a document's nodes.
//!
//! It is stricter than most: a struct refuses keys that are not its fields, whether or not its author thought of
//! `deny_unknown_fields`. And it is a concrete type, so that a registry of modules needs no type erasure for it.

use super::access::{Element, Enum, Fields, Pairs};
use super::{Mistake, Typing, marker};
use crate::document::{NodeId, Scalar, Shape, Value};
use crate::report::Code;
use crate::suggest;
use serde::de::{Deserializer, Visitor};

/// The newtype name of a reference to an upstream, in the settings of any module.
const UPSTREAM_REFERENCE: &str = "$ref:upstream";

/// Types one node.
#[derive(Clone, Copy)]
pub(super) struct Typist<'t> {
    pub(super) typing: &'t Typing<'t>,
    pub(super) id: NodeId,
    /// Whether a value that is left out counts as an empty mapping.
    nothing_is_empty: bool,
}

// === impl Typist ===

impl<'t> Typist<'t> {
    pub(super) fn new(typing: &'t Typing<'_>, id: NodeId, nothing_is_empty: bool) -> Self {
        Self { typing, id, nothing_is_empty }
    }

    /// The same for a node inside this one.
    pub(super) fn child(self, id: NodeId) -> Self {
        Self { id, nothing_is_empty: false, ..self }
    }

    pub(super) fn children(self) -> Vec<NodeId> {
        self.typing.children(self.id).collect()
    }

    pub(super) fn value(self) -> &'t Value {
        &self.typing.document.node(self.id).value
    }

    fn scalar(self, expected: &str) -> Result<&'t Scalar, Mistake> {
        match self.value() {
            Value::Scalar(scalar) => Ok(scalar),
            Value::List(_) | Value::Map(_) => Err(Mistake::expected(expected)),
        }
    }

    /// A text is whatever stands there, so that `version: 1.10` is no `1.1`; but not what is left out.
    fn text(self) -> Result<&'t str, Mistake> {
        let scalar = self.scalar("a text")?;
        if scalar.shape() == Shape::Null && !scalar.is_expanded() {
            return Err(Mistake::expected("a text"));
        }
        Ok(&scalar.text)
    }

    fn is_null(self) -> bool {
        matches!(self.value(), Value::Scalar(scalar) if scalar.shape() == Shape::Null)
    }

    /// The values of a mapping, or of nothing where that is allowed.
    fn entries(self, expected: &str) -> Result<Vec<NodeId>, Mistake> {
        match self.value() {
            Value::Map(_) => Ok(self.children()),
            Value::Scalar(_) if self.nothing_is_empty && self.is_null() => Ok(Vec::new()),
            Value::Scalar(_) | Value::List(_) => Err(Mistake::expected(expected)),
        }
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar("an integer")?.typed_shape() {
            Shape::Integer(integer) => visit_integer(integer, visitor),
            Shape::Null | Shape::Bool(_) | Shape::Float(_) | Shape::Text => {
                Err(Mistake::expected("an integer"))
            }
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar("a number")?.typed_shape() {
            Shape::Integer(integer) => visit_integer(integer, visitor),
            Shape::Float(float) => visitor.visit_f64(float),
            Shape::Null | Shape::Bool(_) | Shape::Text => Err(Mistake::expected("a number")),
        }
    }

    fn check_reference(self) -> Result<(), Mistake> {
        let scalar = self.scalar("the name of an upstream")?;
        let upstreams = &self.typing.upstreams;
        if let Some((_, used)) = upstreams.iter().find(|(name, _)| *name == scalar.text) {
            used.set(true);
            return Ok(());
        }
        let help = if upstreams.is_empty() {
            Some("the file has no `upstreams`".to_owned())
        } else {
            suggest::help(&scalar.text, upstreams.iter().map(|(name, _)| *name))
        };
        Err(Mistake::sentence(
            Code::UnknownUpstream,
            format!("there is no upstream named `{}`", scalar.shown()),
            help,
        ))
    }
}

fn visit_integer<'de, V: Visitor<'de>>(integer: i128, visitor: V) -> Result<V::Value, Mistake> {
    match (u64::try_from(integer), i64::try_from(integer)) {
        (Ok(unsigned), _) => visitor.visit_u64(unsigned),
        (Err(_), Ok(signed)) => visitor.visit_i64(signed),
        (Err(_), Err(_)) => visitor.visit_i128(integer),
    }
}

macro_rules! as_number {
    ($($method:ident => $read:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            self.$read(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Typist<'_> {
    type Error = Mistake;

    as_number! {
        deserialize_i8 => integer, deserialize_i16 => integer, deserialize_i32 => integer,
        deserialize_i64 => integer, deserialize_i128 => integer,
        deserialize_u8 => integer, deserialize_u16 => integer, deserialize_u32 => integer,
        deserialize_u64 => integer, deserialize_u128 => integer,
        deserialize_f32 => float, deserialize_f64 => float,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value() {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => match scalar.shape() {
                Shape::Null if self.nothing_is_empty => self.deserialize_map(visitor),
                Shape::Null => visitor.visit_unit(),
                Shape::Bool(value) => visitor.visit_bool(value),
                Shape::Integer(integer) => visit_integer(integer, visitor),
                Shape::Float(float) => visitor.visit_f64(float),
                Shape::Text => visitor.visit_str(&scalar.text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar("`true` or `false`")?.typed_shape() {
            Shape::Bool(value) => visitor.visit_bool(value),
            Shape::Null | Shape::Integer(_) | Shape::Float(_) | Shape::Text => {
                Err(Mistake::expected("`true` or `false`"))
            }
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_bytes(self.text()?.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_null() { visitor.visit_unit() } else { Err(Mistake::expected("nothing")) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let empty = self.is_null() || matches!(self.value(), Value::Map(entries) if entries.is_empty());
        if empty { visitor.visit_unit() } else { Err(Mistake::expected("nothing, or `{}`")) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match name {
            UPSTREAM_REFERENCE => {
                self.check_reference()?;
                visitor.visit_newtype_struct(self)
            }
            marker::NODE => visitor.visit_u64(self.id.to_number()),
            marker::AT => visitor.visit_seq(Element::located(self)),
            marker::ONE_OR_MANY => match self.value() {
                Value::List(_) => visitor.visit_seq(Element::list(self, self.children())),
                Value::Scalar(_) | Value::Map(_) => visitor.visit_seq(Element::list(self, vec![self.id])),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value() {
            Value::List(_) => visitor.visit_seq(Element::list(self, self.children())),
            Value::Scalar(_) | Value::Map(_) => Err(Mistake::expected("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_map(Pairs::new(self, self.entries("a mapping")?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_map(Fields::new(self, self.entries("a mapping")?, fields)?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_enum(Enum::new(self, variants)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }
}
