//! The mirror among the filters: it watches, and sends a copy when there is all of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use headwall_core::upstream::Fetch;
use headwall_core::{
    BoxError, Context, Filter, Flow, Forward, Outcome, Phases, RequestHead, ResponseHead, async_trait,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::copy::Copy;
use crate::tally::Tally;

/// The filter.
pub(crate) struct Mirroring {
    pub(crate) forward: Arc<Forward>,
    pub(crate) fetch: Arc<Fetch>,
    pub(crate) share: f64,
    pub(crate) max_body: u64,
    pub(crate) timeout: Duration,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) tally: Tally,
}

/// A copy until it is sent, or given up.
type InTheMaking = Arc<Mutex<Option<Copy>>>;

/// The copies of one request, one for each mirror that it has passed.
#[derive(Clone, Default)]
struct Copies(Vec<(Arc<Forward>, InTheMaking)>);

impl Mirroring {
    /// This mirror's copy of the request, if it makes one.
    fn copy(&self, cx: &Context) -> Option<InTheMaking> {
        let Copies(copies) = cx.extensions().get()?;
        copies.iter().find(|(forward, _)| Arc::ptr_eq(forward, &self.forward)).map(|(_, copy)| copy.clone())
    }

    /// Sends a copy if there is all of it.
    fn send(&self, copy: &Mutex<Option<Copy>>, cx: &Context) {
        let Some(copy) = copy.lock().take_if(|copy| copy.is_complete()) else { return };
        let copy = copy.complete();
        let (fetch, forward, timeout) = (self.fetch.clone(), self.forward.clone(), self.timeout);
        let (sent, failed) = (self.tally.sent.clone(), self.tally.failed.clone());
        let mut cx = cx.aside();
        tokio::spawn(async move {
            let exchange = async {
                let fetched = fetch.send(&forward, &copy.head, copy.body, &mut cx).await;
                let mut body = fetched.map_err(|error| error.to_string())?.body;
                // The answer is read to its end, so that the connection can be kept.
                while let Some(piece) = body.next().await {
                    piece.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            };
            match tokio::time::timeout(timeout, exchange).await {
                Ok(Ok(())) => sent.inc(),
                Ok(Err(error)) => {
                    log::debug!("mirror: {error}");
                    failed.inc();
                }
                Err(_) => failed.inc(),
            }
            drop(copy.place);
        });
    }
}

#[async_trait]
impl Filter for Mirroring {
    fn phases(&self) -> Phases {
        Phases::HEADS | Phases::WATCH_REQUEST_BODY
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if fastrand::f64() >= self.share {
            return Ok(Flow::Continue);
        }
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            self.tally.no_room.inc();
            return Ok(Flow::Continue);
        };
        let copy = Arc::new(Mutex::new(Some(Copy::of(req, place))));
        cx.extensions_mut().get_or_insert_default::<Copies>().0.push((self.forward.clone(), copy));
        Ok(Flow::Continue)
    }

    fn request_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<Flow, BoxError> {
        let Some(copy) = self.copy(cx) else { return Ok(Flow::Continue) };
        let piece = piece.as_deref().unwrap_or_default();
        let mut making = copy.lock();
        let added = making.as_mut().map(|copy| copy.add(cx.attempt(), piece, end, self.max_body));
        if matches!(added, Some(Err(_))) {
            self.tally.too_large.inc();
            *making = None;
        }
        drop(making);
        self.send(&copy, cx);
        Ok(Flow::Continue)
    }

    fn response(&self, _: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        // An answer with a reason is ours: the request was refused, or nobody could be asked.
        if let Some(copy) = self.copy(cx).filter(|_| cx.reason().is_none()) {
            if let Some(copy) = copy.lock().as_mut() {
                copy.answered();
            }
            self.send(&copy, cx);
        }
        Ok(())
    }

    fn log(&self, outcome: &Outcome, cx: &Context) {
        if let Some(copy) = self.copy(cx).filter(|_| outcome.bytes_received == 0) {
            if let Some(copy) = copy.lock().as_mut() {
                copy.ended_without_body();
            }
            self.send(&copy, cx);
        }
    }
}
