//! Origins, clients and an in-process gateway for tests of Headwall and its modules.
//!
//! A test of a proxy has three parts: something behind it, something in front of it, and control over *when* things
//! happen. This crate has one small set of types for each.
//!
//! * **Behind:** [`Origin`] is an HTTP server whose paths answer with a [`Behaviour`]: a fixed text, a closure, or one of
//!   the ready-made ones ([`Echo`], [`Fixed`], [`Filler`], [`Drain`], [`Feeds`], [`Sockets`], [`WebSocketEcho`]).
//!   It records every request as a [`Seen`]. [`RawOrigin`] speaks bytes, for origins that break the rules.
//! * **In front:** [`Client`] sends one request and hands back a [`Reply`], an open [`Streaming`] reply, its [`Events`],
//!   or a [`WebSocket`]. [`Wire`] writes and reads bytes, for clients that break the rules.
//! * **Over TLS:** an [`Authority`] issues an [`Identity`], good or bad in a way that the test chooses; an origin takes it
//!   with [`OriginBuilder::tls`], a client believes the authority with [`Client::tls`], and each tells what the handshake
//!   came to ([`SeenTls`], [`Handshake`]). Both speak HTTP/2 too, with TLS and without.
//! * **When:** a [`Gate`] holds an answer until the test opens it; a [`Feed`] sends a body piece by piece; [`within`] gives
//!   a test a deadline, and [`eventually`] asks again until a state without a signal has come.
//!
//! Everything listens on port 0 of 127.0.0.1, waits at most [`PATIENCE`] for anything, and stops when it is dropped, so
//! tests run side by side and leave nothing behind. Nothing sleeps. Because this is a crate for tests, what a test could
//! only `unwrap` panics here, with a sentence that tells what was awaited and what came instead; where failure is what a
//! test may want to see, a `try_` method beside it returns the error.
//!
//! ```
//! use headwall_testkit::{Client, Echo, Origin};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let origin = Origin::builder().route("/", "hello").route("/echo", Echo).start().await;
//! let client = Client::to(origin.address());
//!
//! let reply = client.get("/").header("x-test", "1").send().await;
//! reply.assert_status(200).assert_text("hello");
//!
//! client.get("/nowhere").send().await.assert_status(404);
//! assert_eq!(origin.hits_of("/"), 1);
//! assert_eq!(origin.requests()[0].header("x-test"), Some("1"));
//! # }
//! ```

mod deadline;
mod gate;
mod tasks;

mod body;
mod certificates;
mod head;
mod listen;

mod origin;
mod websocket;

mod client;
mod events;

mod raw_origin;
mod wire;

mod gateway;
mod in_memory;
mod name_server;
mod pebble;
mod redis;

pub use body::{Feed, Gone};
pub use certificates::{Authority, Certificate, Identity, Issue};
pub use client::{Call, Client, Failed, Handshake, Reply, Streaming, Trust};
pub use deadline::{PATIENCE, eventually, within};
pub use events::{Event, Events};
pub use gate::{Gate, Held};
pub use gateway::{Gateway, GatewayBuilder};
pub use in_memory::in_memory;
pub use listen::deaf_address;
pub use name_server::{NameServer, Service};
pub use origin::{
    Behaviour, Drain, Echo, Feeds, FeedsRoute, Filler, Fixed, Origin, OriginBuilder, Proxied, Request,
    Response, Seen, SeenTls,
};
pub use pebble::{Builder as PebbleBuilder, Dns, Pebble};
pub use raw_origin::RawOrigin;
pub use redis::RedisServer;
pub use rustls::version::{TLS12, TLS13};
pub use websocket::{Ending, Message, Sockets, SocketsRoute, WebSocket, WebSocketCall, WebSocketEcho};
pub use wire::Wire;
