//! A check that asks over HTTP.

use bytes::BytesMut;
use headwall_core::{BoxError, Peer, async_trait};
use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::{HttpPeer, Peer as _};
use pingora_http::RequestHeader;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck as Check;

use super::complaint::against;
use super::settings::{CheckMethod, HealthCheck};
use super::status_range::FINE;
use super::{AGENT, StatusRange, at};
use crate::{Scheme, ServerAddress};

/// How much of an answer is read.
const LONGEST: usize = 64 * 1024;

/// Asks, and likes an answer or not.
pub(super) struct Http {
    connector: Connector,
    peer: HttpPeer,
    port: Option<u16>,
    req: RequestHeader,
    expect: Vec<StatusRange>,
    body_contains: Option<String>,
}

impl Http {
    pub(super) fn new(
        path: &str,
        settings: &HealthCheck,
        server: &ServerAddress,
        peer: &Peer,
    ) -> Result<Self, BoxError> {
        let peer = peer.for_check(settings.timeout.as_std());
        let host = host(settings, server, &peer);
        // HTTP/2 has scheme and host in the target (RFC 9113, 8.3.1); of a whole URL HTTP/1.1 sends the path.
        let target: http::Uri = format!("{}://{host}{path}", server.scheme).parse()?;
        let method = settings.method.unwrap_or(CheckMethod::Get).as_str();
        let mut req = RequestHeader::build(method, b"/", None)?;
        req.set_uri(target);
        req.insert_header(HOST, host)?;
        req.insert_header(USER_AGENT, AGENT)?;
        for (name, value) in &settings.headers {
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
            let invalid = |_| format!("the value of `{name}` has characters that no header may have");
            let value: HeaderValue = value.parse().map_err(invalid)?;
            req.insert_header(name, value)?;
        }
        Ok(Self {
            connector: Connector::new(None),
            peer,
            port: settings.port,
            req,
            expect: if settings.expect.is_empty() { vec![FINE] } else { settings.expect.clone() },
            body_contains: settings.body_contains.clone(),
        })
    }

    /// Reads the answer: to its end, or as far as it is read at all.
    async fn body(&self, session: &mut HttpSession) -> pingora_core::Result<BytesMut> {
        let mut body = BytesMut::new();
        while let Some(piece) = session.read_response_body().await? {
            body.extend_from_slice(&piece);
            if body.len() >= LONGEST {
                body.truncate(LONGEST);
                break;
            }
        }
        Ok(body)
    }
}

#[async_trait]
impl Check for Http {
    async fn check(&self, server: &Backend) -> pingora_core::Result<()> {
        let peer = at(&self.peer, server, self.port);
        // A connection that was kept says nothing about whether one can be opened.
        let (mut session, _) = self.connector.get_http_session(&peer).await?;
        session.set_read_timeout(peer.options.read_timeout);
        session.set_write_timeout(peer.options.write_timeout);
        session.write_request_header(Box::new(self.req.clone())).await?;
        session.finish_request_body().await?;
        let status = loop {
            session.read_response_header().await?;
            match session.response_header().map(|head| head.status) {
                Some(status) if status.is_informational() => {}
                Some(status) => break status.as_u16(),
                None => return Err(against("invalid_response", "no head in the answer")),
            }
        };
        if !self.expect.iter().any(|range| range.contains(status)) {
            return Err(against("status", format!("status {status}")));
        }
        let body = self.body(&mut session).await?;
        match &self.body_contains {
            Some(text) if !body.windows(text.len()).any(|part| part == text.as_bytes()) => {
                Err(against("body", format!("no `{text}` in the answer")))
            }
            _ => Ok(()),
        }
    }

    /// The [`Prober`](super::prober::Prober) counts by itself.
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}

/// The host that is asked for.
pub(super) fn host(settings: &HealthCheck, server: &ServerAddress, peer: &HttpPeer) -> String {
    match &settings.host {
        Some(host) => host.clone(),
        None if server.scheme == Scheme::Https && server.host().as_deref() != Some(peer.sni()) => {
            peer.sni().to_owned()
        }
        None => server.authority(),
    }
}
