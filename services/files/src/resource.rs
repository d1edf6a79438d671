//! A file that can be served: what it is, and in which forms it is there.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use headwall_core::semantics::preferred_coding;
use http::HeaderValue;

use crate::cache::Kept;
use crate::encoding::Encoding;
use crate::stamp::{Stamp, Validators};

/// A file and what was compressed of it. It is a picture of a moment; whoever opens one of the files compares stamps.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) content_type: HeaderValue,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) plain: Variant,
    /// In the order in which the server prefers them.
    pub(crate) encoded: Vec<Variant>,
}

/// One of the files, which is one representation (RFC 9110, 3.2).
#[derive(Debug)]
pub(crate) struct Variant {
    /// Its path below the root.
    pub(crate) path: Vec<u8>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) stamp: Stamp,
    pub(crate) validators: Validators,
    /// What is in it, once somebody has asked, if it is small.
    contents: ArcSwapOption<Kept>,
}

// === impl Resource ===

impl Resource {
    /// The form that the client prefers.
    pub(crate) fn choose(&self, headers: &http::HeaderMap) -> &Variant {
        if self.encoded.is_empty() {
            return &self.plain;
        }
        let token = |variant: &Variant| variant.encoding.map_or("identity", Encoding::token);
        preferred_coding(headers, &self.encoded, token).unwrap_or(&self.plain)
    }

    /// Whether the other one is a picture of the same files.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&Variant, &Variant)| a.stamp == b.stamp && a.path == b.path;
        same((&self.plain, &other.plain))
            && self.encoded.len() == other.encoded.len()
            && self.encoded.iter().zip(&other.encoded).all(same)
    }
}

// === impl Variant ===

impl Variant {
    pub(crate) fn new(path: Vec<u8>, encoding: Option<Encoding>, stamp: Stamp) -> Self {
        Self {
            path,
            encoding,
            stamp,
            validators: stamp.validators(encoding),
            contents: ArcSwapOption::empty(),
        }
    }

    /// What is in it, if that is known without asking the disk.
    pub(crate) fn contents(&self) -> Option<Bytes> {
        self.contents.load().as_ref().map(|kept| kept.bytes())
    }

    /// Has its content known from now on.
    pub(crate) fn keep(&self, contents: Kept) {
        self.contents.store(Some(Arc::new(contents)));
    }
}
