//! Certificates, and what is agreed on in a TLS handshake.
//!
//! A client says in its first message which host it wants. [`Sites`] finds the [`Site`] of that host, by the same rule
//! that routes go by, and the site answers with a `rustls::ServerConfig`: protocol versions, ciphers, tickets, whether
//! the client has to show a certificate, and the [`Identity`] to show to the client.
//!
//! Identities come from three places: from files that are watched ([`FilePair`]), from an authority of one's own
//! ([`LocalAuthority`]), or from wherever the program gets them. The first and the last are kept in a [`Slot`], which can
//! be filled and refilled while handshakes go on.
//!
//! The crate speaks no network: it knows neither sockets nor Pingora, and of ACME only that there is such a thing.

mod name;

mod identity;
mod slot;

mod files;
mod local;

mod cipher;
mod client;
mod protocol;

mod site;

pub use self::cipher::{InvalidCiphers, SuiteList};
pub use self::client::{ClientAuth, InvalidClientAuth};
pub use self::files::{FilePair, InvalidFile, Stamp};
pub use self::identity::{Identity, InvalidIdentity};
pub use self::local::{InvalidLocalAuthority, LocalAuthority};
pub use self::protocol::{ACME_TLS, Protocol, Sessions, Version, challenge};
pub use self::site::{Certificates, Hello, Refusal, Site, Sites};
pub use self::slot::Slot;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The cryptography that everything here is done with: AWS-LC, with X25519MLKEM768 first among the key exchanges.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
