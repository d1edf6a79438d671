//! Which challenge is tried first: the one that has worked.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::ChallengeKind;
use crate::wanted::AllowedChallenges;

/// How challenges have gone in this process. A port that is closed to one CA is closed to all.
#[derive(Debug, Default)]
pub(crate) struct Experience {
    gone: Mutex<BTreeMap<ChallengeKind, Gone>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Gone {
    well: u32,
    wrong: u32,
}

// === impl Experience ===

impl Experience {
    pub(crate) fn note(&self, kind: ChallengeKind, has_worked: bool) {
        let mut gone = self.gone.lock();
        let gone = gone.entry(kind).or_default();
        let count = if has_worked { &mut gone.well } else { &mut gone.wrong };
        *count = count.saturating_add(1);
    }

    /// The challenges in the order of trying: a record first where there is a hook, then what has the better past. With
    /// the same past `random`, in 0..1, decides, so that both are tried by somebody.
    pub(crate) fn order(
        &self,
        has_hook: bool,
        allowed: AllowedChallenges,
        random: f64,
    ) -> Vec<ChallengeKind> {
        let gone = self.gone.lock();
        let past = |kind: ChallengeKind| {
            let gone = gone.get(&kind).copied().unwrap_or_default();
            f64::from(gone.well + 1) / (f64::from(gone.well) + f64::from(gone.wrong) + 2.0)
        };
        let (http, tls) = (ChallengeKind::Http01, ChallengeKind::TlsAlpn01);
        let is_http_first = match past(http).total_cmp(&past(tls)) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => random >= 0.5,
        };
        let pair = if is_http_first { [http, tls] } else { [tls, http] };
        let is_allowed = |kind: &ChallengeKind| match kind {
            ChallengeKind::Http01 => allowed.http_01,
            ChallengeKind::TlsAlpn01 => allowed.tls_alpn_01,
            ChallengeKind::Dns01 => has_hook,
        };
        [ChallengeKind::Dns01].into_iter().chain(pair).filter(is_allowed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_worked_comes_first() {
        use ChallengeKind::{Dns01, Http01, TlsAlpn01};
        let both = AllowedChallenges::default();
        let experience = Experience::default();
        assert_eq!(experience.order(false, both, 0.6), [Http01, TlsAlpn01], "chance decides at first");
        assert_eq!(experience.order(false, both, 0.4), [TlsAlpn01, Http01], "chance decides at first");
        experience.note(Http01, false);
        assert_eq!(experience.order(false, both, 0.6), [TlsAlpn01, Http01], "http-01 has failed");
        experience.note(Http01, true);
        experience.note(Http01, true);
        assert_eq!(experience.order(false, both, 0.4), [Http01, TlsAlpn01], "it works by now");
        assert_eq!(experience.order(true, both, 0.4)[0], Dns01, "a hook is there to be used");
        let one = AllowedChallenges { http_01: false, tls_alpn_01: true };
        assert_eq!(experience.order(false, one, 0.4), [TlsAlpn01], "what is off is not tried");
    }
}
