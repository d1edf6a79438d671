//! What an operator sees of an upstream's servers, and what an operator may say about them.
//!
//! The admin listener shows and passes on; what a server is, and what an order does to it, is the upstream's business. So an
//! upstream of one's own is shown in the same way.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

/// A server as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerStatus {
    /// What it is called, and what an [`Order`] calls it: its address.
    pub server: String,
    /// What the config says, which may be a name with several addresses.
    pub written: String,
    /// One word: `ready`, or why it gets no requests.
    pub state: &'static str,
    /// How many requests it gets for each one that a server of weight 1 gets.
    pub weight: u32,
    /// How many requests and tunnels it has now.
    pub in_flight: u32,
    /// The last check that failed, if any did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<CheckFailure>,
    /// How often it was passed over lately because of how it has served.
    pub ejections: u32,
    /// For how much longer it is passed over, in seconds.
    #[serde(
        rename = "ejected_for_seconds",
        skip_serializing_if = "Option::is_none",
        serialize_with = "seconds"
    )]
    pub ejected_for: Option<Duration>,
}

/// A check that has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckFailure {
    /// One word, as metrics have it.
    pub reason: &'static str,
    /// The sentence of the log.
    pub message: String,
    /// When, in seconds since 1970.
    #[serde(rename = "timestamp_seconds", serialize_with = "since_1970")]
    pub at: SystemTime,
}

/// What an operator says about a server. It holds until another is given, over reloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// It finishes what it has and gets nothing new.
    Drain,
    /// It may be given requests again.
    Ready,
    /// It gets so many requests for each one that a server of weight 1 gets, whatever the config says.
    Weight(u32),
    /// It has the weight of the config again.
    ConfiguredWeight,
}

/// Why an order was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disobeyed {
    /// There is no such server.
    #[error("no such server")]
    UnknownServer,
    /// This upstream takes no such orders.
    #[error("the upstream takes no orders")]
    NotTaken,
}

impl ServerStatus {
    /// A server that is ready, has nothing to do and of which nothing bad is known.
    pub fn new(server: impl Into<String>, weight: u32) -> Self {
        let server = server.into();
        Self {
            written: server.clone(),
            server,
            state: "ready",
            weight,
            in_flight: 0,
            last_failure: None,
            ejections: 0,
            ejected_for: None,
        }
    }
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.unwrap_or_default().as_secs_f64().ceil() as u64)
}

fn since_1970<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}
