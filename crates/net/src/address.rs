//! What can be listened on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A place to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `127.0.0.1:8080`, `[::1]:8080`; `[::]:8080` takes IPv4 as well.
    Tcp(SocketAddr),
    /// `unix:/run/headwall.sock`.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
