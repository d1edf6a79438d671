//! One WebSocket, as raw bytes.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::GREETING;

/// The payload of every message.
const PAYLOAD: usize = 64;

/// A message as clients send it: head, mask, payload.
const MESSAGE: usize = 2 + 4 + PAYLOAD;

/// An open WebSocket whose other end returns every byte.
#[derive(Debug)]
pub(super) struct WebSocket {
    stream: TcpStream,
    message: [u8; MESSAGE],
    back: [u8; MESSAGE],
}

/// Why a WebSocket is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// There was no 101.
    Refused,
    /// There was one, and then the bytes that had to follow did not come.
    Dropped,
}

impl WebSocket {
    /// Opens one; where the origin greets, the greeting has to follow the 101.
    pub(super) async fn open(address: SocketAddr, path: &str, greeted: bool) -> Result<Self, Lost> {
        let mut stream = Self::shake_hands(address, path).await.map_err(|_| Lost::Refused)?;
        let rest = until_101(&mut stream).await.map_err(|_| Lost::Refused)?;
        if greeted {
            let mut greeting = rest;
            let missing = GREETING.len().saturating_sub(greeting.len());
            let mut more = vec![0; missing];
            stream.read_exact(&mut more).await.map_err(|_| Lost::Dropped)?;
            greeting.extend_from_slice(&more);
            if greeting != GREETING {
                return Err(Lost::Dropped);
            }
        }
        let mut message = [b'm'; MESSAGE];
        message[..6].copy_from_slice(&[0x82, 0x80 | PAYLOAD as u8, 1, 2, 3, 4]);
        Ok(Self { stream, message, back: [0; MESSAGE] })
    }

    async fn shake_hands(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        Ok(stream)
    }

    /// Sends a message and waits for it to come back.
    pub(super) async fn echo(&mut self) -> Result<(), Lost> {
        self.stream.write_all(&self.message).await.map_err(|_| Lost::Dropped)?;
        self.stream.read_exact(&mut self.back).await.map_err(|_| Lost::Dropped)?;
        if self.back == self.message { Ok(()) } else { Err(Lost::Dropped) }
    }

    /// Says that nothing more will come, and waits for the other side to say the same.
    pub(super) async fn close(mut self) {
        // A connection that is gone is closed.
        if self.stream.shutdown().await.is_ok() {
            drop(self.stream.read(&mut self.back).await);
        }
    }
}

/// Reads the head of a 101 and gives what came after it.
async fn until_101(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(512);
    loop {
        if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
            return if buffer.starts_with(b"HTTP/1.1 101") {
                Ok(buffer.split_off(end + 4))
            } else {
                Err(io::Error::other("another answer"))
            };
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
