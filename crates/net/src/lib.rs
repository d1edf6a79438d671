//! Sockets in front of a gateway.
//!
//! Pingora's own listeners cannot tell their port, change at run time, bound the time of a whole request head or the
//! number of connections, and bind in a task where a failure is a panic nobody sees. So the accept loop is ours
//! and costs the same: [`Listener`] binds, [`accept()`] accepts, a handshake is made where the listener speaks TLS, and
//! [`Conn`] is the stream that Pingora is given.
//!
//! Nothing in here knows of routes or YAML.

mod accept;
mod address;
mod arrival;
mod conn;
mod connections;
mod crowd;
mod handshake;
mod listener;
mod preface;
pub mod proxy_protocol;
mod readable;
mod requests;
mod socket;
mod transport;

pub use accept::{Frontend, Limits, accept};
pub use address::Address;
pub use conn::Conn;
pub use connections::Connections;
pub use handshake::{Challenges, HandshakeMetrics, Secure};
pub use listener::{BindError, Listener};
pub use socket::Socket;
pub use transport::Transport;
