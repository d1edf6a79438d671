//! How the answers of an address are written into a file. No file outlives its process, so there is one form and no version,
//! and times stay in memory; but a disk may lose bytes, so nothing that is read is taken for granted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::entry::Entry;
use crate::freshness::Freshness;
use crate::storable::Rules;
use crate::vary::Selection;
use crate::way::Way;

/// What is left to read.
struct Reader<'a>(&'a [u8]);

/// The file of an address.
pub(super) fn write(url: &str, variants: &[Arc<Entry>]) -> Vec<u8> {
    let length = variants.iter().map(|entry| entry.size()).sum::<usize>();
    let mut out = Vec::with_capacity(url.len() + length);
    text(&mut out, url.as_bytes());
    for entry in variants {
        let Entry { status, headers, body, freshness: _, rules, way, selection } = &**entry;
        number(&mut out, u64::from(status.as_u16()));
        number(&mut out, u64::from(rules.ask_always) | u64::from(rules.is_shared) << 1);
        number(&mut out, rules.stale_while_revalidate.as_secs());
        number(&mut out, rules.stale_if_error.as_secs());
        text(&mut out, way.route.as_bytes());
        text(&mut out, way.upstream.as_bytes());
        number(&mut out, headers.len() as u64);
        for (name, value) in headers {
            text(&mut out, name.as_str().as_bytes());
            text(&mut out, value.as_bytes());
        }
        number(&mut out, selection.0.len() as u64);
        for (name, value) in &selection.0 {
            text(&mut out, name.as_str().as_bytes());
            number(&mut out, u64::from(value.is_some()));
            text(&mut out, value.as_deref().unwrap_or_default());
        }
        text(&mut out, body);
    }
    out
}

/// What a file says of this address, if it is whole. There is one time for each answer.
pub(super) fn read(bytes: &[u8], url: &str, times: &[Freshness]) -> Option<Vec<Arc<Entry>>> {
    let mut reader = Reader(bytes);
    if reader.text()? != url.as_bytes() {
        return None;
    }
    let entries = times.iter().map(|time| reader.entry(*time).map(Arc::new)).collect::<Option<Vec<_>>>()?;
    (reader.0.is_empty() && !entries.is_empty()).then_some(entries)
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn word(&mut self) -> Option<Arc<str>> {
        Some(std::str::from_utf8(self.text()?).ok()?.into())
    }

    fn name(&mut self) -> Option<HeaderName> {
        HeaderName::from_bytes(self.text()?).ok()
    }

    fn entry(&mut self, freshness: Freshness) -> Option<Entry> {
        let status = StatusCode::from_u16(self.number()?.try_into().ok()?).ok()?;
        let flags = self.number()?;
        let rules = Rules {
            ask_always: flags & 1 != 0,
            is_shared: flags & 2 != 0,
            stale_while_revalidate: Duration::from_secs(self.number()?),
            stale_if_error: Duration::from_secs(self.number()?),
        };
        let way = Way { route: self.word()?, upstream: self.word()? };
        let mut headers = HeaderMap::new();
        for _ in 0..self.number()? {
            headers.append(self.name()?, HeaderValue::from_bytes(self.text()?).ok()?);
        }
        let mut selection = Vec::new();
        for _ in 0..self.number()? {
            let (name, is_said) = (self.name()?, self.number()? != 0);
            let value = self.text()?;
            selection.push((name, is_said.then(|| value.into())));
        }
        let body = Bytes::copy_from_slice(self.text()?);
        Some(Entry { status, headers, body, freshness, rules, way, selection: Selection(selection.into()) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::entry;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_else(
            bodies in prop::collection::vec(0usize..3000, 1..4),
            cut in 0usize..12_000,
            flip in 0usize..12_000,
        ) {
            let entries: Vec<_> = bodies.iter().map(|bytes| entry(*bytes, &bytes.to_string()).0).collect();
            let times: Vec<_> = entries.iter().map(|entry| entry.freshness).collect();
            let file = write("http://a/", &entries);
            let found = read(&file, "http://a/", &times).unwrap();
            prop_assert_eq!(format!("{found:?}"), format!("{entries:?}"));
            prop_assert!(read(&file, "http://b/", &times).is_none(), "another address");
            let cut = cut % file.len();
            prop_assert!(read(&file[..cut], "http://a/", &times).is_none(), "half a file");
            // Whatever a disk has made of it: no panic, and no more than there is.
            let mut broken = file.clone();
            broken[flip % file.len()] ^= 0x81;
            drop(read(&broken, "http://a/", &times));
        }
    }
}
