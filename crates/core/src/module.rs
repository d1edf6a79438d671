//! How config becomes filters, services and upstreams.
//!
//! A [`Module`] is a settings type that knows how to build one of the three. The config reader fills the settings in
//! by their type, so a misspelt key in a module of yours is reported like one of ours: file, line, column, suggestion.
//! [`Build`] is what a module finds around it while it builds.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::units::UpstreamRef;
use crate::{BoxError, Metrics, NamedUpstream, Service};

/// Settings of a filter, a service or an upstream, and how to make one of them.
///
/// ```
/// use std::sync::Arc;
/// use headwall_core::{async_trait, BoxError, Build, Context, Filter, Module, ResponseHead};
///
/// /// Tells the client who was here.
/// #[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema, garde::Validate)]
/// #[serde(deny_unknown_fields)]
/// struct Signature {
///     /// The header's value.
///     #[garde(length(min = 1))]
///     text: String,
/// }
///
/// impl Module for Signature {
///     type Makes = dyn Filter;
///
///     fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
///         Ok(Arc::new(Sign(self.text.parse()?)))
///     }
/// }
///
/// struct Sign(http::HeaderValue);
///
/// impl Filter for Sign {
///     fn response(&self, res: &mut ResponseHead, _: &mut Context) -> Result<(), BoxError> {
///         res.headers.insert("x-signature", self.0.clone());
///         Ok(())
///     }
/// }
/// ```
pub trait Module:
    DeserializeOwned + Serialize + JsonSchema + garde::Validate<Context = ()> + fmt::Debug + Send + Sync + 'static
{
    /// `dyn Filter`, `dyn Service` or `dyn Upstream`.
    type Makes: ?Sized + Send + Sync;

    /// Makes one. Called for each place in the config that names the module, at the start and at every reload.
    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<Self::Makes>, BoxError>;
}

/// What a module finds around it while it is built.
pub struct Build<'a> {
    name: &'a str,
    place: &'a str,
    upstreams: &'a HashMap<String, Arc<NamedUpstream>>,
    metrics: &'a Metrics,
    shared: &'a Shared,
    warm_up: &'a mut Vec<WarmUp>,
    next: Option<&'a str>,
    accord: Option<&'a Accord>,
    pages: Option<&'a AdminPages>,
}

/// Work to be done before the first request, such as a first health check.
pub type WarmUp = Pin<Box<dyn Future<Output = ()> + Send>>;

/// State that outlives a reload.
///
/// A value lives as long as somebody holds it. While a new config is being built the old one is still there, so what
/// is asked for under the same key is found again, and what no config asks for any more is dropped with the old one.
#[derive(Default)]
pub struct Shared(Mutex<HashMap<(TypeId, String), Weak<dyn Any + Send + Sync>>>);

/// What modules of one config have said about the things that they share by name.
///
/// It lives while one config is built, so a reload may say something else than the config before it.
#[derive(Debug, Default)]
pub struct Accord(Mutex<HashMap<String, Word>>);

/// What the modules of one config have for operators, by path on the admin listener.
#[derive(Default)]
pub struct AdminPages(Mutex<BTreeMap<String, Arc<dyn Service>>>);

/// What was said first about a thing, and where.
#[derive(Debug)]
struct Word {
    said: String,
    place: String,
}

// === impl Build ===

impl<'a> Build<'a> {
    /// The surroundings of one module. `place` is unique to it within the config, such as `app/login`.
    pub fn new(
        name: &'a str,
        place: &'a str,
        upstreams: &'a HashMap<String, Arc<NamedUpstream>>,
        metrics: &'a Metrics,
        shared: &'a Shared,
        warm_up: &'a mut Vec<WarmUp>,
    ) -> Self {
        Self { name, place, upstreams, metrics, shared, warm_up, next: None, accord: None, pages: None }
    }

    /// Tells which filter stands right behind this one in its list. Nothing by default.
    #[must_use]
    pub fn followed_by(self, next: Option<&'a str>) -> Self {
        Self { next, ..self }
    }

    /// Builds among other modules of the same config. By default a module is alone.
    #[must_use]
    pub fn among(self, accord: &'a Accord) -> Self {
        Self { accord: Some(accord), ..self }
    }

    /// Builds for a server that has an admin listener. By default there is none.
    #[must_use]
    pub fn with_admin(self, pages: &'a AdminPages) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// The name under which the config mentions the module: its own for an upstream, its kind's for the others.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Where the module stands: site and route, or `upstreams`.
    pub fn place(&self) -> &str {
        self.place
    }

    /// The kind of the filter that stands right behind this one in the same list, if there is one. Nothing comes
    /// between the two at run time, so filters of one kind can decide together.
    pub fn next_filter(&self) -> Option<&str> {
        self.next
    }

    /// Has everybody in this config say the same about something that they share by name, such as the rate of a zone
    /// that several routes count in.
    ///
    /// # Errors
    ///
    /// When another module has said something else; the error tells what, and where it stands.
    pub fn agree(&self, thing: &str, said: &str) -> Result<(), BoxError> {
        self.accord.map_or(Ok(()), |accord| accord.hear(&format!("{} {thing}", self.name), said, self.place))
    }

    /// An upstream by its name. The config reader has checked that the name exists.
    pub fn upstream(&self, name: &UpstreamRef) -> Result<Arc<NamedUpstream>, BoxError> {
        let found = self.upstreams.get(name.as_str());
        found
            .cloned()
            .ok_or_else(|| format!("there is no upstream called {name:?}", name = name.as_str()).into())
    }

    /// The server's metrics, to register one's own. Resolve labels here, not per request.
    pub fn metrics(&self) -> &Metrics {
        self.metrics
    }

    /// State that outlives a reload, made now unless the running config already has it.
    ///
    /// Put into the key everything that makes it a different thing when it changes: place, settings, rate.
    pub fn shared<T: Send + Sync + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<T, BoxError>,
    ) -> Result<Arc<T>, BoxError> {
        self.shared.obtain(&format!("{} {key}", self.name), make)
    }

    /// Has a service answer requests to this path on the admin listener, such as `/cache`. It replies by itself: a request
    /// that it would forward is not found. Modules of one kind share a path by sharing the service.
    pub fn on_admin(&self, path: &str, service: Arc<dyn Service>) {
        if let Some(AdminPages(pages)) = self.pages {
            pages.lock().insert(path.to_owned(), service);
        }
    }

    /// Has something done before the new config takes its first request. The server waits for it, but not forever.
    pub fn before_traffic(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.warm_up.push(Box::pin(work));
    }
}

impl fmt::Debug for Build<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build").field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

// === impl AdminPages ===

impl AdminPages {
    /// Every path with its service.
    pub fn into_inner(self) -> BTreeMap<String, Arc<dyn Service>> {
        self.0.into_inner()
    }
}

impl fmt::Debug for AdminPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

// === impl Accord ===

impl Accord {
    fn hear(&self, thing: &str, said: &str, place: &str) -> Result<(), BoxError> {
        let mut words = self.0.lock();
        let first = words
            .entry(thing.to_owned())
            .or_insert_with(|| Word { said: said.to_owned(), place: place.to_owned() });
        if first.said == said {
            return Ok(());
        }
        Err(format!("here it is {said}, but {} in `{}`", first.said, first.place).into())
    }
}

// === impl Shared ===

impl Shared {
    /// What is kept under a key, made now if nobody holds it. The type is part of the key.
    pub fn obtain<T: Send + Sync + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<T, BoxError>,
    ) -> Result<Arc<T>, BoxError> {
        let key = (TypeId::of::<T>(), key.to_owned());
        let mut kept = self.0.lock();
        let found = kept.get(&key).and_then(Weak::upgrade);
        if let Some(found) = found.and_then(|any| any.downcast::<T>().ok()) {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        let any: Arc<dyn Any + Send + Sync> = made.clone();
        kept.retain(|_, value| value.strong_count() > 0);
        kept.insert(key, Arc::downgrade(&any));
        Ok(made)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys().map(|(_, key)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_state_lives_as_long_as_a_config_holds_it() {
        let shared = Shared::default();
        let obtain = |value: u32| shared.obtain("zone", move || Ok(value)).unwrap();
        let (old, new) = (obtain(1), obtain(2));
        assert_eq!(*new, 1, "the running config has it already");
        assert_eq!(*shared.obtain("zone", || Ok(3_u64)).unwrap(), 3, "another type is another thing");
        drop((old, new));
        assert_eq!(*obtain(5), 5, "nobody held it any more");
    }

    #[test]
    fn modules_of_one_config_agree_on_what_they_share() {
        let (upstreams, metrics, shared) = (HashMap::new(), Metrics::new().unwrap(), Shared::default());
        let say = |accord: Option<&Accord>, place: &str, said: &str| {
            let mut warm_up = Vec::new();
            let alone = Build::new("limit", place, &upstreams, &metrics, &shared, &mut warm_up);
            let build = match accord {
                Some(accord) => alone.among(accord),
                None => alone,
            };
            build.agree("zone logins", said).map_err(|error| error.to_string())
        };
        let accord = Accord::default();
        assert_eq!(say(Some(&accord), "app/login", "5r/m"), Ok(()), "the first");
        assert_eq!(say(Some(&accord), "app/reset", "5r/m"), Ok(()), "another says the same");
        let error = say(Some(&accord), "app/token", "6r/m").unwrap_err();
        assert_eq!(error, "here it is 6r/m, but 5r/m in `app/login`");
        assert_eq!(say(Some(&Accord::default()), "app/token", "6r/m"), Ok(()), "another config");
        assert_eq!(say(None, "app/token", "7r/m"), Ok(()), "alone");
    }

    #[test]
    fn a_filter_knows_what_stands_behind_it() {
        let (upstreams, metrics, shared) = (HashMap::new(), Metrics::new().unwrap(), Shared::default());
        let mut warm_up = Vec::new();
        let build = Build::new("limit", "app", &upstreams, &metrics, &shared, &mut warm_up);
        assert_eq!(build.next_filter(), None, "unless somebody tells");
        assert_eq!(build.followed_by(Some("headers")).next_filter(), Some("headers"));
    }
}
