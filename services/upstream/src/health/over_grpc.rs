//! A check that asks in gRPC's own way.
//!
//! It always speaks HTTP/2, whatever requests are spoken in: gRPC knows nothing else. The answer has its end in its trailers,
//! which HTTP/1.1 would not give us.

mod message;

use bytes::{Bytes, BytesMut};
use headwall_core::upstream::Protocol;
use headwall_core::{BoxError, Peer, async_trait};
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderMap, StatusCode};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck as Check;

use super::complaint::against;
use super::settings::{GrpcCheck, HealthCheck};
use super::{AGENT, at, over_http};
use crate::ServerAddress;
use message::Health;

/// The longest answer. A right one has seven bytes.
const LONGEST: usize = 4096;

/// Asks for the status of a service.
pub(super) struct Grpc {
    connector: Connector,
    peer: HttpPeer,
    port: Option<u16>,
    req: RequestHeader,
    question: Bytes,
}

impl Grpc {
    pub(super) fn new(
        grpc: &GrpcCheck,
        settings: &HealthCheck,
        server: &ServerAddress,
        peer: &Peer,
    ) -> Result<Self, BoxError> {
        let timeout = settings.timeout.as_std();
        let peer = peer.clone().with_protocol(Protocol::Http2).for_check(timeout);
        let host = over_http::host(settings, server, &peer);
        let mut req = RequestHeader::build("POST", b"/", None)?;
        req.set_uri(format!("{}://{host}/grpc.health.v1.Health/Check", server.scheme).parse()?);
        req.insert_header(HOST, host)?;
        req.insert_header(USER_AGENT, AGENT)?;
        req.insert_header(CONTENT_TYPE, "application/grpc")?;
        req.insert_header(TE, "trailers")?;
        // Eight digits at most, and an hour has seven in milliseconds.
        req.insert_header("grpc-timeout", format!("{}m", timeout.as_millis().min(99_999_999)))?;
        let question = message::question(&grpc.service).into();
        Ok(Self { connector: Connector::new(None), peer, port: settings.port, req, question })
    }
}

#[async_trait]
impl Check for Grpc {
    async fn check(&self, server: &Backend) -> pingora_core::Result<()> {
        let peer = at(&self.peer, server, self.port);
        let (session, _) = self.connector.get_http_session(&peer).await?;
        let HttpSession::H2(mut session) = session else {
            return Err(against("invalid_response", "gRPC needs HTTP/2, and the server speaks HTTP/1.1"));
        };
        session.read_timeout = peer.options.read_timeout;
        session.write_timeout = peer.options.write_timeout;
        session.write_request_header(Box::new(self.req.clone()), false)?;
        session.write_request_body(self.question.clone(), true).await?;
        session.read_response_header().await?;
        let Some(head) = session.response_header() else {
            return Err(against("invalid_response", "no head in the answer"));
        };
        if head.status != StatusCode::OK {
            return Err(against("status", format!("status {}, where gRPC has 200", head.status.as_u16())));
        }
        // An answer without a message has its trailers in its head.
        if let Some(code) = code(&head.headers) {
            succeeded(code?)?;
        }
        let mut body = BytesMut::new();
        while let Some(piece) = session.read_response_body().await? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST {
                return Err(against("invalid_response", "the answer is too long for a health check's"));
            }
        }
        match session.read_trailers().await?.as_ref().and_then(code) {
            Some(code) => succeeded(code?)?,
            None => return Err(against("invalid_response", "no grpc-status at the end of the answer")),
        }
        match message::answer(&body) {
            Ok(Health::Serving) => Ok(()),
            Ok(Health::NotServing) => Err(against("not_serving", "gRPC status NOT_SERVING")),
            Ok(Health::Unknown) => Err(against("not_serving", "gRPC status UNKNOWN")),
            Ok(Health::ServiceUnknown) => Err(against("not_serving", "gRPC status SERVICE_UNKNOWN")),
            Err(error) => Err(against("invalid_response", error.to_string())),
        }
    }

    /// The [`Prober`](super::prober::Prober) counts by itself.
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}

/// The `grpc-status`, if there is one.
fn code(headers: &HeaderMap) -> Option<pingora_core::Result<u32>> {
    let value = headers.get("grpc-status")?;
    let code = value.to_str().ok().and_then(|text| text.parse().ok());
    Some(code.ok_or_else(|| against("invalid_response", "the grpc-status is no number")))
}

fn succeeded(code: u32) -> pingora_core::Result<()> {
    let meaning = match code {
        0 => return Ok(()),
        5 => ": the server does not know the service",
        12 => ": the server has no grpc.health.v1",
        _ => "",
    };
    Err(against("grpc_status", format!("grpc-status {code}{meaning}")))
}
