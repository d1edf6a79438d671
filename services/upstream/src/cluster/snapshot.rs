//! The servers that may be asked at one moment, ready to be chosen from.
//!
//! A snapshot never changes. It is made anew when something about a server has changed, and requests exchange nothing
//! but an atomic pointer with whoever makes it.

use std::sync::Arc;

use headwall_core::{Context, RequestHead};

use crate::policy::{Ask, Candidate, Pick, Policy};
use crate::server::Server;

/// The servers that may be asked.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The first group is asked as long as it has a server for a request, then the next.
    groups: Vec<Group>,
}

/// Servers of one priority, of which there is at least one.
struct Group {
    candidates: Vec<Candidate>,
    picker: Box<dyn Pick>,
}

impl Snapshot {
    /// A snapshot of these groups, the most wanted first.
    pub(super) fn new(groups: impl IntoIterator<Item = Vec<Candidate>>, policy: &dyn Policy) -> Self {
        let groups = groups.into_iter().filter(|candidates| !candidates.is_empty());
        let groups = groups.map(|candidates| Group { picker: policy.prepare(&candidates), candidates });
        Self { groups: groups.collect() }
    }

    /// Whether there is nobody to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The server for one attempt: one that the request has not been to, if there is any.
    pub(super) fn pick(&self, req: &RequestHead, cx: &Context) -> Option<&Arc<Server>> {
        let open = self.groups.iter().find_map(|group| group.pick(&Ask::new(&group.candidates, req, cx)));
        open.or_else(|| {
            // All were tried, and any is better than none.
            let group = self.groups.first()?;
            let chosen = fastrand::usize(..group.candidates.len());
            Some(group.candidates[chosen].server())
        })
    }
}

impl Group {
    fn pick(&self, ask: &Ask<'_>) -> Option<&Arc<Server>> {
        let chosen = self.picker.pick(ask).filter(|&index| ask.is_open(index));
        let index = chosen.or_else(|| (0..self.candidates.len()).find(|&index| ask.is_open(index)))?;
        Some(self.candidates[index].server())
    }
}
