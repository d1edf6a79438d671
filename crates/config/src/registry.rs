//! Which modules a configuration may name, and the type of each one's settings.
//!
//! A registry is a value: the program that wants a module registers it and hands the registry to the reader. There
//! is none that exists by itself.

mod module;
mod settings;

pub(crate) use self::module::Module;
use self::module::Typed;
pub use self::settings::{AnySettings, Settings};

/// The keys of a route that are not the name of its service.
pub(crate) const ROUTE_KEYS: &[&str] = &["name", "match", "filters", "access_log"];

/// The modules that a configuration may name.
#[derive(Debug, Default)]
pub struct Registry {
    filters: Modules,
    services: Modules,
    upstreams: Modules,
}

/// What a module is for. One name may be used once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Acts on the requests and responses of a route.
    Filter,
    /// Answers the requests of a route.
    Service,
    /// Knows the servers to forward to.
    Upstream,
}

/// A module that cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidModule {
    /// The name is not one.
    #[error(
        "expected the name of a {kind} in lower case, digits and `_`, such as `rate_limit`, was `{name}`"
    )]
    Name {
        /// What was registered.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Another module of the kind has the name.
    #[error("there is already a {kind} named `{name}`")]
    Taken {
        /// What was registered.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// A service's name is a key of every route, and this one means something else there.
    #[error("a service cannot be named `{name}`, because every route has a key of that name")]
    Reserved {
        /// Its name.
        name: String,
    },
}

/// Modules of one kind, in the order registered: lists in messages and in the schema follow it.
#[derive(Debug, Default)]
pub(crate) struct Modules(Vec<(String, Box<dyn Module>)>);

// === impl Registry ===

impl Registry {
    /// The kind of upstream whose settings stand directly under the upstream's name.
    pub const DEFAULT_UPSTREAM: &'static str = "cluster";

    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a filter: `filters: [{ name: <settings T> }]`.
    ///
    /// # Errors
    ///
    /// If the name is taken or not one.
    pub fn filter<T: Settings>(&mut self, name: &str) -> Result<&mut Self, InvalidModule> {
        self.filters.add::<T>(Kind::Filter, name)?;
        Ok(self)
    }

    /// Registers a service: `routes: [{ name: <settings T> }]`.
    ///
    /// # Errors
    ///
    /// If the name is taken or not one, or is a key of every route, such as `match`.
    pub fn service<T: Settings>(&mut self, name: &str) -> Result<&mut Self, InvalidModule> {
        if ROUTE_KEYS.contains(&name) {
            return Err(InvalidModule::Reserved { name: name.to_owned() });
        }
        self.services.add::<T>(Kind::Service, name)?;
        Ok(self)
    }

    /// Registers a kind of upstream: `upstreams: { app: { name: <settings T> } }`, and for
    /// [`DEFAULT_UPSTREAM`](Self::DEFAULT_UPSTREAM) also `upstreams: { app: <settings T> }`.
    ///
    /// # Errors
    ///
    /// If the name is taken or not one.
    pub fn upstream<T: Settings>(&mut self, name: &str) -> Result<&mut Self, InvalidModule> {
        self.upstreams.add::<T>(Kind::Upstream, name)?;
        Ok(self)
    }

    pub(crate) fn filters(&self) -> &Modules {
        &self.filters
    }

    pub(crate) fn services(&self) -> &Modules {
        &self.services
    }

    pub(crate) fn upstreams(&self) -> &Modules {
        &self.upstreams
    }
}

// === impl Modules ===

impl Modules {
    fn add<T: Settings>(&mut self, kind: Kind, name: &str) -> Result<(), InvalidModule> {
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            return Err(InvalidModule::Name { kind, name: name.to_owned() });
        }
        if self.find(name).is_some() {
            return Err(InvalidModule::Taken { kind, name: name.to_owned() });
        }
        self.0.push((name.to_owned(), Box::new(Typed::<T>::new())));
        Ok(())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&dyn Module> {
        self.iter().find(|(registered, _)| *registered == name).map(|(_, module)| module)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &dyn Module)> {
        self.0.iter().map(|(name, module)| (name.as_str(), module.as_ref()))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

// === impl Kind ===

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Service => "service",
            Self::Upstream => "kind of upstream",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use garde::Validate;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
    struct Nothing {}

    #[test]
    fn names_are_checked_when_registered() {
        let taken = |kind| Some(InvalidModule::Taken { kind, name: "api".to_owned() });
        let name = |kind, name: &str| Some(InvalidModule::Name { kind, name: name.to_owned() });
        let reserved = Some(InvalidModule::Reserved { name: "match".to_owned() });
        let mut registry = Registry::new();
        registry.service::<Nothing>("api").unwrap().upstream::<Nothing>("cluster").unwrap();
        let rows = [
            (registry.service::<Nothing>("api").err(), taken(Kind::Service), "a name twice in a kind"),
            (registry.filter::<Nothing>("api").err(), None, "a name of another kind"),
            (registry.service::<Nothing>("match").err(), reserved, "a key of every route"),
            (registry.filter::<Nothing>("match").err(), None, "filters have a place of their own"),
            (registry.filter::<Nothing>("Rate").err(), name(Kind::Filter, "Rate"), "upper case"),
            (registry.upstream::<Nothing>("").err(), name(Kind::Upstream, ""), "no name"),
            (registry.upstream::<Nothing>("$ref").err(), name(Kind::Upstream, "$ref"), "our own marks"),
        ];
        for (actual, expected, why) in rows {
            assert_eq!(actual, expected, "{why}");
        }
    }
}
