//! The WebSocket that sends back what it gets.

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::reply::{self, Body};
use super::stop::Stop;

/// Answers a handshake with 101 and then echoes; what is no handshake gets a 400.
pub(super) fn accept(mut request: Request<Incoming>, stop: Stop) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    match create_response(&request.map(drop)) {
        Ok(handshake) => {
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    let stream = TokioIo::new(upgraded);
                    echo(WebSocketStream::from_raw_socket(stream, Role::Server, None).await, stop).await;
                }
            });
            handshake.map(|()| reply::whole(""))
        }
        Err(error) => reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Sends text and binary messages back until either side ends. Pings and closing frames are answered by the protocol.
async fn echo(mut socket: WebSocketStream<TokioIo<Upgraded>>, mut stop: Stop) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = stop.requested() => return going_away(socket).await,
        };
        let answered = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => Ok(()),
            Some(Err(_)) | None => return,
        };
        if answered.is_err() {
            return;
        }
    }
}

/// Says 1001 and waits for the client to agree.
async fn going_away(mut socket: WebSocketStream<TokioIo<Upgraded>>) {
    let frame = CloseFrame { code: CloseCode::Away, reason: "the demo stops".into() };
    if socket.close(Some(frame)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
