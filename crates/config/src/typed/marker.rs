//! Types of the file's skeleton that talk to our deserializer through the name of a newtype, the one channel that
//! serde leaves open: they learn which node they came from, which no other deserializer could tell them.

use crate::document::NodeId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The newtype name of [`NodeRef`].
pub(super) const NODE: &str = "$node";
/// The newtype name of [`At`].
pub(super) const AT: &str = "$at";
/// The newtype name of [`OneOrMany`].
pub(super) const ONE_OR_MANY: &str = "$one_or_many";
/// The field name of [`Rest`].
pub(super) const REST: &str = "$rest";

/// A node that is typed later, when its type is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeRef(pub(crate) NodeId);

/// A value and the node it was written in.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) id: NodeId,
    pub(crate) value: T,
}

/// A list, or one value that stands for a list of one.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

/// A mapping from names to values, in the order written. The names are the keys of the values' nodes.
#[derive(Clone, Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<T>);

/// The keys of a mapping that are no field of its struct; for a field named `$rest`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest(pub(crate) Vec<NodeId>);

struct NodeVisitor;
struct AtVisitor<T>(PhantomData<T>);
struct ManyVisitor<T>(PhantomData<T>);
struct NamedVisitor<T>(PhantomData<T>);

// === impl NodeRef ===

impl<'de> Deserialize<'de> for NodeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NODE, NodeVisitor)
    }
}

impl Visitor<'_> for NodeVisitor {
    type Value = NodeRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node of a configuration file")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<NodeRef, E> {
        Ok(NodeRef(NodeId::from_number(number)))
    }
}

// === impl At ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AT, AtVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a configuration file")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
        match (parts.next_element::<u64>()?, parts.next_element()?) {
            (Some(number), Some(value)) => Ok(At { id: NodeId::from_number(number), value }),
            (None | Some(_), _) => Err(A::Error::invalid_length(0, &self)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

// === impl OneOrMany ===

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ONE_OR_MANY, ManyVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or one value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(OneOrMany(list))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

// === impl Named ===

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Named<T>, A::Error> {
        let mut named = Vec::new();
        while let Some((_, value)) = entries.next_entry::<serde::de::IgnoredAny, T>()? {
            named.push(value);
        }
        Ok(Named(named))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}

// === impl Rest ===

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<u64>::deserialize(deserializer)?;
        Ok(Self(numbers.into_iter().map(NodeId::from_number).collect()))
    }
}
