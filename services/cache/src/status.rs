//! `Cache-Status`: what the cache has done with a request (RFC 9211).

use std::fmt::Write as _;
use std::time::Duration;

use headwall_core::ResponseHead;
use http::{HeaderName, HeaderValue, StatusCode};

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache has done with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Answered from here; for how long the answer is good yet.
    Hit(Duration),
    /// Answered from here with what is no longer good, while a new answer is fetched; since when it is not.
    Updating(Duration),
    /// The upstream was asked, because nothing is kept.
    Miss(Fetch),
    /// The upstream was asked, because what is kept is no longer good, and has given a new answer.
    Expired(Fetch),
    /// The upstream was asked, and what is kept is still good.
    Revalidated,
    /// The upstream was asked in vain, and what is kept is given all the same.
    Stale(Option<StatusCode>),
    /// Not looked up, and why not.
    Bypass(&'static str),
}

/// How an upstream was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Something is kept, for other requests.
    pub(crate) varies: bool,
    pub(crate) status: StatusCode,
    /// Why the answer is not kept.
    pub(crate) refusal: Option<&'static str>,
}

// === impl Told ===

impl Told {
    /// The word for the access log and for metrics; nginx's, where it has one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Updating(_) => "updating",
            Self::Miss(_) => "miss",
            Self::Expired(_) => "expired",
            Self::Revalidated => "revalidated",
            Self::Stale(_) => "stale",
            Self::Bypass(_) => "bypass",
        }
    }

    fn write(self) -> String {
        let mut text = String::from("headwall; ");
        let written = match self {
            Self::Hit(left) => write!(text, "hit; ttl={}", left.as_secs()),
            Self::Updating(over) => write!(text, "hit; ttl=-{}", over.as_secs().max(1)),
            Self::Miss(fetch) => {
                let why = if fetch.varies { "vary-miss" } else { "uri-miss" };
                write!(text, "fwd={why}; {}", fetch.write())
            }
            Self::Expired(fetch) => write!(text, "fwd=stale; {}", fetch.write()),
            Self::Revalidated => write!(text, "fwd=stale; fwd-status=304; stored"),
            Self::Stale(Some(status)) => {
                write!(text, "fwd=stale; fwd-status={}; detail=stale-if-error", status.as_u16())
            }
            Self::Stale(None) => write!(text, "fwd=stale; detail=stale-if-error"),
            Self::Bypass(why) => write!(text, "fwd=bypass; detail={why}"),
        };
        // A `String` takes whatever is written.
        written.map_or_else(|_| String::from("headwall"), |()| text)
    }

    /// Adds a member to the list: caches nearer to the upstream stand in front (RFC 9211, 2).
    pub(crate) fn tell(self, res: &mut ResponseHead) {
        if let Ok(value) = HeaderValue::try_from(self.write()) {
            res.headers.append(&CACHE_STATUS, value);
        }
    }
}

// === impl Fetch ===

impl Fetch {
    fn write(self) -> String {
        match self.refusal {
            None => format!("fwd-status={}; stored", self.status.as_u16()),
            Some(why) => format!("fwd-status={}; detail={why}", self.status.as_u16()),
        }
    }
}
