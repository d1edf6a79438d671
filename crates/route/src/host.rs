//! One spelling for every host, so that a site is found by comparing bytes.

mod map;
mod pattern;

use std::borrow::Cow;
use std::net::Ipv6Addr;

pub use self::map::HostMap;
pub(crate) use self::pattern::Kind;
pub use self::pattern::{HostPattern, InvalidHostPattern};

/// The longest name that DNS can hold, in bytes. It also bounds the work of walking a name's labels.
const LONGEST: usize = 253;

/// Why a host was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// Nothing was written, or a port alone.
    #[error("expected a host name, was empty")]
    Empty,

    /// A character that no host name holds, such as a space, `/`, `@` or a control character.
    #[error("a host name may not hold {0:?}")]
    Character(char),

    /// A name in letters of its own language.
    #[error("a host name may not hold {0:?}: write the name in its ASCII form (xn--…)")]
    NotAscii(char),

    /// Two dots in a row, or a dot at the start.
    #[error("a host name may not hold an empty label, was {0:?}")]
    EmptyLabel(String),

    /// Longer than DNS allows.
    #[error("expected a host name of at most {LONGEST} bytes, was {0}")]
    TooLong(usize),

    /// What follows the colon is not a port.
    #[error("expected a port from 0 to 65535 after the host, was {0:?}")]
    Port(String),

    /// What stands between brackets is not an IPv6 address.
    #[error("expected an IPv6 address in brackets, was {0:?}")]
    Ipv6(String),

    /// An IPv6 address whose brackets are missing.
    #[error("expected an IPv6 address in brackets such as [::1], was {0:?}")]
    Unbracketed(String),
}

/// The host that a request names, from its `Host` header or `:authority`.
///
/// The port is dropped, letters are lower-cased, the dot that ends a fully qualified name is dropped, and an
/// IPv6 address keeps its brackets and gets its shortest form (RFC 5952). Names hold ASCII letters, digits,
/// `-`, `_` and `.`; the wider alphabet of RFC 3986 (`%`, `,`, `;` …) serves attackers only and is refused.
/// An empty port (`example.com:`) is legal by RFC 9110 section 7.2.
///
/// Allocates only for upper-case letters and IPv6 addresses.
///
/// # Errors
///
/// [`InvalidHost`] when the value is not a host with an optional port. Userinfo (`user@host`) is refused.
pub fn host_of(raw: &str) -> Result<Cow<'_, str>, InvalidHost> {
    split(raw).map(|(host, _)| host)
}

/// The host, normalised, and the port as it was written.
fn split(raw: &str) -> Result<(Cow<'_, str>, Option<&str>), InvalidHost> {
    if let Some(bracketed) = raw.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']').ok_or_else(|| InvalidHost::Ipv6(raw.to_owned()))?;
        let address: Ipv6Addr = address.parse().map_err(|_| InvalidHost::Ipv6(raw.to_owned()))?;
        let host = Cow::Owned(format!("[{address}]"));
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(checked_port(port)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(InvalidHost::Port(after.to_owned())),
        };
    }
    // Looked for in the whole text, so that `https://a` is told about its slash rather than about a port.
    if !raw.bytes().all(|byte| byte == b':' || is_name_byte(byte)) {
        return Err(odd_character(raw));
    }
    // Byte by byte: every request passes here, and a host is too short for a search that has to be set up.
    let Some(colon) = raw.bytes().position(|byte| byte == b':') else {
        return Ok((normal_name(raw)?, None));
    };
    let (name, port) = (&raw[..colon], &raw[colon + 1..]);
    if port.bytes().any(|byte| byte == b':') {
        return Err(InvalidHost::Unbracketed(raw.to_owned()));
    }
    Ok((normal_name(name)?, Some(checked_port(port)?)))
}

fn normal_name(raw: &str) -> Result<Cow<'_, str>, InvalidHost> {
    if raw.is_empty() {
        return Err(InvalidHost::Empty);
    }
    let name = raw.strip_suffix('.').unwrap_or(raw);
    if name.len() > LONGEST {
        return Err(InvalidHost::TooLong(name.len()));
    }
    let bytes = name.as_bytes();
    let at_an_end = bytes.first().is_none_or(|byte| *byte == b'.') || bytes.last() == Some(&b'.');
    if at_an_end || bytes.windows(2).any(|pair| pair == b"..") {
        return Err(InvalidHost::EmptyLabel(raw.to_owned()));
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

fn checked_port(port: &str) -> Result<&str, InvalidHost> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    // Parsing alone would let `+80` pass.
    if digits && (port.is_empty() || port.parse::<u16>().is_ok()) {
        Ok(port)
    } else {
        Err(InvalidHost::Port(port.to_owned()))
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn odd_character(raw: &str) -> InvalidHost {
    let fits = |c: char| c == ':' || u8::try_from(c).is_ok_and(is_name_byte);
    match raw.chars().find(|&c| !fits(c)) {
        Some(odd) if !odd.is_ascii() => InvalidHost::NotAscii(odd),
        odd => InvalidHost::Character(odd.unwrap_or(':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors() {
        for (raw, expected, why) in [
            ("app.example.com", "app.example.com", "a plain name"),
            ("App.Example.COM", "app.example.com", "names ignore case"),
            ("app.example.com:8443", "app.example.com", "the port is not the host"),
            ("app.example.com:", "app.example.com", "an empty port is a port"),
            ("app.example.com.", "app.example.com", "the root's dot says nothing"),
            ("app.example.com.:443", "app.example.com", "dot and port"),
            ("localhost", "localhost", "one label"),
            ("my_app.internal", "my_app.internal", "underscores are in use"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", "an internationalised name"),
            ("127.0.0.1:80", "127.0.0.1", "IPv4 with a port"),
            ("[::1]", "[::1]", "IPv6"),
            ("[::1]:8080", "[::1]", "IPv6 with a port"),
            ("[2001:DB8:0:0::1]", "[2001:db8::1]", "IPv6 has one shortest form"),
        ] {
            assert_eq!(host_of(raw).as_deref(), Ok(expected), "{raw}: {why}");
        }
    }

    #[test]
    fn refused() {
        let owned = str::to_owned;
        for (raw, expected) in [
            ("", InvalidHost::Empty),
            (":80", InvalidHost::Empty),
            (".", InvalidHost::EmptyLabel(owned("."))),
            ("a..b", InvalidHost::EmptyLabel(owned("a..b"))),
            (".example.com", InvalidHost::EmptyLabel(owned(".example.com"))),
            ("example.com..", InvalidHost::EmptyLabel(owned("example.com.."))),
            ("a b", InvalidHost::Character(' ')),
            ("user@example.com", InvalidHost::Character('@')),
            ("user:pass@example.com", InvalidHost::Character('@')),
            ("example.com/admin", InvalidHost::Character('/')),
            ("https://example.com", InvalidHost::Character('/')),
            ("a,b", InvalidHost::Character(',')),
            ("a%2eb", InvalidHost::Character('%')),
            ("a\r\nb", InvalidHost::Character('\r')),
            ("a\0", InvalidHost::Character('\0')),
            ("a\\b", InvalidHost::Character('\\')),
            ("*.example.com", InvalidHost::Character('*')),
            ("bücher.example", InvalidHost::NotAscii('ü')),
            ("a:http", InvalidHost::Port(owned("http"))),
            ("a:-1", InvalidHost::Port(owned("-1"))),
            ("a:65536", InvalidHost::Port(owned("65536"))),
            ("[::1]:65536", InvalidHost::Port(owned("65536"))),
            ("[::1]:+80", InvalidHost::Port(owned("+80"))),
            ("[::1]x", InvalidHost::Port(owned("x"))),
            ("[::1", InvalidHost::Ipv6(owned("[::1"))),
            ("[]", InvalidHost::Ipv6(owned("[]"))),
            ("[127.0.0.1]", InvalidHost::Ipv6(owned("[127.0.0.1]"))),
            ("[fe80::1%25eth0]", InvalidHost::Ipv6(owned("[fe80::1%25eth0]"))),
            ("::1", InvalidHost::Unbracketed(owned("::1"))),
            ("a:80:80", InvalidHost::Unbracketed(owned("a:80:80"))),
        ] {
            assert_eq!(host_of(raw), Err(expected), "{raw:?}");
        }
        assert_eq!(host_of(&"a".repeat(254)), Err(InvalidHost::TooLong(254)));
    }

    #[test]
    fn a_normal_name_is_borrowed() {
        for raw in ["app.example.com", "app.example.com.:443", "127.0.0.1:80"] {
            assert!(matches!(host_of(raw), Ok(Cow::Borrowed(_))), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn idempotent(raw in "[aA0.:\\[\\]@-]{0,12}") {
            if let Ok(once) = host_of(&raw) {
                let again = host_of(&once);
                prop_assert_eq!(again.as_deref(), Ok(&*once));
            }
        }

        #[test]
        fn anything_is_refused_or_normal(raw in any::<String>()) {
            if let Ok(host) = host_of(&raw) {
                let normal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:[]".contains(c);
                prop_assert!(!host.is_empty() && host.chars().all(normal), "{raw:?} gave {host:?}");
            }
        }
    }
}
