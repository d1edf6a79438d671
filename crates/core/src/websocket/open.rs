//! Opens a tunnel: asks the upstream, and when it agrees, takes both streams out of HTTP.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, StatusCode};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v1::client::HttpSession as Origin;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::handshake;
use super::relay::Limits;
use super::task::Task;
use crate::error::Failure;
use crate::gateway::{Exchange, exchange, pieces};
use crate::head::ResponseHead;
use crate::service::TunnelLimits;
use crate::{Context, Gateway, Service, Tunnel, forward};

/// Headers of one hop only, which are not sent on (RFC 9110, 7.6.1), and the length of a body that is not there.
const HOP_BY_HOP: [&str; 6] =
    ["keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization", "content-length"];

/// What stands in for the client's session once its stream is gone.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: tunnel\r\n\r\n";

/// Asks the upstream for a tunnel. The answer is what `request_filter` reports: a response is written.
pub(crate) async fn open<S: Service>(
    gateway: &Gateway<S>,
    session: &mut Session,
    exchange: &mut Exchange<S>,
    tunnel: Arc<Tunnel>,
) -> Result<bool> {
    let cx = exchange.cx();
    cx.forward = Some(tunnel.forward.clone());
    let Asked { mut origin, peer, mut res } = ask(gateway, session, cx).await?;
    if res.status != StatusCode::SWITCHING_PROTOCOLS {
        pass_refusal(session, cx, &mut origin, res).await?;
        gateway.connector().release_http_session(origin, &*peer, peer.options.idle_timeout).await;
        return Ok(true);
    }
    if !handshake::is_accepted(session.req_header(), &res) {
        cx.finish_attempt(Some(Failure::InvalidResponse));
        let error = PingoraError::explain(ErrorType::InvalidHTTPHeader, "another handshake was accepted");
        return Err(error.into_up());
    }
    exchange::response(&mut res, cx)?;
    session.write_response_header(Box::new(res.into()), false).await?;

    // Both sides may have spoken already: the server behind its 101, the client behind its request.
    let from_client = session.as_downstream_mut().read_request_body().now_or_never().transpose()?.flatten();
    let from_origin = origin.read_body_bytes().now_or_never().transpose()?.flatten();
    let early = (from_client.unwrap_or_default().into(), from_origin.unwrap_or_default().into());
    let headers = session.req_header().headers.clone();
    let client = take_stream(session).await?;

    let TunnelLimits { idle_timeout, linger_timeout } = tunnel.limits;
    let limits = Limits { idle: idle_timeout.as_std(), linger: linger_timeout.as_std() };
    let access_log = exchange.access_log().cloned();
    let cx = std::mem::replace(exchange.cx(), Context::unknown());
    exchange.cx().verdict.tunnelled = true;
    Task { client, origin: origin.into_inner(), early, limits, cx, headers, access_log }
        .start(gateway.websocket_metrics(), gateway.watch_stage());
    Ok(true)
}

/// A server's answer to the handshake.
struct Asked {
    origin: Origin,
    peer: Box<HttpPeer>,
    res: ResponseHead,
}

/// Sends the handshake to one server after the other, as far as that cannot be noticed.
async fn ask<S>(gateway: &Gateway<S>, session: &mut Session, cx: &mut Context) -> Result<Asked> {
    loop {
        let mut peer = exchange::next_peer(session, cx).await?;
        // A handshake is all there is to ask.
        cx.attempts.asked = true;
        // WebSocket over HTTP/2 is another protocol (RFC 8441).
        peer.options.alpn = ALPN::H1;
        let (mut origin, reused) = match gateway.connector().get_http_session(&*peer).await {
            Ok(connected) => connected,
            Err(error) => {
                let error = exchange::not_connected(cx, error.into_up());
                if error.retry() {
                    continue;
                }
                return Err(error);
            }
        };
        exchange::connected(cx, reused, Instant::now());
        match handshake_with(&mut origin, &peer, session.req_header(), cx).await {
            Ok(res) => {
                exchange::answered(cx, res.status, Instant::now());
                return Ok(Asked { origin, peer, res });
            }
            // A kept-alive connection may have died in the pool; a GET can be sent again.
            Err(_) if reused && exchange::attempts_are_left(cx) => {
                cx.finish_attempt(Some(Failure::Closed));
            }
            Err(error) => {
                let error = error.into_up();
                exchange::complain(cx, &error);
                return Err(error);
            }
        }
    }
}

async fn handshake_with(
    origin: &mut Origin,
    peer: &HttpPeer,
    req: &RequestHeader,
    cx: &Context,
) -> Result<ResponseHead> {
    origin.read_timeout = cx.forward.as_ref().map(|forward| forward.timeouts.first_byte.as_std());
    origin.write_timeout = peer.options.write_timeout;
    origin.write_request_header(Box::new(upstream_request(req, cx))).await?;
    loop {
        let res = ResponseHead::from(*origin.read_resp_header_parts().await?);
        if res.status == StatusCode::SWITCHING_PROTOCOLS || !res.status.is_informational() {
            return Ok(res);
        }
    }
}

/// The client's request with one hop's headers exchanged for the next one's.
fn upstream_request(req: &RequestHeader, cx: &Context) -> RequestHeader {
    let mut req = req.as_owned_parts();
    for name in forward::nominated(&req.headers) {
        req.headers.remove(name);
    }
    for name in HOP_BY_HOP {
        req.headers.remove(name);
    }
    req.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    req.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    forward::apply(&mut req.headers, cx);
    req.into()
}

/// The server did not agree: its answer is an ordinary response.
async fn pass_refusal(
    session: &mut Session,
    cx: &mut Context,
    origin: &mut Origin,
    mut res: ResponseHead,
) -> Result<()> {
    forward::end_hop(&mut res.headers);
    let bodyless = origin.is_body_done();
    exchange::response(&mut res, cx)?;
    session.write_response_header(Box::new(res.into()), bodyless).await?;
    while let Some(piece) = origin.read_body_bytes().await.map_err(|error| error.into_up())? {
        pieces::write(session, cx, piece).await?;
    }
    pieces::end(session, cx).await
}

/// Takes the client's stream out of its session, and leaves one in its place that Pingora can finish.
async fn take_stream(session: &mut Session) -> Result<Stream> {
    let mut stand_in = ServerSession::new_http1(Box::new(Cursor::new(STAND_IN.to_vec())));
    stand_in.read_request().await.or_err(ErrorType::InternalError, "the stand-in is not a request")?;
    stand_in.set_keepalive(None);
    match *std::mem::replace(&mut session.downstream_session, Box::new(stand_in)) {
        ServerSession::H1(client) => Ok(client.into_inner()),
        ServerSession::H2(_) | ServerSession::Subrequest(_) | ServerSession::Custom(_) => {
            PingoraError::e_explain(
                ErrorType::InternalError,
                "only an HTTP/1.1 connection can become a tunnel",
            )
        }
    }
}
