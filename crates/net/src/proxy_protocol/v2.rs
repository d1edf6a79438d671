//! Version 2: binary. 12 bytes of signature, 4 that say what follows and how much of it, addresses, and fields that each
//! tell their length.

mod checksum;

use std::net::IpAddr;

use headwall_core::proxy_protocol::SIGNATURE;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use self::checksum::Checksum;
use super::{Proxied, ProxyProtocolError};

/// What a header may have after its first 16 bytes. Balancers send some tens; a client certificate's name or a field of
/// the user's own is longer, but not this long.
pub(super) const LONGEST_REST: usize = 2048;

/// The field that has the checksum.
const CRC32C: u8 = 0x03;

/// Reads what follows the signature.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyProtocolError> {
    let mut fixed = [0; 4];
    fill(io, &mut fixed, SIGNATURE.len()).await?;
    let [command, family, length @ ..] = fixed;
    if command >> 4 != 2 {
        return Err(ProxyProtocolError::Version { version: command >> 4 });
    }
    let length = usize::from(u16::from_be_bytes(length));
    if length > LONGEST_REST {
        return Err(ProxyProtocolError::Long { announced: length });
    }
    let mut rest = vec![0; length];
    fill(io, &mut rest, SIGNATURE.len() + fixed.len()).await?;
    match command & 0xf {
        // The rest is to be ignored, whatever family it is said to be of.
        0 => Ok(Proxied::default()),
        1 => parse(fixed, family, &rest),
        command => Err(ProxyProtocolError::Command { command }),
    }
}

/// Fills `buf`, of a header of which `read` bytes came before.
async fn fill(
    io: &mut (impl AsyncRead + Unpin),
    buf: &mut [u8],
    read: usize,
) -> Result<(), ProxyProtocolError> {
    let mut filled = 0;
    while filled < buf.len() {
        match io.read(&mut buf[filled..]).await? {
            0 => return Err(ProxyProtocolError::Ended { read: read + filled }),
            more => filled += more,
        }
    }
    Ok(())
}

fn parse(fixed: [u8; 4], family: u8, rest: &[u8]) -> Result<Proxied, ProxyProtocolError> {
    let short = |needed| ProxyProtocolError::Short { needed, announced: rest.len() };
    let (proxied, fields) = match family {
        // Unspecified: the rest has no form that could be known.
        0x00 => return Ok(Proxied::default()),
        // Over TCP and over UDP.
        0x11 | 0x12 => addresses::<4>(rest).ok_or_else(|| short(12))?,
        0x21 | 0x22 => addresses::<16>(rest).ok_or_else(|| short(36))?,
        // Two paths of unix sockets, of 108 bytes each.
        0x31 | 0x32 => (Proxied::default(), rest.get(216..).ok_or_else(|| short(216))?),
        family => return Err(ProxyProtocolError::Family { family }),
    };
    check(fixed, rest, rest.len() - fields.len())?;
    Ok(proxied)
}

/// Two addresses of `N` bytes, two ports, and what is after them.
fn addresses<const N: usize>(rest: &[u8]) -> Option<(Proxied, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = rest.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk().map(|(port, rest)| (u16::from_be_bytes(*port), rest))?;
    let (to, rest) = rest.split_first_chunk().map(|(port, rest)| (u16::from_be_bytes(*port), rest))?;
    Some((Proxied::between((*source, from), (*destination, to)), rest))
}

/// Goes through the fields, which begin at `at`. None but the checksum has a meaning here.
fn check(fixed: [u8; 4], rest: &[u8], mut at: usize) -> Result<(), ProxyProtocolError> {
    while let Some(&field) = rest.get(at) {
        let too_long = || ProxyProtocolError::Field { field };
        let length = rest.get(at + 1..at + 3).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
        let begin = at + 3;
        at = begin + usize::from(u16::from_be_bytes(length.ok_or_else(too_long)?));
        let value = rest.get(begin..at).ok_or_else(too_long)?;
        if field != CRC32C {
            continue;
        }
        let written = <[u8; 4]>::try_from(value).map(u32::from_be_bytes).map_err(|_| too_long())?;
        // The checksum is taken with zeros in its own place.
        let parts = [&SIGNATURE, &fixed[..], &rest[..begin], &[0; 4], &rest[at..]];
        let computed = parts.into_iter().fold(Checksum::new(), Checksum::with).value();
        if written != computed {
            return Err(ProxyProtocolError::Checksum { computed, written });
        }
    }
    Ok(())
}
