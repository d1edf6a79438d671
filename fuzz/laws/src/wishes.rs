//! What a client says of the answer that it wants: which bytes, which version, which form.

use headwall_semantics::{Multipart, Span, Validators, Verdict, Wanted, preferred_coding, tags};
use http::header::{ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

const SIZES: [u64; 4] = [0, 1, 1000, u64::MAX];
const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

/// Whatever a client wishes, it gets bytes that are there, none of them twice, and a form that it does not refuse.
///
/// # Panics
///
/// When it does not.
pub fn wishes(bytes: &[u8]) {
    let request = head(bytes);
    for size in SIZES {
        match Wanted::of(&request, size) {
            Wanted::Whole => {}
            Wanted::Nothing => assert!(size > 0, "there is nothing that could be missing"),
            Wanted::One(span) => are_there(&[span], size),
            Wanted::Several(spans) => {
                assert!((2..=16).contains(&spans.len()), "{spans:?}");
                are_there(&spans, size);
                announced(&spans, size);
            }
        }
    }
    let answer = HeaderMap::from_iter([
        (ETAG, HeaderValue::from_static("\"a\"")),
        (LAST_MODIFIED, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")),
    ]);
    let current = Validators::of(&answer);
    let (origin, cache) = (Verdict::at_origin(&request, &current), Verdict::in_cache(&request, &current));
    assert!(origin == cache || origin == Verdict::Failed, "a cache says {cache:?}, its server {origin:?}");
    for line in request.get_all(IF_NONE_MATCH) {
        assert!(tags(line.as_bytes()).count() <= line.len(), "a list comes to an end");
    }
    let chosen = |offered: &[&'static str]| preferred_coding(&request, offered, |coding| coding).copied();
    if let Some(coding) = chosen(&CODINGS) {
        assert_eq!(chosen(&[coding]), Some(coding), "what is best of three is good by itself");
    } else {
        assert!(CODINGS.iter().all(|coding| chosen(&[coding]).is_none()), "one would have done");
    }
}

/// Lines of `name: value`, without those that no head has.
fn head(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    });
    let mut head = HeaderMap::new();
    for (name, value) in lines.take(100) {
        head.append(name, value);
    }
    head
}

fn are_there(spans: &[Span], size: u64) {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|span| span.start);
    assert!(sorted.iter().all(|span| span.start < span.end && span.end <= size), "{spans:?} of {size}");
    assert!(sorted.windows(2).all(|pair| pair[0].end < pair[1].start), "{spans:?} touch each other");
}

/// A body of several parts is as long as it says.
fn announced(spans: &[Span], size: u64) {
    if size > 1000 {
        return;
    }
    let content = vec![0; usize::try_from(size).unwrap_or_default()];
    let multipart = Multipart::new(spans, 7, Some(&HeaderValue::from_static("text/plain")), size);
    assert_eq!(multipart.fill(&content).len() as u64, multipart.length);
}
