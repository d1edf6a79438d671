//! The upstream is asked, and what it says is kept, if it may be.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use headwall_core::semantics::Validators;
use headwall_core::upstream::{Fetched, Unfetched};
use headwall_core::{BoxError, Context, Forward, LocalReply, RequestHead};
use http::{HeaderMap, StatusCode};

use super::Caching;
use super::lookup::outgoing;
use crate::entry::Entry;
use crate::fill::{self, Keeping};
use crate::flights::{Landing, Lead};
use crate::freshness::Timing;
use crate::status::{Fetch, Told};
use crate::storable::{Storable, judge};
use crate::{question, serve};

/// How much of a body is read that nobody wants.
const UNWANTED: usize = 64 * 1024;

/// Fetches an answer, or has the one that is kept confirmed.
pub(super) struct Errand {
    pub(super) caching: Arc<Caching>,
    pub(super) lead: Lead,
    /// What is kept and no longer good.
    pub(super) entry: Option<Arc<Entry>>,
}

/// What has come back.
enum Back {
    /// What was kept is good again.
    Confirmed(Arc<Entry>),
    /// Another answer, which is on its way into the store unless there is a refusal.
    New(Box<Answer>),
    /// Nothing that could be used, and what is kept may be given all the same.
    InVain(Arc<Entry>, Option<StatusCode>),
}

/// A new answer.
struct Answer {
    fetched: Fetched,
    keeping: Option<Box<Keeping>>,
    refusal: Option<&'static str>,
}

impl Errand {
    /// Goes for a client that waits for it.
    pub(super) async fn go(
        self,
        req: &RequestHead,
        forward: &Arc<Forward>,
        varies: bool,
        cx: &mut Context,
    ) -> Result<LocalReply, BoxError> {
        let caching = self.caching.clone();
        let was_kept = self.entry.is_some();
        let (told, reply) = match self.ask(req, forward, cx).await {
            Ok(Back::Confirmed(entry)) => (Told::Revalidated, serve::from_entry(&entry, req, Instant::now())),
            Ok(Back::InVain(entry, status)) => {
                (Told::Stale(status), serve::from_entry(&entry, req, Instant::now()))
            }
            Ok(Back::New(answer)) => {
                let Answer { fetched, keeping, refusal } = *answer;
                let is_short =
                    serve::length(&fetched.head.headers).is_some_and(|length| caching.store.takes(length));
                if question::is_for_one_part(req) && fetched.head.status == StatusCode::OK && !is_short {
                    // What may be kept and does not say how long it is comes in by itself; anything else is broken off.
                    drop(fill::spawn(fetched.body, keeping));
                    return caching.pass_on(req, forward, cx).await;
                }
                let Fetched { head, body, .. } = fetched;
                let fetch = Fetch { varies, status: head.status, refusal };
                let reply = serve::from_stream(head, req, fill::spawn(body, keeping));
                (if was_kept { Told::Expired(fetch) } else { Told::Miss(fetch) }, reply)
            }
            Err(error) => return refused(error),
        };
        caching.tell(told, cx);
        Ok(reply)
    }

    /// Goes by itself: the client has been answered.
    pub(super) fn go_aside(self, req: &RequestHead, forward: &Arc<Forward>, cx: &Context) {
        let (req, forward, mut cx) = (req.clone(), forward.clone(), cx.aside());
        tokio::spawn(async move {
            match self.ask(&req, &forward, &mut cx).await {
                Ok(Back::New(answer)) => drop(fill::spawn(answer.fetched.body, answer.keeping)),
                Ok(Back::Confirmed(_) | Back::InVain(..)) => {}
                Err(error) => log::debug!("a stale answer could not be renewed: {error}"),
            }
        });
    }

    async fn ask(
        mut self,
        req: &RequestHead,
        forward: &Arc<Forward>,
        cx: &mut Context,
    ) -> Result<Back, Unfetched> {
        loop {
            let question = outgoing(req, self.entry.as_deref());
            let timing = Timing::begin();
            let fetched = self.caching.fetch.get(forward, &question, cx).await;
            let timing = timing.end();
            let fetched = match (fetched, self.entry_in_need(timing.answered)) {
                (Err(Unfetched::Failed(error)), Some(entry)) => {
                    log::debug!("a stale answer is given: {error}");
                    self.lead.land(Landing::InVain);
                    return Ok(Back::InVain(entry, None));
                }
                (Err(error), _) => return Err(error),
                (Ok(fetched), Some(entry)) if fetched.head.status.is_server_error() => {
                    let status = fetched.head.status;
                    tokio::spawn(read_off(fetched));
                    self.lead.land(Landing::InVain);
                    return Ok(Back::InVain(entry, Some(status)));
                }
                (Ok(fetched), _) => fetched,
            };
            let Some(entry) = self.entry.clone() else {
                return Ok(self.new_answer(fetched, &req.headers, &timing));
            };
            if fetched.head.status != StatusCode::NOT_MODIFIED {
                return Ok(self.new_answer(fetched, &req.headers, &timing));
            }
            if let Some(entry) = self.confirmed(&entry, &fetched, &timing) {
                let landing = if is_own(&self.lead, &fetched) { Landing::Kept } else { Landing::NotKept };
                read_off(fetched).await;
                self.lead.land(landing);
                return Ok(Back::Confirmed(entry));
            }
            // It speaks of another answer (RFC 9111, 4.3.3): the one that is kept is of no use.
            self.caching.store.drop_entry(&self.lead.course().url, &entry);
            self.entry = None;
        }
    }

    /// What is kept, if it may be given where nothing else is to be had.
    fn entry_in_need(&self, now: Instant) -> Option<Arc<Entry>> {
        let entry = self.entry.as_ref()?;
        let may_be_given = match entry.freshness.left(now) {
            Ok(_) => !entry.rules.ask_always,
            Err(over) => over <= entry.rules.stale_if_error,
        };
        may_be_given.then(|| entry.clone())
    }

    /// The server says that what is kept is still good.
    fn confirmed(&self, entry: &Arc<Entry>, fetched: &Fetched, timing: &Timing) -> Option<Arc<Entry>> {
        let update = &fetched.head.headers;
        let (known, told) = (Validators::of(&entry.headers).tag, Validators::of(update).tag);
        if known.zip(told).is_some_and(|(known, told)| !known.is_like(told)) {
            return None;
        }
        // A fallback that has the same: that is good for this request, and says nothing of the next one.
        if !is_own(&self.lead, fetched) {
            return Some(entry.clone());
        }
        let headers = entry.merged(update);
        let course = self.lead.course();
        match judge(entry.status, &headers, course.is_personal, &self.caching.terms, timing) {
            Ok(storable) => {
                let refreshed = Arc::new(entry.refreshed(&headers, &storable));
                if self.lead.is_good() {
                    self.caching.store.keep(&course.url, refreshed.clone());
                }
                Some(refreshed)
            }
            // It was good for this request, and for no other (RFC 9111, 4).
            Err(_) => {
                self.caching.store.drop_entry(&course.url, entry);
                Some(entry.clone())
            }
        }
    }

    /// The server has a new answer.
    fn new_answer(self, fetched: Fetched, request: &HeaderMap, timing: &Timing) -> Back {
        let Self { caching, lead, entry } = self;
        let head = &fetched.head;
        // A server that is in trouble may have another answer in a moment.
        let is_passing = head.status.is_server_error() || !is_own(&lead, &fetched);
        let (keeping, refusal) = match storable(&caching, &lead, &fetched, timing) {
            Ok(storable) => (Some(Keeping::new(lead, &caching.store, head, storable, request)), None),
            Err(refusal) => {
                if !is_passing {
                    let (store, course) = (&caching.store, lead.course().clone());
                    if let Some(entry) = entry {
                        store.drop_entry(&course.url, &entry);
                    }
                    store.pass(course);
                }
                (None, Some(refusal))
            }
        };
        Back::New(Box::new(Answer { fetched, keeping, refusal }))
    }
}

impl Caching {
    /// Has the upstream give a part of what nobody is to wait for.
    async fn pass_on(
        &self,
        req: &RequestHead,
        forward: &Arc<Forward>,
        cx: &mut Context,
    ) -> Result<LocalReply, BoxError> {
        self.tell(Told::Bypass("partial"), cx);
        match self.fetch.get(forward, req, cx).await {
            Ok(Fetched { head, body, .. }) => Ok(LocalReply::streamed(head, fill::spawn(body, None))),
            Err(error) => refused(error),
        }
    }
}

fn refused(error: Unfetched) -> Result<LocalReply, BoxError> {
    match error {
        Unfetched::Refused(reply) => Ok(*reply),
        Unfetched::Failed(error) => Err(error.into()),
    }
}

/// Whether the upstream that was asked has answered, and not its fallback. What that says is for the time of need: it is not
/// kept, or clients would get it when the upstream is well again.
fn is_own(lead: &Lead, fetched: &Fetched) -> bool {
    fetched.upstream == lead.course().way.upstream
}

fn storable(
    caching: &Caching,
    lead: &Lead,
    fetched: &Fetched,
    timing: &Timing,
) -> Result<Storable, &'static str> {
    if !is_own(lead, fetched) {
        return Err("fallback");
    }
    let Fetched { head, is_framed, .. } = fetched;
    if !caching.store.takes(serve::length(&head.headers).unwrap_or(0)) {
        return Err("too-large");
    }
    // Whether it is whole could not be told.
    if !is_framed {
        return Err("unframed");
    }
    judge(head.status, &head.headers, lead.course().is_personal, &caching.terms, timing)
}

/// Reads a body that nobody wants, so that its connection is kept and its attempt is told to have ended well.
async fn read_off(fetched: Fetched) {
    let (mut body, mut length) = (fetched.body, 0);
    while let Some(Ok(piece)) = body.next().await {
        length += piece.len();
        if length > UNWANTED {
            break;
        }
    }
}
