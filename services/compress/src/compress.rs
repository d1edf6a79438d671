//! The filter and its settings.

use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall_core::units::Size;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, async_trait,
};
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accept::preferred;
use crate::active::{Place, Places};
use crate::eligible::{is_eligible, length};
use crate::encoder::Encoder;
use crate::{Coding, MediaPattern};

/// Compresses responses for clients that can take it. Of two such filters on a request's way, the inner one alone decides:
/// a route's instead of its site's.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Compress {
    /// The codings that are offered, the server's favourite first: of those that a client likes equally well, the first is
    /// taken. An empty list switches compression off. Default: `[zstd, br, gzip]`.
    #[garde(custom(each_once))]
    pub encodings: Vec<Coding>,
    /// The shortest body that is compressed. One of unknown length always is. Default: `1k`.
    #[garde(skip)]
    pub min_size: Size,
    /// The types of content that are compressed: `text/html`, `text/*`, `application/*+json`. Events
    /// (`text/event-stream`) and gRPC never are, whatever the list says. Default: text, JSON, JavaScript, XML, SVG,
    /// WebAssembly, and fonts that are not compressed in themselves.
    #[garde(skip)]
    pub types: Vec<MediaPattern>,
    /// How hard each coding tries.
    #[garde(dive)]
    pub levels: Levels,
    /// How many responses are compressed at the same time; more are sent as they are. Each takes up to 1.5 MiB while it
    /// lasts. Default: 512.
    #[garde(range(min = 1, max = 65_536))]
    pub max_active: u32,
}

/// How hard each coding tries. More makes bodies a little shorter and costs a lot of CPU.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// From 1 to 9. Default: 3.
    #[garde(range(min = 1, max = 9))]
    pub zstd: u8,
    /// From 0 to 6. Default: 4.
    #[garde(range(min = 0, max = 6))]
    pub br: u8,
    /// From 1 to 9. Default: 5.
    #[garde(range(min = 1, max = 9))]
    pub gzip: u8,
}

struct Compressor {
    encodings: Vec<Coding>,
    min_size: u64,
    types: Vec<MediaPattern>,
    levels: Levels,
    places: Arc<Places>,
    counters: Counters,
}

/// The numbers of one filter, for each coding at its place in [`Coding::ALL`].
struct Counters {
    responses: [IntCounter; Coding::ALL.len()],
    received: [IntCounter; Coding::ALL.len()],
    sent: [IntCounter; Coding::ALL.len()],
    crowded_out: IntCounter,
}

/// What a client has asked for, kept until its response comes.
#[derive(Clone)]
struct Asked {
    of: FilterId,
    coding: Option<Coding>,
    /// What the client has stored, where that may be something that was compressed here.
    stored: Option<HeaderValue>,
}

/// A response that is being compressed.
#[derive(Clone)]
struct Running(Arc<Mutex<Body>>);

struct Body {
    of: FilterId,
    /// Taken away at the end.
    encoder: Option<Encoder>,
    /// Nobody knows when the next piece comes, so each leaves at once.
    at_once: bool,
    coding: Coding,
    _place: Place,
}

/// Tells one filter from another, of which there may be several on a request's way.
type FilterId = usize;

// === impl Compress ===

impl Default for Compress {
    fn default() -> Self {
        const TYPES: [&str; 14] = [
            "text/*",
            "application/json",
            "application/*+json",
            "application/x-ndjson",
            "application/javascript",
            "application/x-javascript",
            "application/xml",
            "application/*+xml",
            "application/wasm",
            "application/vnd.ms-fontobject",
            "image/svg+xml",
            "image/bmp",
            "font/otf",
            "font/ttf",
        ];
        Self {
            encodings: Coding::ALL.to_vec(),
            min_size: Size::from_kib(1),
            types: TYPES.iter().filter_map(|text| text.parse().ok()).collect(),
            levels: Levels::default(),
            max_active: 512,
        }
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self { zstd: 3, br: 4, gzip: 5 }
    }
}

impl Module for Compress {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Compressor {
            encodings: self.encodings.clone(),
            min_size: self.min_size.bytes(),
            types: self.types.clone(),
            levels: self.levels,
            places: Places::new(self.max_active),
            counters: Counters::new(cx)?,
        }))
    }
}

fn each_once(encodings: &[Coding], (): &()) -> garde::Result {
    let twice = encodings.iter().enumerate().find(|(index, coding)| encodings[..*index].contains(coding));
    match twice {
        Some((_, coding)) => Err(garde::Error::new(format!("`{}` is named twice", coding.token()))),
        None => Ok(()),
    }
}

// === impl Compressor ===

impl Compressor {
    fn id(&self) -> FilterId {
        std::ptr::from_ref(self).addr()
    }

    fn begin(&self, coding: Coding, res: &ResponseHead) -> Result<Option<Running>, BoxError> {
        let Some(place) = self.places.take() else {
            self.counters.crowded_out.inc();
            return Ok(None);
        };
        self.counters.responses[coding as usize].inc();
        let body = Body {
            of: self.id(),
            encoder: Some(Encoder::new(coding, self.levels)?),
            at_once: length(&res.headers).is_none(),
            coding,
            _place: place,
        };
        Ok(Some(Running(Arc::new(Mutex::new(body)))))
    }

    /// The body of `GET` is compressed; `HEAD` is told of it alone.
    fn dress(&self, coding: Coding, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        if cx.request_line().method != Method::HEAD {
            let Some(running) = self.begin(coding, res)? else { return Ok(()) };
            cx.extensions_mut().insert(running);
        }
        res.headers.insert(CONTENT_ENCODING, coding.header());
        res.headers.remove(CONTENT_LENGTH);
        res.headers.remove(ACCEPT_RANGES);
        weaken(&mut res.headers);
        Ok(())
    }
}

#[async_trait]
impl Filter for Compressor {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE | Phases::RESPONSE_BODY
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let coding = preferred(&req.headers, &self.encodings);
        let stored = coding.and_then(|_| req.headers.get(IF_NONE_MATCH).cloned());
        cx.extensions_mut().insert(Asked { of: self.id(), coding, stored });
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let asked = cx.extensions().get::<Asked>().filter(|asked| asked.of == self.id()).cloned();
        let Some(asked) = asked.filter(|_| !self.encodings.is_empty()) else {
            return Ok(());
        };
        // A response that was given up in favour of this one may have left something behind.
        cx.extensions_mut().remove::<Running>();
        if res.status == StatusCode::NOT_MODIFIED {
            freshen(&mut res.headers, asked.stored.as_ref());
            return Ok(());
        }
        if !is_eligible(res, &self.types, self.min_size) {
            return Ok(());
        }
        vary(&mut res.headers);
        asked.coding.map_or(Ok(()), |coding| self.dress(coding, res, cx))
    }

    fn response_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<(), BoxError> {
        let Some(Running(body)) = cx.extensions().get() else { return Ok(()) };
        let mut body = body.lock();
        if body.of != self.id() {
            return Ok(());
        }
        let (coding, at_once) = (body.coding as usize, body.at_once && !end);
        let Some(mut encoder) = body.encoder.take() else { return Ok(()) };
        let taken = piece.take().unwrap_or_default();
        let mut out = if taken.is_empty() { Bytes::new() } else { encoder.push(&taken, at_once)? };
        if end {
            let rest = encoder.finish()?;
            out = if out.is_empty() { rest } else { [out, rest].concat().into() };
        } else {
            body.encoder = Some(encoder);
        }
        self.counters.received[coding].inc_by(taken.len() as u64);
        self.counters.sent[coding].inc_by(out.len() as u64);
        *piece = Some(out);
        Ok(())
    }
}

/// RFC 9110, 12.5.5. Said whether or not this client's response is compressed, because another's would be.
fn vary(headers: &mut HeaderMap) {
    let named = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let mut fields = named.flat_map(|value| value.split(',')).map(str::trim);
    if !fields.any(|field| field == "*" || field.eq_ignore_ascii_case("accept-encoding")) {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// A strong validator tells one sequence of bytes from every other (RFC 9110, 8.8.1), and this is another one now.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

/// A client that has stored what was compressed is told of it by the same tag, else it could not find it again
/// (RFC 9111, 4.3.4).
fn freshen(headers: &mut HeaderMap, stored: Option<&HeaderValue>) {
    let (Some(tag), Some(stored)) = (headers.get(ETAG), stored) else { return };
    let weak = [b"W/", tag.as_bytes()].concat();
    let names = |element: &[u8]| element.trim_ascii() == weak;
    if tag.as_bytes().starts_with(b"\"") && stored.as_bytes().split(|byte| *byte == b',').any(names) {
        weaken(headers);
        vary(headers);
    }
}

// === impl Counters ===

impl Counters {
    fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let labels = &["place", "encoding"];
        let metrics = cx.metrics();
        let responses = metrics.counters(
            "headwall_compress_responses_total",
            "Responses that were compressed.",
            labels,
        )?;
        let received = metrics.counters(
            "headwall_compress_input_bytes_total",
            "Bytes of bodies before they were compressed.",
            labels,
        )?;
        let sent = metrics.counters(
            "headwall_compress_output_bytes_total",
            "Bytes of bodies after they were compressed.",
            labels,
        )?;
        let crowded_out = metrics.counters(
            "headwall_compress_crowded_out_total",
            "Responses that were sent as they are because too many were being compressed.",
            &["place"],
        )?;
        let place = cx.place();
        let of_each = |family: &prometheus::IntCounterVec| {
            Coding::ALL.map(|coding| family.with_label_values(&[place, coding.token()]))
        };
        Ok(Self {
            responses: of_each(&responses),
            received: of_each(&received),
            sent: of_each(&sent),
            crowded_out: crowded_out.with_label_values(&[place]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_tag_is_weakened_once() {
        for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\""), ("odd", "odd")] {
            let mut headers = headers(&[(ETAG, tag)]);
            weaken(&mut headers);
            assert_eq!(headers[ETAG], expected);
        }
    }

    #[test]
    fn caches_are_told_what_a_response_depends_on() {
        let rows = [
            (None, "Accept-Encoding"),
            (Some("Origin"), "Origin, Accept-Encoding"),
            (Some("Origin, accept-encoding"), "Origin, accept-encoding"),
            (Some("*"), "*"),
        ];
        for (before, after) in rows {
            let mut map = HeaderMap::new();
            if let Some(before) = before {
                map.insert(VARY, HeaderValue::from_static(before));
            }
            vary(&mut map);
            let lines: Vec<_> = map.get_all(VARY).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(lines.join(", "), after);
        }
    }

    #[test]
    fn what_was_stored_is_found_again_by_its_tag() {
        let rows = [
            ("\"a\"", Some("W/\"a\""), "W/\"a\"", "it was compressed"),
            ("\"a\"", Some("W/\"b\", W/\"a\""), "W/\"a\"", "one of several"),
            ("\"a\"", Some("\"a\""), "\"a\"", "it was not"),
            ("\"a\"", None, "\"a\"", "nothing was stored"),
            ("W/\"a\"", Some("W/\"a\""), "W/\"a\"", "it was weak before"),
        ];
        for (tag, stored, expected, row) in rows {
            let mut map = headers(&[(ETAG, tag)]);
            freshen(&mut map, stored.map(HeaderValue::from_static).as_ref());
            assert_eq!(map[ETAG], expected, "{row}");
        }
    }
}
