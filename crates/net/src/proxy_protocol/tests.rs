//! Headers as the specification has them, and what is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headwall_core::proxy_protocol::Version;
use proptest::prelude::*;
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncWriteExt as _, duplex};

use super::*;

/// Reads a header, and tells what of `bytes` is left.
fn read(mut bytes: &[u8]) -> (Result<Proxied, ProxyProtocolError>, &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = runtime.block_on(accept(&mut bytes));
    (read, bytes)
}

fn between(source: &str, destination: &str) -> Proxied {
    Proxied { source: Some(source.parse().unwrap()), destination: Some(destination.parse().unwrap()) }
}

/// A header of version 2 with these 4 bytes after the signature but for the length, and this rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const ON_IPV4: &[u8] = b"\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";

/// The addresses of `ON_IPV4` and these fields.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[ON_IPV4, fields].concat())
}

/// Recorded, with `send-proxy-v2` and `proxy-v2-options crc32c,unique-id`.
const HAPROXY: &[u8] = b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00:\x7f\x00\x00\x01\x7f\x00\x00\x01\xde\x82\xc7\x0b\
    \x03\x00\x04\xece\x85\x94\x05\x00$8e323e9e-16dc-4578-bf0f-43599cf98e7d";

fn headers() -> Vec<(&'static str, Vec<u8>, Proxied)> {
    let ipv4 = between("192.0.2.1:56324", "198.51.100.2:443");
    let ipv6 = between("[2001:db8::1]:1", "[::1]:2");
    let on_ipv6: Vec<u8> =
        ["2001:db8::1".parse::<Ipv6Addr>().unwrap().octets(), "::1".parse::<Ipv6Addr>().unwrap().octets()]
            .concat()
            .into_iter()
            .chain([0, 1, 0, 2])
            .collect();
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let highest = format!("[{full}]:65535");
    // Between a name and an empty field.
    let mut summed = with_fields(b"\x02\0\x01a\x03\0\x04\0\0\0\0\x04\0\0");
    summed[35..39].copy_from_slice(&SUM);
    vec![
        // Of section 2.1 of the specification.
        (
            "its example",
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_vec(),
            between("192.168.0.1:56324", "192.168.0.11:443"),
        ),
        (
            "its longest on IPv4",
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(),
            between("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "its longest on IPv6",
            format!("PROXY TCP6 {full} {full} 65535 65535\r\n").into(),
            between(&highest, &highest),
        ),
        ("its shortest", b"PROXY UNKNOWN\r\n".to_vec(), Proxied::default()),
        (
            "its longest, of 107 bytes",
            format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n").into(),
            Proxied::default(),
        ),
        ("port 0", b"PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n".to_vec(), between("192.0.2.1:0", "192.0.2.2:0")),
        ("IPv6 on a line", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), ipv6),
        ("unknown, with what nobody knows", b"PROXY UNKNOWN what ever\r\n".to_vec(), Proxied::default()),
        ("TCP over IPv4", binary(0x21, 0x11, ON_IPV4), ipv4),
        ("UDP over IPv4", binary(0x21, 0x12, ON_IPV4), ipv4),
        ("TCP over IPv6", binary(0x21, 0x21, &on_ipv6), ipv6),
        ("UDP over IPv6", binary(0x21, 0x22, &on_ipv6), ipv6),
        ("unix sockets", binary(0x21, 0x31, &[b'x'; 216]), Proxied::default()),
        ("unspecified", binary(0x21, 0x00, b""), Proxied::default()),
        ("unspecified, with what nobody knows", binary(0x21, 0x00, b"what ever"), Proxied::default()),
        ("local", binary(0x20, 0x00, b""), Proxied::default()),
        ("local, with addresses", binary(0x20, 0x11, ON_IPV4), Proxied::default()),
        ("local, of a family that is none", binary(0x20, 0xff, b"what ever"), Proxied::default()),
        ("fields", with_fields(b"\x01\0\x02h2\xee\0\0"), ipv4),
        ("the longest", with_fields(&[&b"\x04\x07\xf1"[..], &[0; 2033]].concat()), ipv4),
        ("what HAProxy 2.6 sends", HAPROXY.to_vec(), between("127.0.0.1:56962", "127.0.0.1:50955")),
        ("a checksum", summed, ipv4),
    ]
}

/// CRC-32C of the header above, computed by another program.
const SUM: [u8; 4] = [0x6a, 0xb2, 0x25, 0xde];

#[test]
fn headers_are_read_and_nothing_after_them() {
    for (what, header, expected) in headers() {
        for rest in [&b""[..], b"\x16", b"\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
            let bytes = [&header[..], rest].concat();
            let (read, left) = read(&bytes);
            assert_eq!(read.unwrap(), expected, "{what}");
            assert_eq!(
                left.escape_ascii().to_string(),
                rest.escape_ascii().to_string(),
                "{what}: what is left"
            );
        }
    }
}

#[test]
fn a_header_that_breaks_off_is_none_wherever_it_does() {
    for (what, header, _) in headers() {
        for length in 0..header.len() {
            let (read, _) = read(&header[..length]);
            assert!(
                matches!(read, Err(ProxyProtocolError::Ended { read }) if read == length),
                "{what}, {length} bytes of {}: {read:?}",
                header.len()
            );
        }
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    for (what, header, expected) in headers() {
        let (mut near, mut far) = duplex(1);
        let sent = tokio::spawn(async move {
            far.write_all(&header).await.unwrap();
            far
        });
        assert_eq!(accept(&mut near).await.unwrap(), expected, "{what}");
        drop(sent.await.unwrap());
    }
}

#[test]
fn what_is_no_header_is_told() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), 108);
    let mut damaged = headers().pop().unwrap().1;
    damaged[16] ^= 1;
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "but the connection begins with `GET / HTTP/1`"),
        ("one wrong byte, and nothing more", b"\x16".to_vec(), r"but the connection begins with `\x16`"),
        ("an HTTP method that begins so", b"PROPFIND / HT".to_vec(), "begins with `PROPFIND / H`"),
        ("another case", b"proxy UNKNOWN\r\n".to_vec(), "begins with `proxy UNKNOW`"),
        ("no space", b"PROXY_TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), "begins with `PROXY_TCP4 1`"),
        (
            "two spaces",
            b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
            "expected `PROXY UNKNOWN`, or a family",
        ),
        (
            "another family",
            b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
            "expected `TCP4`, `TCP6` or `UNKNOWN`",
        ),
        ("unknown, and more", b"PROXY UNKNOWNED\r\n".to_vec(), "expected `PROXY UNKNOWN`, or a family"),
        (
            "addresses of the other family",
            b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(),
            "expected two IPv4 addresses",
        ),
        (
            "the other way round",
            b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
            "expected two IPv6 addresses",
        ),
        ("an octal address", b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n".to_vec(), "expected two IPv4 addresses"),
        ("a name", b"PROXY TCP4 localhost 2.2.2.2 1 2\r\n".to_vec(), "expected two IPv4 addresses"),
        ("a port that is none", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n".to_vec(), "expected two ports"),
        ("a port with a sign", b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n".to_vec(), "expected two ports"),
        ("a port with a zero", b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n".to_vec(), "expected two ports"),
        ("no ports", b"PROXY TCP4 1.1.1.1 2.2.2.2\r\n".to_vec(), "expected `PROXY UNKNOWN`, or a family"),
        (
            "a word more",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n".to_vec(),
            "expected `PROXY UNKNOWN`, or a family",
        ),
        (
            "a line feed alone",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n".to_vec(),
            r"expected one line that ends with \r\n",
        ),
        ("a return alone", b"PROXY UNKNOWN\rGET".to_vec(), r"expected one line that ends with \r\n"),
        ("a zero byte", b"PROXY UNKNOWN \0\r\n".to_vec(), r"but came `PROXY UNKNOWN \x00"),
        ("what is no text", b"PROXY TCP4 \xff 2.2.2.2 1 2\r\n".to_vec(), "expected text"),
        ("a line of 108 bytes", long.into(), "of at most 107 bytes, but the line goes on"),
        ("version 1, binary", binary(0x11, 0x11, ON_IPV4), "but came version 1"),
        ("version 3", binary(0x31, 0x11, ON_IPV4), "but came version 3"),
        ("another command", binary(0x22, 0x11, ON_IPV4), "expected the command 0 (LOCAL) or 1 (PROXY)"),
        ("another family, binary", binary(0x21, 0x41, ON_IPV4), "but came 0x41"),
        ("another protocol", binary(0x21, 0x13, ON_IPV4), "but came 0x13"),
        ("too short for IPv4", binary(0x21, 0x11, &[0; 11]), "expected 12 bytes of addresses"),
        ("too short for IPv6", binary(0x21, 0x21, &[0; 35]), "expected 36 bytes of addresses"),
        ("too short for paths", binary(0x21, 0x31, &[0; 215]), "expected 216 bytes of addresses"),
        ("too long", binary(0x21, 0x11, &[0; 2049]), "expected at most 2048 bytes"),
        ("too long, and local", binary(0x20, 0x00, &[0; 2049]), "expected at most 2048 bytes"),
        ("half a field", with_fields(b"\x01\0"), "but field 0x01 does not"),
        ("a field that is too long", with_fields(b"\x02\0\x02a"), "but field 0x02 does not"),
        ("a checksum of 3 bytes", with_fields(b"\x03\0\x03abc"), "but field 0x03 does not"),
        ("a wrong checksum", with_fields(b"\x03\0\x04\0\0\0\0"), "but came 00000000"),
        ("damage that a checksum tells", damaged, "expected the checksum"),
    ];
    for (what, bytes, expected) in table {
        let error = read(&bytes).0.expect_err(what).to_string();
        assert!(error.contains(expected), "{what}: expected `{expected}`, but came `{error}`");
    }
}

#[test]
fn a_binary_header_that_is_too_long_is_refused_by_its_length_alone() {
    let header = binary(0x21, 0x11, &[0; 2049]);
    let (read, left) = read(&header);
    assert!(matches!(read, Err(ProxyProtocolError::Long { announced: 2049 })), "{read:?}");
    assert_eq!(left.len(), 2049, "nothing of it is read");
}

#[test]
fn headers_of_ones_own_tell_nothing() {
    for version in [Version::V1, Version::V2] {
        let (read, _) = read(version.local().as_bytes());
        assert_eq!(read.unwrap(), Proxied::default(), "{version:?}");
    }
}

#[test]
fn a_header_has_addresses_of_one_family() {
    let table = [
        ("IPv4", "192.0.2.1:1", "192.0.2.2:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ("IPv6", "[2001:db8::1]:1", "[::1]:2", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n"),
        (
            "IPv4 as IPv6",
            "[::ffff:192.0.2.1]:1",
            "[::ffff:192.0.2.2]:2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ),
        ("one as IPv6", "[::ffff:192.0.2.1]:1", "192.0.2.2:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ("one of each", "192.0.2.1:1", "[::1]:2", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"),
        ("the other way round", "[::1]:1", "192.0.2.2:2", "PROXY TCP6 ::1 ::ffff:192.0.2.2 1 2\r\n"),
        ("with a scope", "[fe80::1%3]:1", "[::1]:2", "PROXY TCP6 fe80::1 ::1 1 2\r\n"),
    ];
    for (what, source, destination, expected) in table {
        let line = Version::V1.header(source.parse().unwrap(), destination.parse().unwrap());
        assert_eq!(str::from_utf8(line.as_bytes()).unwrap(), expected, "{what}");
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::from),
        any::<Ipv6Addr>().prop_map(IpAddr::from),
        any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped().into()),
    ];
    (ip, any::<u16>()).prop_map(SocketAddr::from)
}

/// The same address, however it is written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

proptest! {
    #[test]
    fn what_is_written_is_read(source in address(), destination in address(), after: [u8; 3]) {
        for version in [Version::V1, Version::V2] {
            let header = version.header(source, destination);
            let header = header.as_bytes();
            let bytes = [header, &after].concat();
            let (read, left) = read(&bytes);
            let read = read.unwrap();
            prop_assert_eq!(read.source.map(canonical), Some(canonical(source)));
            prop_assert_eq!(read.destination.map(canonical), Some(canonical(destination)));
            prop_assert_eq!(left, &after);

            let (theirs, length) = ProxyHeader::parse(header, ParseConfig::default()).unwrap();
            let theirs = theirs.proxied_address().unwrap();
            prop_assert_eq!((Some(theirs.source), Some(theirs.destination)), (read.source, read.destination));
            prop_assert_eq!(length, header.len());
        }
    }

    #[test]
    fn nothing_that_comes_is_read_too_far(
        start in prop_oneof![Just(&b""[..]), Just(&b"PROXY "[..]), Just(&b"PROXY TCP4 "[..]), Just(&SIGNATURE[..])],
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &bytes].concat();
        let (result, left) = read(&bytes);
        let taken = &bytes[..bytes.len() - left.len()];
        if taken.starts_with(&SIGNATURE) {
            prop_assert!(taken.len() <= 16 + v2::LONGEST_REST);
        } else {
            prop_assert!(taken.len() <= v1::LONGEST);
            prop_assert!(result.is_err() || taken.ends_with(b"\r\n"));
        }
    }
}
