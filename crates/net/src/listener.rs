//! Bound sockets.
//!
//! Binding comes before anything else at a start or a reload, so that a port that is taken is an error of the
//! operator's command and not of some task later.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::{Address, Socket};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// After this time of silence the kernel asks whether the other end is still there, so that a tunnel to a laptop
/// that was shut does not stay open until its idle timeout.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// A socket that is listening.
#[derive(Debug)]
pub struct Listener {
    address: Address,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "it is there to be dropped")] RemoveOnDrop),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    address: Address,
    reason: String,
    #[source]
    source: io::Error,
}

/// The file of a unix socket, which outlives its socket unless somebody removes it.
#[derive(Debug)]
struct RemoveOnDrop(PathBuf);

impl Listener {
    /// Listens on an address. Needs a Tokio runtime.
    pub fn bind(address: &Address) -> Result<Self, BindError> {
        let inner = match address {
            Address::Tcp(tcp) => bind_tcp(*tcp).map(Inner::Tcp),
            Address::Unix(path) => bind_unix(path),
        };
        let inner = inner.map_err(|source| BindError {
            address: address.clone(),
            reason: explain(&source),
            source,
        })?;
        let address = match &inner {
            // A port of 0 has become a real one.
            Inner::Tcp(listener) => listener.local_addr().map_or_else(|_| address.clone(), Address::Tcp),
            Inner::Unix(..) => address.clone(),
        };
        Ok(Self { address, inner })
    }

    /// The address, with the port that was assigned where 0 was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next connection. The address of a unix socket's other end is `127.0.0.1:0`.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.inner {
            Inner::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), peer))
            }
            Inner::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), SocketAddr::from(([127, 0, 0, 1], 0))))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // The unspecified address takes IPv4 too, whatever the system's default is.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Accepted sockets inherit both on Linux, which saves system calls for each connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER))?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<Inner> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(Inner::Unix(listener, RemoveOnDrop(path.to_owned())))
}

/// Whether a socket file is left over from a process that is gone.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list is open; these are the mistakes that operators make"
)]
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process is listening there already".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (ports below 1024 need root or the capability CAP_NET_BIND_SERVICE)".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        io::ErrorKind::NotFound => "its directory does not exist".into(),
        _ => error.to_string(),
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            log::debug!("{} was not removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_0_becomes_a_real_port_and_options_are_inherited() {
        let listener = Listener::bind(&Address::Tcp("[::]:0".parse().unwrap())).unwrap();
        let Address::Tcp(bound) = *listener.address() else { panic!("not TCP") };
        assert_ne!(bound.port(), 0);
        let client = tokio::net::TcpStream::connect(("127.0.0.1", bound.port())).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        assert_eq!(
            peer.ip().to_canonical(),
            client.local_addr().unwrap().ip(),
            "IPv4 through the IPv6 listener"
        );
        let Socket::Tcp(stream) = socket else { panic!("not TCP") };
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_says_so() {
        let first = Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let error = Listener::bind(first.address()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot listen on {}: another process is listening there already", first.address())
        );
    }

    #[tokio::test]
    async fn an_abandoned_socket_file_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let address = Address::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let live = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).is_err(), "somebody is listening");
        drop(live);
        assert!(!path.exists(), "the file goes with the listener");
    }
}
