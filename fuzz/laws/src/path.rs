//! Paths: one spelling, below the root.

use std::borrow::Cow;

use headwall_route::normalise;

/// A path that is accepted has one spelling and stays below the root.
///
/// # Panics
///
/// When it does not.
pub fn path(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else { return };
    for raw in [Cow::Borrowed(raw), Cow::Owned(format!("/{raw}"))] {
        let Ok(once) = normalise(&raw) else { continue };
        assert!(
            matches!(normalise(&once), Ok(Cow::Borrowed(twice)) if twice == once),
            "{once:?} is not normal"
        );
        assert!(once.starts_with('/') && once.bytes().all(|byte| byte.is_ascii_graphic()), "{once:?}");
        assert!(!once.contains("//") && !once.contains(['?', '#', '\\', '"', '<', '>']), "{once:?}");
        let decoded: Vec<Vec<u8>> = once.split('/').map(decoded).collect();
        let climbs = |segment: &Vec<u8>| matches!(segment.as_slice(), b"." | b"..");
        assert!(!decoded.iter().any(climbs), "{once:?} goes elsewhere once it is decoded");
        assert!(!decoded.concat().contains(&0), "{once:?}");
        assert_eq!(decoded.concat(), resolved(&raw).concat(), "{raw:?} became another path: {once:?}");
        // Below a directory it stays below that directory.
        let below = normalise(&format!("/a{once}")).map(Cow::into_owned);
        assert_eq!(below, Ok(format!("/a{once}")));
    }
}

/// The segments of a path as RFC 3986, 5.2.4 resolves them, decoded, in the slow and simple way: a stack.
fn resolved(raw: &str) -> Vec<Vec<u8>> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    for segment in raw.split('/') {
        match decoded(segment).as_slice() {
            b"" | b"." => {}
            b".." => drop(stack.pop()),
            name => stack.push(name.to_vec()),
        }
    }
    stack
}

/// Without escapes. What was accepted has no broken ones.
fn decoded(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next().unwrap_or(b'-')).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => text.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            (_, _) => panic!("a broken escape was accepted in {segment:?}"),
        }
    }
    text
}
