//! Whether there is an answer, or somebody who is fetching it.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwall_core::{BoxError, Context, Forward, LocalReply, RequestHead, Shortcut, async_trait};
use http::header::RANGE;
use http::{Method, StatusCode};

use super::Caching;
use super::ask::Errand;
use crate::directives::{Directives, Scope};
use crate::entry::Entry;
use crate::flights::{Course, Landing, Part};
use crate::status::Told;
use crate::way::Way;
use crate::{credentials, question, serve};

/// How often a request waits for others. Each time the answer that has come was for somebody else.
const WAITS: usize = 3;

/// One request that may be answered from here.
pub(super) struct Lookup {
    pub(super) caching: Arc<Caching>,
    pub(super) url: Arc<str>,
    /// Whether it had said who it comes from when it came by; a filter may have taken that away since.
    pub(super) is_personal: bool,
}

/// What can be done with what is kept.
enum Found {
    /// It is good.
    Good(Arc<Entry>, Duration),
    /// It is not, and may be given for now.
    ForNow(Arc<Entry>, Duration),
    /// It has to be asked about.
    Doubtful(Arc<Entry>),
    /// There is nothing, or something for other requests.
    Nothing(bool),
    /// It is for those who do not say who they are.
    NotForThem,
}

#[async_trait]
impl Shortcut for Lookup {
    async fn reply(
        &self,
        req: &RequestHead,
        forward: &Arc<Forward>,
        cx: &mut Context,
    ) -> Result<Option<LocalReply>, BoxError> {
        let caching = &self.caching;
        let is_personal = !caching.terms.ignore_credentials
            && (self.is_personal || credentials::are_shown(&req.headers, cx));
        let route = cx.route().map(|route| route.name.clone()).unwrap_or_default();
        let way = Way { route, upstream: forward.upstream.name().clone() };
        let course = Course { url: self.url.clone(), way, is_personal };
        let said = Directives::of_request(&req.headers);
        for _ in 0..WAITS {
            let now = Instant::now();
            let mut found = self.find(&course, req, &said, now);
            if matches!(found, Found::Nothing(false)) && caching.store.recall(&self.url).await {
                found = self.find(&course, req, &said, now);
            }
            let (entry, varies) = match found {
                Found::Good(entry, left) => {
                    caching.tell(Told::Hit(left), cx);
                    return Ok(Some(serve::from_entry(&entry, req, now)));
                }
                Found::ForNow(entry, over) => {
                    if let Part::Lead(lead) = caching.store.flights().join(&course, caching.patience) {
                        let errand = Errand { caching: caching.clone(), lead, entry: Some(entry.clone()) };
                        errand.go_aside(req, forward, cx);
                    }
                    caching.tell(Told::Updating(over), cx);
                    return Ok(Some(serve::from_entry(&entry, req, now)));
                }
                Found::NotForThem => return Ok(self.bypass("credentials", cx)),
                Found::Doubtful(entry) => (Some(entry), false),
                Found::Nothing(varies) => (None, varies),
            };
            if let Break(answer) = self.without_asking(&course, req, &said, entry.is_some(), cx) {
                return Ok(answer);
            }
            match caching.store.flights().join(&course, caching.patience) {
                Part::Lead(lead) => {
                    let errand = Errand { caching: caching.clone(), lead, entry };
                    return errand.go(req, forward, varies, cx).await.map(Some);
                }
                Part::Follow(wait) => {
                    if let Break(answer) = self.landed(wait.landing().await, entry, req, cx) {
                        return Ok(answer);
                    }
                }
            }
        }
        Ok(self.bypass("late", cx))
    }
}

impl Lookup {
    fn bypass(&self, why: &'static str, cx: &mut Context) -> Option<LocalReply> {
        self.caching.tell(Told::Bypass(why), cx);
        None
    }

    /// What is clear before the upstream is asked from here.
    fn without_asking(
        &self,
        course: &Course,
        req: &RequestHead,
        said: &Directives,
        has_entry: bool,
        cx: &mut Context,
    ) -> ControlFlow<Option<LocalReply>> {
        if said.only_if_cached && self.caching.obeys_clients {
            let reply = LocalReply::error(StatusCode::GATEWAY_TIMEOUT, "not_cached");
            return Break(Some(reply.message("There is no answer that could be given without asking.")));
        }
        if said.no_store {
            return Break(self.bypass("request", cx));
        }
        if has_entry {
            return Continue(());
        }
        let is_worth_the_whole = match req.method {
            Method::HEAD => self.caching.converts_head,
            _ if question::is_for_one_part(req) => self.caching.converts_range,
            _ => !req.headers.contains_key(RANGE),
        };
        if !is_worth_the_whole {
            return Break(self.bypass("partial", cx));
        }
        if self.caching.store.passes(course, Instant::now()) {
            return Break(self.bypass("not-kept", cx));
        }
        Continue(())
    }

    /// Another request has asked the upstream.
    fn landed(
        &self,
        landing: Landing,
        entry: Option<Arc<Entry>>,
        req: &RequestHead,
        cx: &mut Context,
    ) -> ControlFlow<Option<LocalReply>> {
        match (landing, entry) {
            (Landing::Kept, _) => Continue(()),
            (Landing::InVain, Some(entry)) => {
                self.caching.tell(Told::Stale(None), cx);
                Break(Some(serve::from_entry(&entry, req, Instant::now())))
            }
            (Landing::NotKept | Landing::InVain, _) => Break(self.bypass("not-kept", cx)),
            (Landing::Aloft, _) => Break(self.bypass("late", cx)),
        }
    }

    fn find(&self, course: &Course, req: &RequestHead, said: &Directives, now: Instant) -> Found {
        let entry = match self.caching.store.find(&self.url, &course.way, &req.headers) {
            Ok(entry) => entry,
            Err(varies) => return Found::Nothing(varies),
        };
        let rules = entry.rules;
        if course.is_personal && !rules.is_shared {
            return Found::NotForThem;
        }
        let unheard = Directives::default();
        let said = if self.caching.obeys_clients { said } else { &unheard };
        let is_refused = said.no_cache != Scope::Nothing
            || said.max_age.is_some_and(|most| entry.freshness.age(now) > most)
            || rules.ask_always;
        match entry.freshness.left(now) {
            _ if is_refused => Found::Doubtful(entry),
            Ok(left) if said.min_fresh.is_none_or(|least| left >= least) => Found::Good(entry, left),
            Ok(_) => Found::Doubtful(entry),
            Err(over) if over <= rules.stale_while_revalidate => Found::ForNow(entry, over),
            Err(_) => Found::Doubtful(entry),
        }
    }
}

/// What a client that asks for a whole answer is to get.
pub(super) fn outgoing(req: &RequestHead, entry: Option<&Entry>) -> RequestHead {
    entry.map_or_else(|| question::whole(req), |entry| question::still(req, entry))
}
