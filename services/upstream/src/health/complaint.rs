//! What a check has against a server.

use headwall_core::error::{Failure, cause_of};
use pingora_core::{BError, Error, ErrorType};

/// Why a check has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// One of a few words, for metrics.
    pub(crate) word: &'static str,
    /// The sentence, for people.
    pub(crate) sentence: String,
}

impl Complaint {
    /// The server took longer than this.
    pub(super) fn late(limit: std::time::Duration) -> Self {
        Self { word: "timeout", sentence: format!("no answer within {limit:?}") }
    }

    /// What Pingora has met, or one of our checks by [`against`].
    pub(super) fn of(error: BError) -> Self {
        let sentence = cause_of(&error);
        if let ErrorType::Custom(word) = error.etype {
            return Self { word, sentence };
        }
        let reason = Failure::of(&error.into_up()).reason();
        Self { word: reason.strip_prefix("upstream_").unwrap_or(reason), sentence }
    }
}

/// The error of a check that got an answer and does not like it.
pub(super) fn against(word: &'static str, sentence: impl Into<String>) -> BError {
    Error::explain(ErrorType::Custom(word), sentence.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_a_word_and_a_sentence() {
        let rows = [
            (against("status", "status 503"), "status", "status 503"),
            (Error::new(ErrorType::ConnectRefused), "connect_refused", "ConnectRefused"),
            (Error::explain(ErrorType::InvalidCert, "not valid"), "tls_failed", "not valid"),
            (Error::explain(ErrorType::ConnectTimedout, "late"), "connect_timeout", "late"),
        ];
        for (error, word, sentence) in rows {
            let expected = Complaint { word, sentence: sentence.to_owned() };
            assert_eq!(Complaint::of(error), expected);
        }
    }
}
