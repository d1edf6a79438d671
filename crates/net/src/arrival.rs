//! From an accepted socket to the stream that requests come on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwall_core::connection::Connection;
use headwall_core::front::Refusals;
use pingora_core::protocols::Stream;
use tokio::time::timeout;

use crate::connections::Permit;
use crate::handshake::{self, Failure};
use crate::{Conn, Frontend, Limits, Socket, Transport, preface, proxy_protocol};

/// How long a proxy may take to say who its client is. It has nothing to wait for.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(5);

/// A connection of which nothing was read yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) socket: Socket,
    pub(crate) peer: SocketAddr,
    pub(crate) limits: Limits,
    pub(crate) refusals: Arc<dyn Refusals>,
    pub(crate) permit: Permit,
}

impl Arrival {
    /// HTTP/1 from the first byte on.
    pub(crate) fn plain(self) -> Stream {
        let connection = Connection::new(self.peer).to(self.socket.local_addr());
        Box::new(Conn::new(self.socket, connection, self.limits, self.refusals, self.permit))
    }

    /// Deals with everything that comes before HTTP. `None` when no request will come; why was counted.
    pub(crate) async fn negotiate(self, transport: &Transport, frontend: &Frontend) -> Option<Stream> {
        let peer = self.peer;
        let limit = self.limits.handshake_timeout;
        // Boxed, because it is large, and gone when requests begin.
        let negotiated = timeout(limit, Box::pin(self.agree(transport, frontend))).await;
        match negotiated.unwrap_or(Err(Failure::Timeout)) {
            Ok(stream) => stream,
            Err(failure) => {
                // Without either, a client has only not begun to speak.
                if transport.tls || !transport.proxy_protocol.is_empty() {
                    frontend.refused(peer, &failure);
                }
                None
            }
        }
    }

    async fn agree(self, transport: &Transport, frontend: &Frontend) -> Result<Option<Stream>, Failure> {
        let Self { mut socket, mut peer, limits, refusals, mut permit } = self;
        let began = Instant::now();
        let mut local = socket.local_addr();
        if transport.is_announced_by(peer.ip()) {
            let told = timeout(ANNOUNCED_WITHIN, proxy_protocol::accept(&mut socket)).await;
            let told = told.map_err(|_| Failure::Timeout)?.map_err(Failure::ProxyProtocol)?;
            (peer, local) = (told.source.unwrap_or(peer), told.destination.or(local));
            if !frontend.may_come(&mut permit, peer, &limits) {
                return Ok(None);
            }
        }
        let connection = Connection::new(peer).to(local);
        if transport.tls {
            let secure = frontend.secure.load_full();
            let made = handshake::accept(socket, local, transport.http2, &secure).await?;
            let Some((stream, tls)) = made else { return Ok(None) };
            frontend.handshakes.completed(&tls, began.elapsed());
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let connection = connection.with_tls(tls);
            let connection = if is_http2 { connection.multiplexed() } else { connection };
            return Ok(Some(Box::new(Conn::new(stream, connection, limits, refusals, permit))));
        }
        if transport.http2 {
            let (socket, is_http2) = preface::read(socket).await.map_err(Failure::of)?;
            let connection = if is_http2 { connection.multiplexed() } else { connection };
            return Ok(Some(Box::new(Conn::new(socket, connection, limits, refusals, permit))));
        }
        Ok(Some(Box::new(Conn::new(socket, connection, limits, refusals, permit))))
    }
}
