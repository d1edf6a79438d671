//! What a module's settings must be able to do, and the form in which they wait for the module to be built.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt::Debug;

/// A type that can be the settings of a module; implemented for every type that can.
///
/// Derive `Deserialize`, `Serialize`, `JsonSchema`, `garde::Validate` and `Debug`. The doc comments of the fields
/// become the descriptions in the schema. Enums should be externally tagged (serde's default): `untagged`, `tag`
/// and `flatten` lose the exact place of an error. Keys that are no field are refused in any case.
pub trait Settings:
    DeserializeOwned + Serialize + JsonSchema + garde::Validate<Context = ()> + Debug + Send + Sync + 'static
{
}

impl<T> Settings for T where
    T: DeserializeOwned
        + Serialize
        + JsonSchema
        + garde::Validate<Context = ()>
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Settings of a type that only the module knows; it gets them back by
/// [`downcast_ref`](trait.AnySettings.html#method.downcast_ref).
pub trait AnySettings: Any + Debug + Send + Sync {
    /// The settings as a JSON value, every default visible; secrets print themselves as `[redacted]`. A type that
    /// cannot be written as JSON, such as a mapping whose keys are mappings, gives a text that says so.
    fn to_json(&self) -> serde_json::Value;
}

impl<T: Settings> AnySettings for T {
    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self)
            .unwrap_or_else(|error| serde_json::Value::String(format!("(cannot be shown: {error})")))
    }
}

impl dyn AnySettings {
    /// The settings as the type they were registered with.
    pub fn downcast_ref<T: Settings>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
