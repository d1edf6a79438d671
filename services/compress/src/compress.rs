//! The settings of the filter.

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Size;
use headwall_core::{BoxError, Build, Filter, Module};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::active::Places;
use crate::counters::Counters;
use crate::filter::Compressor;
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
    /// How many responses are compressed at the same time; more are sent as they are. Each takes up to 4 MiB while it
    /// lasts. Default: 256.
    #[garde(range(min = 1, max = 65_536))]
    pub max_active: u32,
}

/// How hard each coding tries. More makes bodies a little shorter and costs a lot of CPU.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// From 1 to 6. Default: 3.
    #[garde(range(min = 1, max = 6))]
    pub zstd: u8,
    /// From 0 to 6. Default: 4.
    #[garde(range(min = 0, max = 6))]
    pub br: u8,
    /// From 1 to 9. Default: 5.
    #[garde(range(min = 1, max = 9))]
    pub gzip: u8,
}

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
            max_active: 256,
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
