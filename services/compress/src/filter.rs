//! The filter: what a client has asked for is noted on the way in, and its response compressed on the way out.

use std::sync::Arc;

use bytes::Bytes;
use headwall_core::semantics::preferred_coding;
use headwall_core::{BoxError, Context, Filter, Flow, Phases, RequestHead, ResponseHead, async_trait};
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use parking_lot::Mutex;

use crate::active::{Place, Places};
use crate::caches::{freshen, vary, weaken};
use crate::counters::Counters;
use crate::eligible::{is_eligible, length};
use crate::encoder::Encoder;
use crate::{Coding, Levels, MediaPattern};

/// Compresses what is eligible.
pub(crate) struct Compressor {
    pub(crate) encodings: Vec<Coding>,
    pub(crate) min_size: u64,
    pub(crate) types: Vec<MediaPattern>,
    pub(crate) levels: Levels,
    pub(crate) places: Arc<Places>,
    pub(crate) counters: Counters,
}

/// What a client has asked for, kept until its response comes.
#[derive(Clone)]
struct Asked {
    of: FilterId,
    coding: Option<Coding>,
    /// What the client has stored, where that may be something that was compressed here.
    stored: Option<HeaderValue>,
}

/// A response that is being compressed.
#[derive(Clone)]
struct Running(Arc<Mutex<Body>>);

struct Body {
    of: FilterId,
    /// Taken away at the end.
    encoder: Option<Encoder>,
    /// Nobody knows when the next piece comes, so each leaves at once.
    at_once: bool,
    coding: Coding,
    _place: Place,
}

/// Tells one filter from another, of which there may be several on a request's way.
type FilterId = usize;

// === impl Compressor ===

impl Compressor {
    fn id(&self) -> FilterId {
        std::ptr::from_ref(self).addr()
    }

    fn begin(&self, coding: Coding, res: &ResponseHead) -> Result<Option<Running>, BoxError> {
        let Some(place) = self.places.take() else {
            self.counters.crowded_out.inc();
            return Ok(None);
        };
        self.counters.responses[coding as usize].inc();
        let body = Body {
            of: self.id(),
            encoder: Some(Encoder::new(coding, self.levels)?),
            at_once: length(&res.headers).is_none(),
            coding,
            _place: place,
        };
        Ok(Some(Running(Arc::new(Mutex::new(body)))))
    }

    /// The body of `GET` is compressed; `HEAD` is told of it alone.
    fn dress(&self, coding: Coding, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        if cx.request_line().method != Method::HEAD {
            let Some(running) = self.begin(coding, res)? else { return Ok(()) };
            cx.extensions_mut().insert(running);
        }
        res.headers.insert(CONTENT_ENCODING, coding.header());
        res.headers.remove(CONTENT_LENGTH);
        res.headers.remove(ACCEPT_RANGES);
        weaken(&mut res.headers);
        Ok(())
    }
}

#[async_trait]
impl Filter for Compressor {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE | Phases::RESPONSE_BODY
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let coding = preferred_coding(&req.headers, &self.encodings, |coding| coding.token()).copied();
        let stored = coding.and_then(|_| req.headers.get(IF_NONE_MATCH).cloned());
        cx.extensions_mut().insert(Asked { of: self.id(), coding, stored });
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let asked = cx.extensions().get::<Asked>().filter(|asked| asked.of == self.id()).cloned();
        let Some(asked) = asked.filter(|_| !self.encodings.is_empty()) else {
            return Ok(());
        };
        // A response that was given up in favour of this one may have left something behind.
        cx.extensions_mut().remove::<Running>();
        if res.status == StatusCode::NOT_MODIFIED {
            freshen(&mut res.headers, asked.stored.as_ref());
            return Ok(());
        }
        if !is_eligible(res, &self.types, self.min_size) {
            return Ok(());
        }
        vary(&mut res.headers);
        asked.coding.map_or(Ok(()), |coding| self.dress(coding, res, cx))
    }

    fn response_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<(), BoxError> {
        let Some(Running(body)) = cx.extensions().get() else { return Ok(()) };
        let mut body = body.lock();
        if body.of != self.id() {
            return Ok(());
        }
        let (coding, at_once) = (body.coding as usize, body.at_once && !end);
        let Some(mut encoder) = body.encoder.take() else { return Ok(()) };
        let taken = piece.take().unwrap_or_default();
        let mut out = if taken.is_empty() { Bytes::new() } else { encoder.push(&taken, at_once)? };
        if end {
            let rest = encoder.finish()?;
            out = if out.is_empty() { rest } else { [out, rest].concat().into() };
        } else {
            body.encoder = Some(encoder);
        }
        self.counters.received[coding].inc_by(taken.len() as u64);
        self.counters.sent[coding].inc_by(out.len() as u64);
        *piece = Some(out);
        Ok(())
    }
}
