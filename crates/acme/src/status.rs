//! Where a certificate stands, for the admin API and for metrics.

use jiff::Timestamp;
use serde::Serialize;

use crate::Identifier;

/// Where a certificate stands. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The certificate's names.
    pub names: Vec<Identifier>,
    /// What is going on.
    pub state: State,
    /// The CA that issued the certificate that is there.
    pub authority: Option<String>,
    /// The certificate's first second.
    pub not_before: Option<Timestamp>,
    /// The certificate's last second.
    pub not_after: Option<Timestamp>,
    /// When a CA is asked next: the renewal, or another attempt.
    pub next_attempt: Option<Timestamp>,
    /// Failed attempts in a row.
    pub failures: u32,
    /// Why the last of them failed.
    pub last_error: Option<String>,
}

/// What is going on with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is none, and a CA is being asked for one.
    Pending,
    /// There is one, and nothing is to be done.
    Valid,
    /// There is one, and a CA is being asked for the next.
    Renewing,
    /// The last attempt failed. A certificate may be there all the same: see `not_after`.
    Failing,
}

impl Status {
    pub(crate) fn new(names: Vec<Identifier>) -> Self {
        Self {
            names,
            state: State::Pending,
            authority: None,
            not_before: None,
            not_after: None,
            next_attempt: None,
            failures: 0,
            last_error: None,
        }
    }
}
