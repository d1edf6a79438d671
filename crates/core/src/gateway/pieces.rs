//! Bodies that are written here pass the filters, like those that Pingora relays.

use bytes::{Bytes, BytesMut};
use pingora_error::Result;
use pingora_proxy::Session;

use super::exchange;
use crate::{Context, Phases};

/// So much is shown to filters at once. It is what Pingora reads at once from an upstream, and a step that a worker can
/// make between two other requests even where a filter compresses.
const STEP: usize = 64 << 10;

/// Whether some filter is to see the body.
pub(crate) fn are_watched(cx: &Context) -> bool {
    cx.entered.iter().any(|route| route.has(Phases::RESPONSE_BODY))
}

/// A body that is in memory, as the filters leave it.
pub(crate) async fn all(cx: &mut Context, mut body: Bytes) -> Result<Bytes> {
    let mut passed = BytesMut::new();
    loop {
        let step = body.split_to(body.len().min(STEP));
        let (mut piece, end) = ((!step.is_empty()).then_some(step), body.is_empty());
        exchange::response_body(cx, &mut piece, end)?;
        if let Some(piece) = piece {
            if end && passed.is_empty() {
                return Ok(piece);
            }
            passed.extend_from_slice(&piece);
        }
        if end {
            return Ok(passed.freeze());
        }
        tokio::task::yield_now().await;
    }
}

/// Writes a piece of a body, as the filters leave it.
pub(crate) async fn write(session: &mut Session, cx: &mut Context, mut body: Bytes) -> Result<()> {
    while !body.is_empty() {
        let mut piece = Some(body.split_to(body.len().min(STEP)));
        exchange::response_body(cx, &mut piece, false)?;
        // An empty piece would end a chunked body.
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            session.write_response_body(Some(piece), false).await?;
        }
    }
    Ok(())
}

/// Writes what the filters still have to say, and ends the body.
pub(crate) async fn end(session: &mut Session, cx: &mut Context) -> Result<()> {
    let mut rest = None;
    exchange::response_body(cx, &mut rest, true)?;
    session.write_response_body(rest.filter(|rest| !rest.is_empty()), true).await
}
