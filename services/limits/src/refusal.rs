//! What a refused client is told.

use std::borrow::Cow;

use headwall_core::LocalReply;
use http::StatusCode;

/// A status and a sentence, put together once.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: StatusCode,
    reason: &'static str,
    message: Option<Cow<'static, str>>,
}

impl Refusal {
    /// The usual status and reason, or other ones of the config's.
    pub(crate) fn new(
        (usual, reason): (StatusCode, &'static str),
        status: Option<u16>,
        message: Option<&String>,
    ) -> Result<Self, http::status::InvalidStatusCode> {
        let status = status.map_or(Ok(usual), StatusCode::from_u16)?;
        Ok(Self { status, reason, message: message.cloned().map(Cow::Owned) })
    }

    pub(crate) fn reply(&self) -> LocalReply {
        let reply = LocalReply::error(self.status, self.reason);
        match &self.message {
            Some(message) => reply.message(message.clone()),
            None => reply,
        }
    }
}
