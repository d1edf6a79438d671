//! A body on its way from an upstream: to the client that has asked, and into the store.
//!
//! It belongs to neither. While it may be kept it comes in as fast as the upstream sends, so that nobody has to wait for a
//! slow client; and it comes in to its end, also when the client has left. From the moment that it may not be kept, the
//! client sets the pace.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use headwall_core::upstream::FetchedBody;
use headwall_core::{BoxError, ResponseHead};
use http::HeaderMap;
use tokio::sync::mpsc;

use crate::entry::Entry;
use crate::flights::{Landing, Lead};
use crate::serve::length;
use crate::storable::Storable;
use crate::store::{Held, Store};

/// How many pieces are on their way to the client beside those in the backlog.
const AHEAD: usize = 4;

/// An answer that is being taken in.
pub(crate) struct Keeping {
    lead: Lead,
    store: Arc<Store>,
    head: ResponseHead,
    storable: Storable,
    request: HeaderMap,
    held: Held,
    pieces: Vec<Bytes>,
    length: usize,
    /// Known beforehand, or not.
    announced: Option<usize>,
}

/// How it goes on after a piece.
enum Next {
    More(Box<Keeping>),
    /// All of it is in the store.
    Kept,
    GivenUp,
}

/// What comes to the client.
pub(crate) type Piece = Result<Bytes, BoxError>;

/// Has a body go on its way in a task of its own. What is returned is for the client, who may drop it.
pub(crate) fn spawn(
    body: FetchedBody,
    keeping: Option<Box<Keeping>>,
) -> impl Stream<Item = Piece> + Unpin + Send + Sync + 'static {
    let (to, mut from) = mpsc::channel(AHEAD);
    tokio::spawn(run(body, keeping, to));
    stream::poll_fn(move |cx| from.poll_recv(cx))
}

async fn run(mut body: FetchedBody, mut keeping: Option<Box<Keeping>>, to: mpsc::Sender<Piece>) {
    let mut backlog = VecDeque::new();
    let (mut is_over, mut is_kept, mut has_client) = (false, false, true);
    while !(is_over && backlog.is_empty()) && (has_client || keeping.is_some() || is_kept && !is_over) {
        let may_read = !is_over && (keeping.is_some() || is_kept || backlog.is_empty());
        tokio::select! {
            piece = body.next(), if may_read => {
                if let Some(Ok(piece)) = &piece && let Some(taking) = keeping.take() {
                    match taking.take(piece.clone()) {
                        Next::More(taking) => keeping = Some(taking),
                        Next::Kept => is_kept = true,
                        Next::GivenUp => {}
                    }
                }
                is_over = !matches!(piece, Some(Ok(_)));
                match piece {
                    Some(piece) => {
                        if piece.is_err() {
                            keeping = None;
                        }
                        if has_client {
                            backlog.push_back(piece);
                        }
                    }
                    // Kept before the client hears of the end: its next request is a hit.
                    None => drop(keeping.take().map(|keeping| keeping.finish())),
                }
            }
            room = to.reserve(), if has_client && !backlog.is_empty() => match (room, backlog.pop_front()) {
                (Ok(room), Some(piece)) => room.send(piece),
                _ => has_client = false,
            },
            () = to.closed(), if has_client && backlog.is_empty() => has_client = false,
        }
        if !has_client {
            backlog.clear();
        }
    }
}

// === impl Keeping ===

impl Keeping {
    pub(crate) fn new(
        lead: Lead,
        store: &Arc<Store>,
        head: &ResponseHead,
        storable: Storable,
        request: &HeaderMap,
    ) -> Box<Self> {
        let announced = length(&head.headers).and_then(|length| length.try_into().ok());
        Box::new(Self {
            lead,
            store: store.clone(),
            head: head.clone(),
            storable,
            request: request.clone(),
            held: store.hold(),
            pieces: Vec::new(),
            length: 0,
            announced,
        })
    }

    fn take(mut self: Box<Self>, piece: Bytes) -> Next {
        self.length += piece.len();
        if !self.store.takes(self.length as u64) {
            // It will not be smaller the next time.
            self.store.pass(self.lead.course().clone());
            return Next::GivenUp;
        }
        if !self.held.more(piece.len()) {
            return Next::GivenUp;
        }
        self.pieces.push(piece);
        if self.announced == Some(self.length) {
            self.finish();
            return Next::Kept;
        }
        Next::More(self)
    }

    /// The body is whole.
    fn finish(self: Box<Self>) {
        let Self { lead, store, head, storable, request, pieces, length, announced, .. } = *self;
        let is_whole = announced.is_none_or(|announced| announced == length);
        if !is_whole || !lead.is_good() {
            return;
        }
        // One buffer of the right size: pieces may be small parts of large ones.
        let mut body = Vec::with_capacity(length);
        for piece in &pieces {
            body.extend_from_slice(piece);
        }
        let (url, way) = (lead.course().url.clone(), lead.course().way.clone());
        store.keep(&url, Entry::new(&head, body.into(), &storable, &request, way).into());
        if !lead.is_good() {
            store.invalidate(&url);
        }
        lead.land(Landing::Kept);
    }
}
