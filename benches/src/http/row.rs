//! The rows of the table: what is asked for, of whom, and how they are set up.

use crate::load::{Coding, Load};
use crate::peer::{Peer, Setup};
use crate::tree;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// 64 bytes.
    Small,
    /// 64 KiB.
    Medium,
    /// 1 MiB.
    Large,
    /// 64 bytes, with everything on.
    Everything,
    /// A file of 1 KiB.
    SmallFile,
    /// A file of 100 KiB.
    MediumFile,
    /// A file of 10 MiB.
    LargeFile,
    /// A file of 1 KiB over TLS.
    SmallFileTls,
    /// A file of 100 KiB over TLS.
    MediumFileTls,
    /// A file of 10 MiB over TLS.
    LargeFileTls,
    /// 100 KiB of JSON, of which there is a `.gz`.
    Gzipped,
    /// 100 KiB of JSON, of which there is a `.br`.
    Brotlied,
    /// 100 KiB of JSON, compressed for each request.
    Compressed,
    /// 64 bytes, behind a rate limit that lets them pass and has to know one key.
    Limited,
    /// Ten thousand keys.
    LimitedByMany,
    /// A million keys.
    LimitedByMillion,
    /// Everything is refused by a rate limit.
    Storm,
    /// One server of four is slow.
    Slow,
}

// === impl Row ===

impl Row {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::Small,
        Self::Medium,
        Self::Large,
        Self::Everything,
        Self::SmallFile,
        Self::MediumFile,
        Self::LargeFile,
        Self::SmallFileTls,
        Self::MediumFileTls,
        Self::LargeFileTls,
        Self::Gzipped,
        Self::Brotlied,
        Self::Compressed,
        Self::Limited,
        Self::LimitedByMany,
        Self::LimitedByMillion,
        Self::Storm,
        Self::Slow,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "64b",
            Self::Medium => "64k",
            Self::Large => "1m",
            Self::Everything => "everything",
            Self::SmallFile => "file-1k",
            Self::MediumFile => "file-100k",
            Self::LargeFile => "file-10m",
            Self::SmallFileTls => "file-tls-1k",
            Self::MediumFileTls => "file-tls-100k",
            Self::LargeFileTls => "file-tls-10m",
            Self::Gzipped => "file-gz",
            Self::Brotlied => "file-br",
            Self::Compressed => "file-compress",
            Self::Limited => "limit",
            Self::LimitedByMany => "limit-10k",
            Self::LimitedByMillion => "limit-1m",
            Self::Storm => "storm",
            Self::Slow => "slow",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Small => "64 B answers",
            Self::Medium => "64 KiB answers",
            Self::Large => "1 MiB answers",
            Self::Everything => {
                "64 B answers, everything on: routes, metrics, security headers, rate limit, JSON access log"
            }
            Self::SmallFile => "Files of 1 KiB",
            Self::MediumFile => "Files of 100 KiB",
            Self::LargeFile => "Files of 10 MiB",
            Self::SmallFileTls => "Files of 1 KiB over TLS 1.3",
            Self::MediumFileTls => "Files of 100 KiB over TLS 1.3",
            Self::LargeFileTls => "Files of 10 MiB over TLS 1.3",
            Self::Gzipped => "Files of 100 KiB of JSON, compressed beforehand with gzip",
            Self::Brotlied => "Files of 100 KiB of JSON, compressed beforehand with Brotli",
            Self::Compressed => {
                "Files of 100 KiB of JSON, compressed with gzip at level 5 while they are sent"
            }
            Self::Limited => "64 B answers behind a rate limit that lets them pass, one key",
            Self::LimitedByMany => "64 B answers behind a rate limit that lets them pass, 10,000 keys",
            Self::LimitedByMillion => "64 B answers behind a rate limit that lets them pass, 1,000,000 keys",
            Self::Slow => {
                "64 B answers of four servers, the last of which takes 20 ms, by who has the fewest requests"
            }
            Self::Storm => "a storm of 429: a rate limit refuses everything, so everything counts as failed",
        }
    }

    /// What wrk asks for.
    pub(super) fn load(self) -> Load {
        let keys = |keys| Load { keys: Some(keys), ..Load::of("64", 64) };
        let text = |path, coding| Load { coding: Some(coding), ..Load::of(path, tree::text().len()) };
        let mut load = match self {
            Self::Small | Self::Everything | Self::Slow => Load::of("64", 64),
            Self::Medium => Load::of("65536", 64 << 10),
            Self::Large => Load::of("1048576", 1 << 20),
            Self::Limited => keys(1),
            Self::LimitedByMany => keys(10_000),
            Self::LimitedByMillion => keys(1_000_000),
            // What is refused has any length.
            Self::Storm => Load { length: None, ..keys(1) },
            Self::SmallFile | Self::SmallFileTls => Load::of("1024", 1 << 10),
            Self::MediumFile | Self::MediumFileTls => Load::of("102400", 100 << 10),
            Self::LargeFile => Load::of("10485760", 10 << 20),
            // With more, each would take a second, and most of a short round would be answers that are not whole yet.
            Self::LargeFileTls => Load { connections: 8, ..Load::of("10485760", 10 << 20) },
            Self::Gzipped => text(tree::READY, Coding::Gzip),
            Self::Brotlied => text(tree::READY, Coding::Brotli),
            Self::Compressed => text(tree::FRESH, Coding::Gzip),
        };
        load.tls = self.setup().speaks_tls();
        load
    }

    pub(super) fn setup(self) -> Setup {
        match self {
            Self::Small | Self::Medium | Self::Large => Setup::Plain,
            Self::Everything => Setup::Everything,
            Self::SmallFile | Self::MediumFile | Self::LargeFile => Setup::Files,
            Self::SmallFileTls | Self::MediumFileTls | Self::LargeFileTls => Setup::FilesTls,
            Self::Gzipped | Self::Brotlied => Setup::Precompressed,
            Self::Compressed => Setup::Compressed,
            Self::Limited | Self::LimitedByMany | Self::LimitedByMillion => Setup::Limited,
            Self::Storm => Setup::Storm,
            Self::Slow => Setup::Slow,
        }
    }

    /// Whether there is an origin behind everybody.
    pub(super) fn is_forwarded(self) -> bool {
        !self.setup().serves_files()
    }

    pub(super) fn is_limited(self) -> bool {
        matches!(self.setup(), Setup::Limited | Setup::Storm)
    }

    pub(super) fn takes(self, peer: Peer) -> bool {
        match self.setup() {
            Setup::Files | Setup::FilesTls | Setup::Precompressed | Setup::Compressed => peer.serves_files(),
            // The accounting is nginx's, so nginx is who to compare with.
            Setup::Limited | Setup::Storm => matches!(peer, Peer::Headwall | Peer::Pingora | Peer::Nginx),
            Setup::Slow => matches!(peer, Peer::Headwall | Peer::Nginx | Peer::Haproxy),
            Setup::Plain | Setup::Everything | Setup::WebSocket | Setup::WebSocketTwoWorkers | Setup::Tls => {
                true
            }
        }
    }
}
