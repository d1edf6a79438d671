//! Version 1: a line of text, such as `PROXY TCP4 192.0.2.1 198.51.100.2 56324 443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Proxied, ProxyProtocolError};

/// What a line begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line there can be, its end included: `UNKNOWN` with two IPv6 addresses in full.
pub(super) const LONGEST: usize = 107;

/// Reads the rest of a line that has begun.
pub(super) async fn read<const N: usize>(
    start: [u8; N],
    io: &mut (impl AsyncRead + Unpin),
) -> Result<Proxied, ProxyProtocolError> {
    let mut line = [0; LONGEST];
    line[..N].copy_from_slice(&start);
    let mut length = N;
    loop {
        let read = &line[..length];
        // The two bytes of the line's end are still to come, or the second of them. More must not be asked for.
        let (text, missing) = read.strip_suffix(b"\r").map_or((read, 2), |text| (text, 1));
        if text.iter().any(u8::is_ascii_control) {
            return Err(ProxyProtocolError::line("one line that ends with \\r\\n", read));
        }
        let Some(next) = line.get_mut(length..length + missing) else {
            return Err(ProxyProtocolError::LongLine);
        };
        match io.read(next).await? {
            0 => return Err(ProxyProtocolError::Ended { read: length }),
            more => length += more,
        }
        if let Some(text) = line[..length].strip_suffix(b"\r\n") {
            return parse(text);
        }
    }
}

/// Reads a line without its end.
fn parse(line: &[u8]) -> Result<Proxied, ProxyProtocolError> {
    let wrong = |expected| ProxyProtocolError::line(expected, line);
    let text = line.strip_prefix(SIGNATURE).and_then(|text| str::from_utf8(text).ok());
    let mut words = text.ok_or_else(|| wrong("text"))?.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        // Whatever follows is to be ignored.
        return Ok(Proxied::default());
    }
    let (Some(source), Some(destination), Some(from), Some(to), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wrong("`PROXY UNKNOWN`, or a family, two addresses and two ports"));
    };
    let ips = match family {
        Some("TCP4") => ips::<Ipv4Addr>(source, destination).ok_or_else(|| wrong("two IPv4 addresses"))?,
        Some("TCP6") => ips::<Ipv6Addr>(source, destination).ok_or_else(|| wrong("two IPv6 addresses"))?,
        Some(_) | None => return Err(wrong("`TCP4`, `TCP6` or `UNKNOWN`")),
    };
    let (Some(from), Some(to)) = (port(from), port(to)) else {
        return Err(wrong("two ports, 0 to 65535"));
    };
    Ok(Proxied::between((ips.0, from), (ips.1, to)))
}

fn ips<T: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<(IpAddr, IpAddr)> {
    Some((source.parse::<T>().ok()?.into(), destination.parse::<T>().ok()?.into()))
}

/// Digits alone, without a sign or leading zeros, which the parser of numbers would take.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain)
}
