//! What is said to plain HTTP where a site speaks TLS: to clients, that they are to come back over HTTPS; to a CA, that
//! we are in charge here.

use std::sync::Arc;

use headwall_acme::Acme;
use headwall_core::{Action, BoxError, Context, LocalReply, RequestHead, Service, Table, async_trait};
use http::{HeaderValue, Method, StatusCode};

/// Where a CA looks for the answer to its challenge (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";
/// The port of HTTPS that needs no mention.
const HTTPS: u16 = 443;

/// The table, and in front of it what a CA asks for.
pub(crate) struct Front {
    pub(crate) table: Table,
    pub(crate) acme: Option<Arc<Acme>>,
}

/// Sends clients to HTTPS.
pub(crate) struct ToHttps {
    pub(crate) status: StatusCode,
    /// The port of a listener that speaks TLS.
    pub(crate) port: u16,
}

#[async_trait]
impl Service for Front {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        // The answer is looked up whatever the host: the CA has been told which one it asks, and the token is secret.
        if let Some(acme) = &self.acme
            && let Some(token) = req.uri.path().strip_prefix(CHALLENGES)
            && (req.method == Method::GET || req.method == Method::HEAD)
            && let Some(answer) = acme.challenges().http(token).await
        {
            return Ok(Action::Reply(LocalReply::text(StatusCode::OK, answer)));
        }
        self.table.call(req, cx).await
    }

    fn describe(&self) -> String {
        self.table.describe()
    }
}

#[async_trait]
impl Service for ToHttps {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        // HTTP/1.0 may leave it out, and then nobody knows where to send it.
        let Some(host) = cx.host().filter(|host| !host.is_empty()) else {
            return Ok(Action::Reply(LocalReply::error(StatusCode::BAD_REQUEST, "missing_host")));
        };
        let target = location(host, self.port, req);
        Ok(Action::Reply(LocalReply::redirect(self.status, HeaderValue::try_from(target)?)))
    }

    fn describe(&self) -> String {
        format!("to HTTPS with {}", self.status.as_u16())
    }
}

/// The same over HTTPS. Who has named no port has come by the usual one, and finds the usual one of HTTPS beside it,
/// whatever is mapped behind it; who has named one needs the other's.
fn location(host: &str, port: u16, req: &RequestHead) -> String {
    let (name, named) = match host.rsplit_once(':') {
        Some((name, named)) if named.bytes().all(|byte| byte.is_ascii_digit()) => (name, !named.is_empty()),
        Some(_) | None => (host, false),
    };
    let uri = req.uri.path_and_query().map_or("/", |uri| uri.as_str());
    if named && port != HTTPS {
        format!("https://{name}:{port}{uri}")
    } else {
        format!("https://{name}{uri}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_stays_and_the_port_is_the_right_one() {
        let rows = [
            ("app.example.com", 443, "https://app.example.com/a?b=c", "the usual"),
            ("app.example.com:80", 443, "https://app.example.com/a?b=c", "the usual, said aloud"),
            ("app.example.com", 8443, "https://app.example.com/a?b=c", "ports are mapped in front of us"),
            ("localhost:8080", 8443, "https://localhost:8443/a?b=c", "ports of our own"),
            ("[::1]:8080", 8443, "https://[::1]:8443/a?b=c", "an address"),
            ("[::1]", 8443, "https://[::1]/a?b=c", "an address without a port"),
        ];
        let (parts, ()) = http::Request::get("/a?b=c").body(()).unwrap().into_parts();
        for (host, port, expected, row) in rows {
            assert_eq!(location(host, port, &parts), expected, "{row}");
        }
    }
}
