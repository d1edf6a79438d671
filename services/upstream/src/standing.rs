//! What is known of a server, in one word, and who of several may be asked.

/// How a server stands. Where several things can be said, this is the one that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It works, as far as is known.
    Ready,
    /// It is passed over for a while because of how it has served.
    Ejected,
    /// Its checks fail.
    Down,
    /// Its first check is still to come.
    Unchecked,
    /// An operator lets it finish what it has.
    Draining,
}

/// Who may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eligible {
    /// Those that are ready.
    Ready,
    /// Those that are ejected: better than nobody.
    Ejected,
    /// Everybody but those that are draining: so many are out that it is not believed.
    Anybody,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Ejected => "ejected",
            Self::Down => "down",
            Self::Unchecked => "unchecked",
            Self::Draining => "draining",
        }
    }
}

impl Eligible {
    /// Who of these may be asked. Health is believed as long as `panic_threshold` percent of the servers are ready.
    pub(crate) fn among(servers: impl IntoIterator<Item = Standing>, panic_threshold: u32) -> Self {
        let (mut all, mut ready) = (0_u64, 0_u64);
        for standing in servers {
            all += u64::from(standing != Standing::Draining);
            ready += u64::from(standing == Standing::Ready);
        }
        if ready * 100 < all * u64::from(panic_threshold) {
            Self::Anybody
        } else if ready == 0 {
            Self::Ejected
        } else {
            Self::Ready
        }
    }

    /// Whether a server is one of them.
    pub(crate) fn has(self, standing: Standing) -> bool {
        match self {
            Self::Ready => standing == Standing::Ready,
            Self::Ejected => standing == Standing::Ejected,
            Self::Anybody => standing != Standing::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use Standing::{Down, Draining, Ejected, Ready, Unchecked};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn health_is_believed_up_to_a_threshold() {
        let rows: [(&[Standing], u32, Eligible, &str); 8] = [
            (&[Ready, Down, Down], 0, Eligible::Ready, "one is enough"),
            (&[Down, Down], 0, Eligible::Ejected, "which is nobody: all are down"),
            (&[Down, Ejected], 0, Eligible::Ejected, "better than nobody"),
            (&[Ready, Down], 50, Eligible::Ready, "half of them are ready"),
            (&[Ready, Down, Ejected], 50, Eligible::Anybody, "less than half"),
            (&[Ready, Draining, Draining], 50, Eligible::Ready, "who is draining does not count"),
            (&[Unchecked, Down], 50, Eligible::Anybody, "nobody"),
            (&[], 50, Eligible::Ejected, "there is nobody"),
        ];
        for (servers, threshold, eligible, row) in rows {
            assert_eq!(Eligible::among(servers.iter().copied(), threshold), eligible, "{row}");
        }
    }

    proptest! {
        #[test]
        fn nobody_is_asked_who_is_not_ready_while_somebody_is(
            servers in proptest::collection::vec(
                prop_oneof![Just(Ready), Just(Ejected), Just(Down), Just(Unchecked), Just(Draining)],
                0..20,
            ),
            threshold in 0_u32..=100,
        ) {
            let asked = |threshold| {
                let eligible = Eligible::among(servers.iter().copied(), threshold);
                servers.iter().copied().filter(move |&standing| eligible.has(standing)).collect::<Vec<_>>()
            };
            if servers.contains(&Ready) {
                prop_assert!(asked(0).iter().all(|&standing| standing == Ready));
                prop_assert!(asked(threshold).contains(&Ready));
            }
            prop_assert!(!asked(threshold).contains(&Draining), "an operator is always obeyed");
        }
    }
}
