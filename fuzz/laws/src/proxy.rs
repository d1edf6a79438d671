//! PROXY headers: nothing is read beyond them, and another reader finds the same addresses.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use headwall::proxy_protocol::{SIGNATURE, Version};
use headwall_net::proxy_protocol::{Proxied, accept};
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that come so many at a time.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

/// A header has one reading, and what follows it is left alone.
///
/// # Panics
///
/// When it has two, or something else was read.
pub fn proxy(bytes: &[u8]) {
    let (whole, taken) = read(bytes, bytes.len().max(1));
    for piece in [1, 2, 7] {
        let (found, taken_then) = read(bytes, piece);
        assert_eq!(found, whole, "{piece} bytes at a time");
        assert!(whole.is_none() || taken_then == taken, "{piece} bytes at a time: {taken_then}, not {taken}");
    }
    let longest = if bytes.starts_with(&SIGNATURE) { 16 + 2048 } else { 107 };
    assert!(taken <= longest, "{taken} bytes were read");
    let Some(proxied) = whole else { return };
    assert_eq!(read(&bytes[..taken - 1], taken).0, None, "its last byte is needed");
    let (Some(source), Some(destination)) = (proxied.source, proxied.destination) else { return };
    second_opinion(&bytes[..taken], source, destination);
    for version in [Version::V1, Version::V2] {
        let header = version.header(source, destination);
        let (again, _) = read(header.as_bytes(), header.as_bytes().len());
        let again = again.and_then(|again| Some((canonical(again.source?), canonical(again.destination?))));
        assert_eq!(again, Some((canonical(source), canonical(destination))), "{header:?}");
    }
}

/// The header, if it is one, and how many bytes were read.
fn read(bytes: &[u8], piece: usize) -> (Option<Proxied>, usize) {
    let mut pieces = Pieces { left: bytes, piece };
    // There is nothing to wait for.
    let found = accept(&mut pieces).now_or_never().and_then(Result::ok);
    (found, bytes.len() - pieces.left.len())
}

/// Of a crate that takes more than this reader, but reads the same out of what both take.
fn second_opinion(own: &[u8], source: SocketAddr, destination: SocketAddr) {
    let theirs = ProxyHeader::parse(own, ParseConfig::default());
    let Ok((theirs, length)) = theirs else { panic!("refused elsewhere: {}", own.escape_ascii()) };
    let Some(address) = theirs.proxied_address() else { panic!("nobody is named: {}", own.escape_ascii()) };
    assert_eq!((address.source, address.destination, length), (source, destination, own.len()));
}

/// IPv4 in IPv6 clothes is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let taken = this.piece.min(this.left.len()).min(buf.remaining());
        let (now, later) = this.left.split_at(taken);
        buf.put_slice(now);
        this.left = later;
        Poll::Ready(Ok(()))
    }
}
