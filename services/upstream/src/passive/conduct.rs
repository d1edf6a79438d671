//! How one server serves, as far as it matters: what failed in a row.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts that every request of a server may add to, without a lock.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    /// Attempts in a row without a whole answer.
    failed: AtomicU32,
    /// Attempts in a row without a whole answer, or with one that blames something behind the server.
    bad: AtomicU32,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Fine,
    GatewayError,
    Failed,
}

/// How many in a row are too many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) failures: u32,
    pub(super) gateway_errors: u32,
}

impl Conduct {
    /// Takes an outcome in. True when it was one too many; then it is counted from the beginning, so that a server which has
    /// to stay in use all the same is not judged for each request.
    pub(super) fn take_in(&self, outcome: Outcome, limits: &Limits) -> bool {
        let is_full = match outcome {
            Outcome::Fine => {
                self.forget();
                false
            }
            Outcome::GatewayError => {
                reset(&self.failed);
                add(&self.bad) >= limits.gateway_errors
            }
            Outcome::Failed => {
                let is_full = add(&self.failed) >= limits.failures;
                add(&self.bad) >= limits.gateway_errors || is_full
            }
        };
        if is_full {
            self.forget();
        }
        is_full
    }

    /// Counts from the beginning.
    pub(super) fn forget(&self) {
        reset(&self.failed);
        reset(&self.bad);
    }
}

fn add(count: &AtomicU32) -> u32 {
    count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}

/// Writes only if there is something to be changed: the usual request shares the line and owns nothing.
fn reset(count: &AtomicU32) {
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { failures: 3, gateway_errors: 5 };

    /// The outcomes as letters, and the places at which one was too many.
    fn full_at(outcomes: &str) -> Vec<usize> {
        let conduct = Conduct::default();
        let of = |letter| match letter {
            'f' => Outcome::Failed,
            'g' => Outcome::GatewayError,
            _ => Outcome::Fine,
        };
        let is_full = |letter| conduct.take_in(of(letter), &LIMITS);
        outcomes.chars().enumerate().filter(|&(_, letter)| is_full(letter)).map(|(place, _)| place).collect()
    }

    #[test]
    fn only_what_fails_in_a_row_is_too_much() {
        let rows: [(&str, &[usize], &str); 7] = [
            ("fff", &[2], "three failures"),
            ("ff.ff.ff", &[], "never three in a row"),
            ("ggggg", &[4], "five gateway errors"),
            ("gggg.gggg", &[], "never five in a row"),
            ("ffgffgff", &[4], "together they are five: any of them is no answer to the request"),
            ("ffffff", &[2, 5], "it begins anew"),
            ("gggff", &[4], "failures count among gateway errors"),
        ];
        for (outcomes, places, row) in rows {
            assert_eq!(full_at(outcomes), places, "{row}");
        }
    }

    proptest! {
        #[test]
        fn it_takes_as_many_in_a_row_as_the_limit_says(outcomes in "[fg.]{0,60}") {
            let outcomes: Vec<char> = outcomes.chars().collect();
            let text: String = outcomes.iter().collect();
            let (mut failed, mut bad) = (0, 0);
            let mut expected = Vec::new();
            for (place, outcome) in outcomes.iter().enumerate() {
                failed = if *outcome == 'f' { failed + 1 } else { 0 };
                bad = if *outcome == '.' { 0 } else { bad + 1 };
                if failed == LIMITS.failures || bad == LIMITS.gateway_errors {
                    expected.push(place);
                    (failed, bad) = (0, 0);
                }
            }
            prop_assert_eq!(full_at(&text), expected);
        }
    }
}
