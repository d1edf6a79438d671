//! How a client learns where the body of a response ends (RFC 9112, 6.3).

use std::any::Any;

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use pingora_core::modules::http::{HttpModule, HttpModuleBuilder, HttpModules, Module};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::Context;
use crate::head::ResponseHead;

/// Takes away what an HTTP/1.0 client does not understand.
///
/// Pingora says of an HTTP/2 upstream's body that it comes in chunks, to any client and after the last of our hooks. Its own
/// modules come later still; this is the only one, and only old clients pay for it.
struct NoChunks;

/// Whether a response with this status may have a body (RFC 9110, 6.4.1).
pub(crate) fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// An HTTP/1.0 client knows no chunks: its response ends with the connection (RFC 9112, 6.1).
pub(super) fn spare_old_clients(session: &mut Session) {
    if session.req_header().version < Version::HTTP_11 {
        let mut modules = HttpModules::new();
        modules.add_module(Box::new(NoChunks));
        session.downstream_modules_ctx = modules.build_ctx();
    }
}

/// Says that a body comes in chunks when nothing in the head says how long it is. A filter that changes a body takes its
/// length away and leaves the rest to this. HTTP/2 has frames of its own, and HTTP/1.0 the end of the connection.
pub(crate) fn delimit(res: &mut ResponseHead, cx: &Context) {
    let line = cx.request_line();
    let is_told = res.headers.contains_key(CONTENT_LENGTH) || res.headers.contains_key(TRANSFER_ENCODING);
    if line.version == Version::HTTP_11
        && line.method != Method::HEAD
        && !is_told
        && may_have_body(res.status)
    {
        res.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

// === impl NoChunks ===

impl HttpModuleBuilder for NoChunks {
    fn init(&self) -> Module {
        Box::new(Self)
    }
}

#[async_trait]
impl HttpModule for NoChunks {
    async fn response_header_filter(&mut self, res: &mut ResponseHeader, _: bool) -> Result<()> {
        res.remove_header(&TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
