//! One HTTP/1.1 connection of a client, driven by a task that ends with it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use super::failed::Failed;
use crate::body::Body;
use crate::deadline::patiently;

/// Dropping it closes the connection, unless that has become a tunnel.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Mutex<http1::SendRequest<Body>>,
    driver: AbortHandle,
    /// Its sender is dropped when the driver ends.
    ended: watch::Receiver<()>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr, from: Option<IpAddr>) -> Result<Arc<Self>, Failed> {
        let stream = connect(address, from).await.map_err(|source| Failed::Connect { address, source })?;
        Self::over(stream).await
    }

    pub(super) async fn over<S>(stream: S) -> Result<Arc<Self>, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| Failed::NoReply { source })?;
        let (running, ended) = watch::channel(());
        let driver = tokio::spawn(async move {
            // What goes wrong here is told to the one who waits for the reply or its body.
            drop(connection.with_upgrades().await);
            drop(running);
        });
        Ok(Arc::new(Self { sender: Mutex::new(sender), driver: driver.abort_handle(), ended }))
    }

    /// Sends when the reply before this one has been read, and returns the head of its own.
    pub(super) async fn send(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Incoming>, Failed> {
        let mut sender = self.sender.lock().await;
        sender.ready().await.map_err(|source| Failed::NoReply { source })?;
        sender.send_request(request).await.map_err(|source| Failed::NoReply { source })
    }

    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        patiently("a connection to be closed", async { while ended.changed().await.is_ok() {} }).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn connect(address: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(ip) = from {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
