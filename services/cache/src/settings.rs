//! What is written about a cache, and how it is built.

use std::path::PathBuf;
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::{Duration, Size};
use headwall_core::upstream::Fetch;
use headwall_core::{BoxError, Build, Filter, Module};
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::filter::{CacheFilter, Caching};
use crate::page::{Caches, Page};
use crate::storable::Terms;
use crate::store::Store;
use crate::tally::{Numbers, Tally};

/// Keeps answers of the upstream and gives them again, by the rules of RFC 9111. Nothing is kept that the upstream does not
/// allow to be kept, nothing that says nothing about for how long it is good, nothing that sets a cookie, and nothing that was
/// answered to somebody who has said who they are (`Authorization`, a cookie, a client certificate, a user that a filter has
/// found out) unless the answer says that it is for everybody.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// How much memory the answers take. Default: `64m`.
    #[garde(skip)]
    pub memory: Size,
    /// Where answers go for which there is no more room in memory. Default: they are given up.
    #[garde(skip)]
    pub disk: Option<DiskSettings>,
    /// The largest body that is kept. Default: `1m`.
    #[garde(skip)]
    pub max_object: Size,
    /// For how long an answer is good that says nothing about it. Default: such an answer is not kept.
    #[garde(skip)]
    pub ttl: Option<Duration>,
    /// For how long an answer that is no longer good is given while a new one is fetched, where it says nothing about it.
    /// Default: `0s`.
    #[garde(skip)]
    pub stale_while_revalidate: Duration,
    /// For how long an answer that is no longer good is given when the upstream fails or answers with 5xx, where it says
    /// nothing about it. Default: `0s`.
    #[garde(skip)]
    pub stale_if_error: Duration,
    /// How long a request waits for another one that fetches the same, counted from the start of that. Then it goes to the
    /// upstream by itself. Default: `5s`.
    #[garde(skip)]
    pub wait: Duration,
    /// Headers of the request that answers depend on, beside those that `Vary` names. Default: none.
    #[garde(skip)]
    pub key_headers: Vec<String>,
    /// Parameters of the query that answers do not depend on, such as `utm_source`. Default: none.
    #[garde(inner(length(min = 1), pattern(r"^[^&=?#]+$")))]
    pub ignore_query: Vec<String>,
    /// Says that no answer depends on who asks: requests that say who they come from are like any other. Default: false.
    #[garde(skip)]
    pub ignore_credentials: bool,
    /// Keeps answers that set cookies, without the cookies. Default: false.
    #[garde(skip)]
    pub ignore_set_cookie: bool,
    /// Obeys `Cache-Control` of requests: `no-cache`, `max-age`, `min-fresh` and `only-if-cached`. Anybody can then have the
    /// upstream asked. `no-store` is obeyed in any case. Default: false.
    #[garde(skip)]
    pub client_directives: bool,
    /// Asks the upstream for the whole where a client asks for the head of what is not kept, and keeps that. Without it, such a
    /// request goes on as it is. Default: true.
    #[garde(skip)]
    pub convert_head: bool,
    /// The same for one part of what is not kept. Only what says that it is not larger than `max_object` is waited for; of
    /// anything else the upstream is asked for the part. Default: true.
    #[garde(skip)]
    pub convert_range: bool,
    /// Tells in `Cache-Status` what was done with a request (RFC 9211). Default: true.
    #[garde(skip)]
    pub cache_status: bool,
}

/// A directory for answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CacheDisk")]
pub struct DiskSettings {
    /// The directory. It is made if it is not there. What is in it besides is left alone.
    pub path: PathBuf,
    /// How many bytes the files take.
    pub size: Size,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory: Size::from_mib(64),
            disk: None,
            max_object: Size::from_mib(1),
            ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            wait: Duration::from_secs(5),
            key_headers: Vec::new(),
            ignore_query: Vec::new(),
            ignore_credentials: false,
            ignore_set_cookie: false,
            client_directives: false,
            convert_head: true,
            convert_range: true,
            cache_status: true,
        }
    }
}

impl Module for Cache {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let bytes = |size: Size| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        let (memory, largest) = (bytes(self.memory), bytes(self.max_object));
        if largest == 0 || memory / 4 < largest {
            let (memory, largest) = (self.memory, self.max_object);
            return Err(format!(
                "`memory` is {memory}, which is less than four objects of {largest} (`max_object`)"
            )
            .into());
        }
        if let Some(disk) = self.disk.as_ref().filter(|disk| disk.size < self.memory) {
            let (disk, memory) = (disk.size, self.memory);
            return Err(format!("`disk.size` is {disk}, which is less than `memory`, {memory}").into());
        }
        if let Some(path) =
            self.disk.as_ref().map(|disk| &disk.path).filter(|path| path.exists() && !path.is_dir())
        {
            return Err(format!("`disk.path` is {}, which is no directory", path.display()).into());
        }
        let terms = Terms {
            ttl: self.ttl.map(Duration::as_std),
            ignore_credentials: self.ignore_credentials,
            ignore_set_cookie: self.ignore_set_cookie,
            stale_while_revalidate: self.stale_while_revalidate.as_std(),
            stale_if_error: self.stale_if_error.as_std(),
            key_headers: self.key_headers.iter().map(|name| header(name)).collect::<Result<_, _>>()?,
        };
        // Whatever changes what may be kept, or for whom, makes it another store.
        let kept = (
            &self.key_headers,
            &self.ignore_query,
            self.ignore_credentials,
            self.ignore_set_cookie,
            self.ttl,
        );
        let key = format!("{} {memory} {largest} {kept:?} {:?}", cx.place(), self.disk);
        let numbers = Numbers::new(cx)?;
        let mut writer = None;
        let store = cx.shared(&key, || {
            let Some(DiskSettings { path, size }) = &self.disk else {
                return Store::new(memory, largest, None, numbers);
            };
            let (evictions, bytes) = (numbers.evictions.clone(), numbers.disk_bytes.clone());
            let (disk, idle) = Disk::new(size.bytes(), memory, evictions, bytes)?;
            writer = Some((idle, path.clone()));
            Store::new(memory, largest, Some(disk), numbers)
        })?;
        if let Some((writer, path)) = writer {
            cx.before_traffic(async move {
                let begun = tokio::task::spawn_blocking(move || writer.begin(&path)).await;
                if let Ok(Err(error)) = begun {
                    log::error!("cache: {error}; answers are kept in memory alone");
                }
            });
        }
        let caching = Arc::new(Caching {
            store,
            fetch: cx.shared("fetch", || Ok(Fetch::new()))?,
            terms,
            tally: Tally::new(cx)?,
            ignore_query: self.ignore_query.clone(),
            obeys_clients: self.client_directives,
            patience: self.wait.as_std(),
            converts_head: self.convert_head,
            converts_range: self.convert_range,
            tells: self.cache_status,
        });
        let caches = cx.shared("caches", || Ok(Caches::default()))?;
        caches.add(cx.place(), &caching);
        cx.on_admin("/cache", Arc::new(Page(caches)));
        Ok(Arc::new(CacheFilter(caching)))
    }
}

fn header(name: &str) -> Result<HeaderName, BoxError> {
    name.parse().map_err(|_| format!("expected the name of a header, found `{name}`").into())
}
