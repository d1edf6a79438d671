//! What follows from the answers of one server.

use std::time::SystemTime;

use headwall_core::{BoxError, Metrics};
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec};

use super::complaint::Complaint;
use super::settings::HealthCheck;

/// The answers so far.
#[derive(Debug)]
pub(crate) struct Record {
    /// Upstream and server.
    labels: [String; 2],
    fall: u32,
    rise: u32,
    so_far: Mutex<SoFar>,
    passed: IntCounter,
    failed: IntCounter,
    failures: IntCounterVec,
}

#[derive(Debug, Default)]
struct SoFar {
    /// Results in a row that speak against the present state.
    against: u32,
    /// Whether there has been a result yet.
    is_known: bool,
    last_failure: Option<LastFailure>,
}

/// The last check that failed.
#[derive(Debug, Clone)]
pub(crate) struct LastFailure {
    pub(crate) complaint: Complaint,
    pub(crate) at: SystemTime,
}

/// What a result has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Up,
    Down,
}

impl Record {
    /// Nothing yet.
    pub(crate) fn new(
        [upstream, server]: [&str; 2],
        check: &HealthCheck,
        metrics: &Metrics,
    ) -> Result<Self, BoxError> {
        let checks = metrics.counters(
            "headwall_upstream_health_checks_total",
            "Active health checks, by result.",
            &["upstream", "server", "result"],
        )?;
        let failures = metrics.counters(
            "headwall_upstream_health_check_failures_total",
            "Active health checks that failed, by reason.",
            &["upstream", "server", "reason"],
        )?;
        Ok(Self {
            labels: [upstream.to_owned(), server.to_owned()],
            fall: check.fall,
            rise: check.rise,
            so_far: Mutex::default(),
            passed: checks.with_label_values(&[upstream, server, "passed"]),
            failed: checks.with_label_values(&[upstream, server, "failed"]),
            failures,
        })
    }

    /// Takes a result in, about a server that was taken to be up or not.
    pub(crate) fn judge(&self, was_up: bool, result: Result<(), Complaint>) -> Change {
        let passed = result.is_ok();
        if passed { &self.passed } else { &self.failed }.inc();
        let mut so_far = self.so_far.lock();
        if let Err(complaint) = result {
            let [upstream, server] = &self.labels;
            self.failures.with_label_values(&[upstream, server, complaint.word]).inc();
            so_far.last_failure = Some(LastFailure { complaint, at: SystemTime::now() });
        }
        // The first result decides by itself: nothing is known that it would have to outweigh.
        let is_first = !std::mem::replace(&mut so_far.is_known, true);
        if was_up == passed {
            so_far.against = 0;
            return Change::None;
        }
        so_far.against += 1;
        let needed = if is_first {
            1
        } else if passed {
            self.rise
        } else {
            self.fall
        };
        if so_far.against < needed {
            return Change::None;
        }
        so_far.against = 0;
        if passed { Change::Up } else { Change::Down }
    }

    /// The last check that failed, if any did.
    pub(crate) fn last_failure(&self) -> Option<LastFailure> {
        self.so_far.lock().last_failure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(metrics: &Metrics) -> Record {
        Record::new(["app", "127.0.0.1:1"], &HealthCheck::default(), metrics).unwrap()
    }

    fn refused() -> Result<(), Complaint> {
        Err(Complaint { word: "connect_refused", sentence: "nobody is there".into() })
    }

    fn changes(results: &[bool]) -> Vec<Change> {
        let record = record(&Metrics::new().unwrap());
        let mut up = true;
        let judge = |&passed: &bool| {
            let change = record.judge(up, if passed { Ok(()) } else { refused() });
            up = match change {
                Change::None => up,
                Change::Up => true,
                Change::Down => false,
            };
            change
        };
        results.iter().map(judge).collect()
    }

    #[test]
    fn three_failures_in_a_row_take_a_server_down_and_two_successes_bring_it_back() {
        use Change::{Down, None, Up};
        let results = [true, false, false, true, false, false, false, false, true, false, true, true];
        let expected = [None, None, None, None, None, None, Down, None, None, None, None, Up];
        assert_eq!(changes(&results), expected);
    }

    #[test]
    fn the_first_result_decides_by_itself() {
        assert_eq!(changes(&[false, true, true]), [Change::Down, Change::None, Change::Up]);
    }

    #[test]
    fn the_last_failure_is_remembered_and_counted_by_its_word() {
        let metrics = Metrics::new().unwrap();
        let record = record(&metrics);
        assert!(record.last_failure().is_none());
        record.judge(true, refused());
        record.judge(true, Ok(()));
        let last = record.last_failure().unwrap();
        assert_eq!(last.complaint.sentence, "nobody is there", "a success does not make it undone");
        let text = metrics.render().unwrap();
        let line = r#"failures_total{reason="connect_refused",server="127.0.0.1:1",upstream="app"} 1"#;
        assert!(text.contains(line), "{text}");
    }
}
