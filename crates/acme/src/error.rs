//! Why an attempt to obtain a certificate failed, in the CA's own words where it has said some.

use std::fmt::{self, Write};
use std::time::Duration;

use instant_acme::Problem;

use crate::ChallengeKind;
use crate::certificate::InvalidCertificate;
use crate::challenges::CannotAnswer;
use crate::client::{ClientError, chain};
use crate::dns::DnsError;
use crate::storage::StorageError;
use crate::wanted::InvalidWanted;

/// The problem of a nonce that the CA does not take (RFC 8555 6.5).
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

/// The problem of an account that the CA does not know (any more).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error(transparent)]
    Wanted(#[from] InvalidWanted),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The CA said no.
    #[error("{host}: {}", Said(problem))]
    Problem { host: String, problem: Problem },
    /// The CA's answer is not the protocol's.
    #[error("{host}: its answer is not what ACME says: {cause}")]
    Protocol { host: String, cause: String },
    #[error("{host}: {}", Failures(failures))]
    Challenges { host: String, failures: Vec<FailedChallenge> },
    #[error("{host}: {name} can be proven by {offered} there, and by {allowed} here")]
    NoChallenge { host: String, name: String, offered: String, allowed: String },
    #[error("{name}: {cause}")]
    Dns { name: String, cause: DnsError },
    #[error(transparent)]
    Answer(#[from] CannotAnswer),
    #[error("{host}: the order was still {state} after {} s", limit.as_secs_f64())]
    Timeout { host: String, state: String, limit: Duration },
    #[error("{host}: the certificate that it issued cannot be used: {cause}")]
    Certificate { host: String, cause: InvalidCertificate },
    #[error("cannot make a key or a request for a certificate: {0}")]
    Request(#[from] rcgen::Error),
}

/// A challenge that the CA could not verify.
#[derive(Clone, Debug)]
pub(crate) struct FailedChallenge {
    pub(crate) name: String,
    pub(crate) kind: Option<ChallengeKind>,
    pub(crate) problem: String,
}

/// A problem as the CA put it: type, detail, and the same of each sub-problem (RFC 8555 6.7).
pub(crate) struct Said<'a>(pub(crate) &'a Problem);

struct Failures<'a>(&'a [FailedChallenge]);

// === impl AttemptError ===

impl AttemptError {
    /// What instant-acme has to say about a CA.
    pub(crate) fn of(host: &str, error: instant_acme::Error) -> Self {
        let protocol = |cause: String| Self::Protocol { host: host.to_owned(), cause };
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open, and its texts are good enough")]
        match error {
            instant_acme::Error::Api(problem) => Self::Problem { host: host.to_owned(), problem },
            instant_acme::Error::Other(error) => match error.downcast::<ClientError>() {
                Ok(error) => Self::Client(*error),
                Err(error) => protocol(chain(&*error)),
            },
            instant_acme::Error::Json(error) => protocol(error.to_string()),
            other => protocol(chain(&other)),
        }
    }

    /// Whether the CA's refusal ends the order, as against a CA that could not be asked or is in trouble itself.
    pub(crate) fn is_final(&self) -> bool {
        if let Self::Problem { problem, .. } = self {
            return problem.status.is_none_or(|status| status < 500);
        }
        matches!(
            self,
            Self::Protocol { .. }
                | Self::Challenges { .. }
                | Self::NoChallenge { .. }
                | Self::Certificate { .. }
        )
    }

    /// Whether the CA has forgotten our account.
    pub(crate) fn is_account_gone(&self) -> bool {
        matches!(self, Self::Problem { problem, .. } if problem.r#type.as_deref() == Some(NO_ACCOUNT))
    }

    /// The challenge that failed, if one did.
    pub(crate) fn challenge(&self) -> Option<ChallengeKind> {
        match self {
            Self::Challenges { failures, .. } => failures.iter().rev().find_map(|failure| failure.kind),
            Self::Dns { .. } => Some(ChallengeKind::Dns01),
            Self::Wanted(_)
            | Self::Storage(_)
            | Self::Client(_)
            | Self::Problem { .. }
            | Self::Protocol { .. }
            | Self::NoChallenge { .. }
            | Self::Answer(_)
            | Self::Timeout { .. }
            | Self::Certificate { .. }
            | Self::Request(_) => None,
        }
    }
}

/// Whether another try with another nonce is all it takes.
pub(crate) fn is_bad_nonce(error: &instant_acme::Error) -> bool {
    matches!(error, instant_acme::Error::Api(problem) if problem.r#type.as_deref() == Some(BAD_NONCE))
}

// === impl Display ===

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { r#type, detail, status, subproblems } = self.0;
        f.write_str(r#type.as_deref().unwrap_or("a problem without a type"))?;
        match (detail, status) {
            (Some(detail), _) => write!(f, ": {detail}")?,
            (None, Some(status)) => write!(f, ", status {status}")?,
            (None, None) => {}
        }
        for problem in subproblems {
            f.write_str("; ")?;
            if let Some(identifier) = &problem.identifier {
                write!(f, "{}: ", identifier.authorized(false))?;
            }
            f.write_str(problem.r#type.as_deref().unwrap_or("a problem without a type"))?;
            if let Some(detail) = &problem.detail {
                write!(f, ": {detail}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, failure) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&failure.name)?;
            if let Some(kind) = failure.kind {
                write!(f, " by {kind}")?;
            }
            f.write_char(':')?;
            write!(f, " {}", failure.problem)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_types_and_all_of_its_parts() {
        let problem: Problem = serde_json::from_str(
            r#"{
                "type": "urn:ietf:params:acme:error:malformed",
                "detail": "Some of the identifiers requested were rejected",
                "subproblems": [{
                    "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                    "detail": "This CA will not issue for it",
                    "identifier": { "type": "dns", "value": "example.net" }
                }]
            }"#,
        )
        .unwrap();
        let error = AttemptError::of("ca.example", instant_acme::Error::Api(problem));
        assert_eq!(
            error.to_string(),
            "ca.example: urn:ietf:params:acme:error:malformed: Some of the identifiers requested were rejected; \
             example.net: urn:ietf:params:acme:error:rejectedIdentifier: This CA will not issue for it"
        );
    }

    #[test]
    fn what_is_not_the_protocol_is_told_with_its_host() {
        let json = serde_json::from_str::<Vec<u8>>("{}").unwrap_err();
        let error = AttemptError::of("ca.example", instant_acme::Error::Json(json)).to_string();
        assert!(error.starts_with("ca.example: its answer is not what ACME says: invalid type"), "{error}");
    }
}
