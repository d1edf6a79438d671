//! Server-sent events, read one at a time.

mod parser;

use std::collections::VecDeque;

use self::parser::Parser;
use crate::client::{Failed, Streaming};

/// One event (WHATWG HTML, "Server-sent events").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The `data:` lines, joined by line feeds.
    pub data: String,
    /// The `event:` line, when there is one.
    pub event: Option<String>,
    /// The `id:` line of this event, when there is one.
    pub id: Option<String>,
}

/// The events of an open reply. Dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    reply: Streaming,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(reply: Streaming) -> Self {
        Self { reply, parser: Parser::default(), ready: VecDeque::new() }
    }

    /// The head of the reply.
    #[must_use]
    pub fn reply(&self) -> &Streaming {
        &self.reply
    }

    /// The next event, `None` when the stream has ended. An event without its closing empty line is not one.
    ///
    /// # Panics
    ///
    /// When the stream breaks off or brings no event within [`PATIENCE`](crate::PATIENCE).
    pub async fn next(&mut self) -> Option<Event> {
        self.try_next().await.unwrap_or_else(|failed| panic!("{failed}"))
    }

    /// The next event, `None` when the stream has ended.
    ///
    /// # Errors
    ///
    /// When the stream breaks off or brings no event within [`PATIENCE`](crate::PATIENCE).
    pub async fn try_next(&mut self) -> Result<Option<Event>, Failed> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(piece) = self.reply.try_chunk().await? else {
                return Ok(None);
            };
            self.parser.read(&piece, &mut self.ready);
        }
    }
}
