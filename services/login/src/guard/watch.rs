//! What a guard consists of: everything that its requests share.

use std::sync::Arc;

use headwall_core::LocalReply;
use headwall_core::units::Network;
use http::StatusCode;

use super::account::AccountField;
use super::names::Names;
use super::record::Refusal;
use super::report::Report;
use super::store::{Kind, Rules, Store};

/// One guard at one place of the config.
pub(super) struct Watch {
    pub(super) store: Store,
    pub(super) rules: Rules,
    pub(super) report: Report,
    pub(super) names: Arc<Names>,
    pub(super) account: Option<AccountField>,
    pub(super) failed: Vec<StatusCode>,
    pub(super) allow: Vec<Network>,
    pub(super) dry_run: bool,
}

/// What the app has made of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was refused.
    Failed,
    /// It was let in.
    Succeeded,
    /// Neither: the app failed, or the request was another one than it seemed.
    Undecided,
}

// === impl Watch ===

impl Watch {
    /// What a status means.
    pub(super) fn answer(&self, status: StatusCode) -> Answer {
        if self.failed.contains(&status) {
            Answer::Failed
        } else if status.is_success() || status.is_redirection() {
            Answer::Succeeded
        } else {
            Answer::Undecided
        }
    }

    /// Counts a refusal and gives the reply to it; none in a dry run.
    pub(super) fn refuse(&self, kind: Kind, refusal: Refusal) -> Option<LocalReply> {
        let reply = match refusal {
            Refusal::Locked(wait) => {
                self.report.refused(kind);
                let reply = LocalReply::error(StatusCode::TOO_MANY_REQUESTS, "login_locked_out");
                // The same words for all kinds: nobody learns from them which accounts there are.
                reply.message("Too many failed attempts to log in. Please try again later.").retry_after(wait)
            }
            Refusal::Busy => {
                self.report.busy();
                let reply = LocalReply::error(StatusCode::TOO_MANY_REQUESTS, "login_busy");
                reply.retry_after(std::time::Duration::from_secs(1))
            }
        };
        (!self.dry_run).then_some(reply)
    }
}
