//! An origin's drain for uploads, with a meter: a test can see how far an upload has come *while* it is coming.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use crate::deadline::patiently;
use crate::origin::behaviour::{Behaviour, broken_off};
use crate::origin::request::Request;
use crate::origin::response::Response;

/// Reads a request's body without keeping it and answers `{"received": <bytes>}` at its end.
///
/// Clones share one meter: give one to the route and keep the other.
#[derive(Debug, Clone)]
pub struct Drain {
    received: Arc<watch::Sender<u64>>,
}

impl Drain {
    /// A drain whose meter stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { received: Arc::new(watch::Sender::new(0)) }
    }

    /// Bytes of all bodies that have arrived so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        *self.received.borrow()
    }

    /// Waits until at least so many bytes have arrived.
    ///
    /// # Panics
    ///
    /// When that does not happen within [`PATIENCE`](crate::PATIENCE).
    pub async fn reached(&self, bytes: u64) {
        let mut received = self.received.subscribe();
        patiently(format!("{bytes} bytes to reach the drain"), async {
            // The drain itself holds the sender, so this cannot end with an error.
            drop(received.wait_for(|received| *received >= bytes).await);
        })
        .await;
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Behaviour for Drain {
    fn reply(&self, mut request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            request.do_not_record();
            let mut length = 0;
            loop {
                match request.chunk().await {
                    Ok(Some(piece)) => {
                        length += piece.len() as u64;
                        self.received.send_modify(|received| *received += piece.len() as u64);
                    }
                    Ok(None) => return Response::json(&json!({ "received": length })),
                    Err(_) => return broken_off(),
                }
            }
        })
    }
}
