//! The client's side of the handshake. It goes out as an ordinary request, so a refusal is an ordinary reply, whole.

use http::HeaderMap;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::WebSocket;
use crate::client::{Call, Reply};
use crate::deadline::patiently;
use crate::head;

/// A WebSocket handshake to be sent (RFC 6455 section 4.1).
#[derive(Debug)]
#[must_use = "a handshake does nothing until it is sent"]
pub struct WebSocketCall {
    call: Call,
    key: String,
}

impl WebSocketCall {
    pub(crate) fn new(call: Call) -> Self {
        let key = generate_key();
        let call = call
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        Self { call, key }
    }

    /// Adds a header.
    ///
    /// # Panics
    ///
    /// When it is no header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.call = self.call.header(name, value);
        self
    }

    /// Sets the `host` header.
    ///
    /// # Panics
    ///
    /// When it is no header value.
    pub fn host(mut self, host: &str) -> Self {
        self.call = self.call.host(host);
        self
    }

    /// Offers subprotocols, separated by commas, the favourite first.
    ///
    /// # Panics
    ///
    /// When it is no header value.
    pub fn protocols(self, protocols: &str) -> Self {
        self.header("sec-websocket-protocol", protocols)
    }

    /// Sends the handshake and returns the open WebSocket.
    ///
    /// # Panics
    ///
    /// When the answer is no 101 or not what RFC 6455 asks for, with the whole reply.
    pub async fn open(self) -> WebSocket {
        let streaming = self.call.open().await;
        if streaming.status().as_u16() != 101 {
            let reply = streaming.whole().await.unwrap_or_else(|failed| panic!("{failed}"));
            panic!("expected a WebSocket, but came\n{reply}");
        }
        let (reply, upgrade) = streaming.into_upgrade();
        check(&reply.headers, &self.key).unwrap_or_else(|wrong| panic!("{wrong}, but came\n{reply}"));
        let upgraded = patiently("the connection to become a tunnel", upgrade).await;
        let upgraded = upgraded.unwrap_or_else(|error| panic!("the connection became no tunnel: {error}"));
        WebSocket::new(upgraded, Role::Client, reply.headers).await
    }

    /// Sends the handshake and returns the reply that refuses it.
    ///
    /// # Panics
    ///
    /// When it is accepted.
    pub async fn refused(self) -> Reply {
        let streaming = self.call.open().await;
        assert!(streaming.status().as_u16() != 101, "expected a refusal, but the WebSocket was accepted");
        streaming.whole().await.unwrap_or_else(|failed| panic!("{failed}"))
    }
}

/// What a client must find in a 101 (RFC 6455 section 4.1).
fn check(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let has = |name, token: &str| {
        headers.get_all(name).iter().any(|value| {
            value
                .to_str()
                .is_ok_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
        })
    };
    if !has("upgrade", "websocket") {
        return Err("expected `upgrade: websocket`");
    }
    if !has("connection", "upgrade") {
        return Err("expected `connection: upgrade`");
    }
    if head::text(headers, "sec-websocket-accept") != Some(&derive_accept_key(key.as_bytes())) {
        return Err("expected the `sec-websocket-accept` that belongs to the key");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it is, its header fields, and whether it passes.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);

    #[test]
    fn a_101_is_checked() {
        // Key and accept value of RFC 6455 section 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let accept = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let upgrade = ("upgrade", "WebSocket");
        let connection = ("connection", "keep-alive, Upgrade");
        let table: &[Row<'_>] = &[
            ("as it should be", &[upgrade, connection, accept], true),
            ("no upgrade", &[connection, accept], false),
            ("another protocol", &[("upgrade", "h2c"), connection, accept], false),
            ("no connection", &[upgrade, accept], false),
            ("no accept", &[upgrade, connection], false),
            ("the accept of another key", &[upgrade, connection, ("sec-websocket-accept", "x")], false),
        ];
        for (what, fields, expected) in table {
            let headers = fields.iter().map(|(name, value)| head::field(name, value)).collect();
            assert_eq!(check(&headers, key).is_ok(), *expected, "{what}");
        }
    }
}
