//! The servers that may be asked at one moment, ready to be chosen from.
//!
//! A snapshot never changes. It is made anew when something about a server has changed, and requests exchange nothing
//! but an atomic pointer with whoever makes it.

use headwall_core::{Context, RequestHead};
use http::HeaderValue;

use crate::policy::{Ask, Candidate, Pick, Policy};
use crate::server::InFlight;
use crate::sticky::{Cookies, Sticky};

/// The servers that may be asked.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The first group is asked as long as it has a server for a request, then the next.
    groups: Vec<Group>,
    /// Where clients are known by cookies.
    cookies: Option<Cookies>,
}

/// Servers of one priority, of which there is at least one.
struct Group {
    candidates: Vec<Candidate>,
    picker: Box<dyn Pick>,
}

/// A server that was chosen, with the attempt begun.
pub(super) struct Chosen {
    pub(super) attempt: InFlight,
    /// What the client has to be given to come back here.
    pub(super) cookie: Option<HeaderValue>,
}

/// Why nobody was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nobody {
    /// There is no server that could be asked.
    There,
    /// All have as many requests as they may have.
    Free,
}

/// How often a choice is made anew because another request was faster to take the last place.
const TRIES: usize = 8;

impl Snapshot {
    /// A snapshot of these groups, the most wanted first.
    pub(super) fn new(
        groups: impl IntoIterator<Item = Vec<Candidate>>,
        policy: &dyn Policy,
        sticky: Option<&Sticky>,
    ) -> Self {
        let groups = groups.into_iter().filter(|candidates| !candidates.is_empty());
        let groups: Vec<_> =
            groups.map(|candidates| Group { picker: policy.prepare(&candidates), candidates }).collect();
        let cookies = sticky.map(|sticky| sticky.cookies(groups.iter().map(|group| &*group.candidates)));
        Self { groups, cookies }
    }

    /// Whether there is nobody to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Chooses the server for one attempt, and begins it.
    pub(super) fn choose(
        &self,
        req: &RequestHead,
        cx: &Context,
        sticky: Option<&Sticky>,
    ) -> Result<Chosen, Nobody> {
        let own = sticky.zip(self.cookies.as_ref()).and_then(|(sticky, cookies)| sticky.seat(cookies, req));
        for _ in 0..TRIES {
            let seat = own.filter(|&seat| self.is_open(seat, req, cx));
            let Some(seat) = seat.or_else(|| self.pick(req, cx)) else { break };
            let candidate = &self.groups[seat.0].candidates[seat.1];
            let Some(attempt) = candidate.server().begin(candidate.limit()) else { continue };
            // A client whose server is there and full for the moment keeps its cookie.
            let is_full = || own.is_some_and(|(group, index)| self.groups[group].candidates[index].is_full());
            let is_new = Some(seat) != own && !is_full();
            let cookie = self.cookies.as_ref().filter(|_| is_new).and_then(|cookies| cookies.line(seat, cx));
            return Ok(Chosen { attempt, cookie: cookie.cloned() });
        }
        Err(if self.is_empty() { Nobody::There } else { Nobody::Free })
    }

    /// Group and candidate for an attempt: one that the request has not been to, if there is any.
    fn pick(&self, req: &RequestHead, cx: &Context) -> Option<(usize, usize)> {
        let ask = |group: usize| Ask::new(&self.groups[group].candidates, req, cx);
        let seat = |group: usize| Some((group, self.groups[group].pick(&ask(group))?));
        let open = (0..self.groups.len()).find_map(seat);
        if open.is_some() || cx.tried().is_empty() {
            return open;
        }
        // A place that is taken can be waited for; if all were tried, then any is better than none.
        let is_untried = |group: usize| {
            let ask = ask(group);
            self.groups[group].candidates.iter().any(|candidate| !ask.was_tried(candidate))
        };
        if (0..self.groups.len()).any(is_untried) {
            return None;
        }
        let candidates = &self.groups.first()?.candidates;
        let start = fastrand::usize(..candidates.len());
        let nth = |n: usize| (start + n) % candidates.len();
        (0..candidates.len()).map(nth).find(|&index| !candidates[index].is_full()).map(|index| (0, index))
    }

    fn is_open(&self, (group, index): (usize, usize), req: &RequestHead, cx: &Context) -> bool {
        Ask::new(&self.groups[group].candidates, req, cx).is_open(index)
    }
}

impl Group {
    /// The policy's word, unless it names a server that cannot be asked while another can.
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        let chosen = self.picker.pick(ask).filter(|&index| ask.is_open(index));
        chosen.or_else(|| (0..self.candidates.len()).find(|&index| ask.is_open(index)))
    }
}
