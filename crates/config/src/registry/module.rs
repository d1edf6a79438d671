//! A registered type, behind a trait object: how its settings are read and described.

use super::{AnySettings, Settings};
use crate::document::NodeId;
use crate::typed::Typing;
use schemars::{Schema, SchemaGenerator};
use std::fmt;
use std::marker::PhantomData;

/// What the reader needs of a module.
pub(crate) trait Module: fmt::Debug + Send + Sync {
    /// The settings in a node, or nothing after reporting why not.
    fn read(&self, typing: &mut Typing<'_>, id: NodeId) -> Option<Box<dyn AnySettings>>;

    /// The schema of the settings.
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;

    /// Whether the settings have a key of this name.
    fn has_key(&self, key: &str) -> bool;
}

/// The module whose settings are a `T`.
pub(super) struct Typed<T>(PhantomData<fn() -> T>);

// === impl Typed ===

impl<T> Typed<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Settings> Module for Typed<T> {
    fn read(&self, typing: &mut Typing<'_>, id: NodeId) -> Option<Box<dyn AnySettings>> {
        typing.read_settings::<T>(id).map(|settings| Box::new(settings) as Box<dyn AnySettings>)
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }

    fn has_key(&self, key: &str) -> bool {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        schema.pointer("/properties").and_then(|properties| properties.get(key)).is_some()
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<T>())
    }
}
