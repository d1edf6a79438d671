//! The filter: what is known of a call from its head goes with it, until its trailers have become a frame.

use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, ResponseHead,
    async_trait,
};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media_type::{Form, Spoken, is_grpc};
use crate::text::{self, InvalidText};
use crate::trailers;

/// A response that says it in its head has no trailers ("Trailers-Only").
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Translates calls of gRPC-Web, binary or as text, into gRPC for the server, which needs `protocol: http2`. Other requests
/// pass as they are.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct GrpcWeb {}

struct Translator;

/// A call on its way.
#[derive(Clone)]
struct Call {
    of: FilterId,
    /// Reads what the client writes as text.
    reader: Option<text::Reader>,
    /// The attempt that is read for. Another one is shown the body from its beginning.
    attempt: u32,
    answered: Form,
    to_client: HeaderValue,
    /// Whether the response is one of gRPC that is still to end with a frame.
    is_translated: bool,
}

/// Tells one filter from another, of which there may be several on a request's way.
type FilterId = usize;

// === impl GrpcWeb ===

impl Module for GrpcWeb {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Translator))
    }
}

// === impl Translator ===

impl Translator {
    fn id(&self) -> FilterId {
        std::ptr::from_ref(self).addr()
    }

    fn call<'c>(&self, cx: &'c mut Context) -> Option<&'c mut Call> {
        cx.extensions_mut().get_mut::<Call>().filter(|call| call.of == self.id())
    }
}

#[async_trait]
impl Filter for Translator {
    /// Text that is none is refused each time, so calls may be repeated as they may be without the filter.
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::WATCH_REQUEST_BODY | Phases::RESPONSE | Phases::RESPONSE_BODY
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let spoken = Some(&req.headers).filter(|_| req.method == Method::POST).and_then(Spoken::of);
        let Some(Spoken { asked, answered, to_server, to_client }) = spoken else {
            return Ok(Flow::Continue);
        };
        req.headers.insert(CONTENT_TYPE, to_server);
        let reader = (asked == Form::Text).then(text::Reader::default);
        if reader.is_some() {
            req.headers.remove(CONTENT_LENGTH);
        }
        let call = Call { of: self.id(), reader, attempt: 0, answered, to_client, is_translated: false };
        cx.extensions_mut().insert(call);
        Ok(Flow::Continue)
    }

    fn request_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<Flow, BoxError> {
        let attempt = cx.attempt();
        let Some(call) = self.call(cx) else { return Ok(Flow::Continue) };
        let Some(reader) = &mut call.reader else { return Ok(Flow::Continue) };
        if call.attempt != attempt {
            (*reader, call.attempt) = (text::Reader::default(), attempt);
        }
        let read = reader.read(&piece.take().unwrap_or_default());
        match read.and_then(|read| if end { reader.end().map(|()| read) } else { Ok(read) }) {
            Ok(read) => {
                *piece = Some(read).filter(|read| !read.is_empty());
                Ok(Flow::Continue)
            }
            Err(error) => Ok(Flow::Reply(refusal(&error))),
        }
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let Some(call) = self.call(cx) else { return Ok(()) };
        let is_translated = is_grpc(&res.headers);
        let is_over = res.headers.contains_key(&GRPC_STATUS);
        // A response that was given up in favour of this one may have been another.
        call.is_translated = is_translated && !is_over;
        if is_translated {
            res.headers.insert(CONTENT_TYPE, call.to_client.clone());
        }
        if call.is_translated {
            res.headers.remove(CONTENT_LENGTH);
        }
        Ok(())
    }

    fn response_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<(), BoxError> {
        let Some(call) = self.call(cx).filter(|call| call.is_translated) else { return Ok(()) };
        let is_text = call.answered == Form::Text;
        let written = |piece: Bytes| if is_text { text::write(&piece) } else { piece };
        let messages = piece.take().filter(|piece| !piece.is_empty()).map(written);
        let trailers = if end { cx.take_trailers() } else { None };
        let last = trailers.map(|trailers| written(trailers::frame(&trailers)));
        *piece = match (messages, last) {
            (Some(messages), Some(last)) => Some([messages, last].concat().into()),
            (messages, last) => messages.or(last),
        };
        Ok(())
    }
}

/// The answer to a body that is none.
fn refusal(error: &InvalidText) -> LocalReply {
    LocalReply::error(StatusCode::BAD_REQUEST, "invalid_grpc_web")
        .message(format!("The body of the call is malformed: {error}."))
}
