//! The `grpc_web` filter: browsers speak gRPC-Web, the server behind speaks gRPC.
//!
//! ```yaml
//! filters:
//!   - grpc_web: {}
//! ```
//!
//! A page can neither send gRPC's trailers nor read them, and some can only read text. gRPC-Web (PROTOCOL-WEB of gRPC) puts the
//! trailers behind the last message, and has a form in base64. Pingora has a bridge that knows the first of the two; here is
//! all of it, as a filter: a call's head is translated on its way in, its messages and trailers on their way out, and
//! whatever is no call of gRPC-Web passes as it is.

mod filter;
mod media_type;
mod text;
mod trailers;

pub use filter::GrpcWeb;
