//! A place for one identity, which can be filled while handshakes go on.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

use crate::Identity;

/// Holds the identity that is shown at present, if there is one.
#[derive(Debug, Default)]
pub struct Slot(ArcSwapOption<Identity>);

impl Slot {
    /// A place that nothing is in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is in it.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.0.load_full()
    }

    /// Puts an identity in, and says whether it is now the one that is shown. One that does not count (not yet, or no
    /// longer) does not take the place of one that does: it would lock clients out.
    pub fn put(&self, identity: Identity, now: SystemTime) -> bool {
        let counts = |identity: &Identity| identity.is_valid_at(now);
        if !counts(&identity) && self.0.load().as_deref().is_some_and(counts) {
            return false;
        }
        self.0.store(Some(Arc::new(identity)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;

    #[test]
    fn an_expired_identity_does_not_take_the_place_of_a_good_one() {
        let now = SystemTime::now();
        let slot = Slot::new();
        assert!(slot.put(identity(&["a.example.com"], (2000, 2001)), now), "better than nothing");
        assert!(slot.put(identity(&["b.example.com"], (2020, 2060)), now), "better than an expired one");
        assert!(!slot.put(identity(&["c.example.com"], (2000, 2001)), now));
        assert!(!slot.put(identity(&["d.example.com"], (2058, 2060)), now), "nor one from the future");
        assert!(slot.identity().unwrap().covers("b.example.com"));
    }
}
