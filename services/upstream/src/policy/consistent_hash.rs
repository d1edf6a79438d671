//! The same key, the same server.
//!
//! Each server has points on a ring, and a key belongs to the server whose point comes next: ketama (Karger et al.,
//! "Consistent Hashing and Random Trees", 1997). When a server goes, its keys go to many others, and all other keys stay.
//! Where a server's points are depends on its address alone, so several gateways agree, and so does the next start.

use std::net::IpAddr;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ask, Candidate, Pick, Policy};
use crate::token::{CookieName, FieldName};

/// Points of a server of weight 1. The busiest of ten servers then has about a sixth more keys than the average.
const POINTS: u32 = 160;
/// Points of all servers, about. Where weights would make more, all have fewer in proportion.
const MOST_POINTS: u64 = 1 << 18;

/// Requests with the same key go to the same server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConsistentHash {
    /// What the key is. A request without it goes to any server.
    #[garde(skip)]
    pub by: HashKey,
    /// How much more than the average a server may have in flight, in percent of it; what is more goes on to the next
    /// server on the ring. Default: no limit. 125 is a good one where a few keys have most of the requests.
    #[serde(default)]
    #[garde(inner(range(min = 101, max = 1000)))]
    pub max_load: Option<u32>,
}

/// What a server is chosen by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// The path, without the query.
    Path,
    /// The value of a request header.
    Header(FieldName),
    /// The value of a cookie.
    Cookie(CookieName),
}

/// The ring.
struct Ring {
    by: HashKey,
    max_load: Option<u32>,
    points: Vec<Point>,
    /// Where in `points` to begin for each part of the ring: a look-up is a step or two from there.
    parts: Vec<u32>,
    /// By how much a hash is shifted to give its part.
    shift: u32,
}

/// A place on the ring, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    at: u64,
    server: u16,
}

// === impl ConsistentHash ===

impl Policy for ConsistentHash {
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick> {
        Box::new(Ring::new(self.clone(), candidates))
    }
}

// === impl Ring ===

impl Ring {
    fn new(settings: ConsistentHash, candidates: &[Candidate]) -> Self {
        let wanted = |candidate: &Candidate| u64::from(candidate.weight()) * u64::from(POINTS) / 100;
        let coarseness = candidates.iter().map(wanted).sum::<u64>() / MOST_POINTS + 1;
        let mut points = Vec::new();
        for (server, candidate) in (0_u16..).zip(candidates) {
            let name = candidate.server().identity();
            let count = (wanted(candidate) / coarseness).max(1);
            points.extend((0..count).map(|n| Point { at: hash(name.as_bytes(), n + 1), server }));
        }
        points.sort_unstable();
        let bits = points.len().next_power_of_two().trailing_zeros().max(1);
        let shift = 64 - bits;
        let begin = |part: u64| points.partition_point(|point| point.at >> shift < part) as u32;
        let parts = (0..1 << bits).map(begin).collect();
        Self { by: settings.by, max_load: settings.max_load, points, parts, shift }
    }

    /// The servers from a key's place on, each perhaps several times.
    fn from(&self, key: u64) -> impl Iterator<Item = usize> {
        let mut start = self.parts[(key >> self.shift) as usize] as usize;
        while self.points.get(start).is_some_and(|point| point.at < key) {
            start += 1;
        }
        let (before, from) = self.points.split_at(start);
        from.iter().chain(before).map(|point| usize::from(point.server))
    }

    /// What a server may have in flight, this request included.
    fn bound(&self, candidates: &[Candidate]) -> Option<u64> {
        let max_load = u64::from(self.max_load?);
        let in_flight: u64 = candidates.iter().map(|each| u64::from(each.server().in_flight())).sum();
        Some(((in_flight + 1) * max_load).div_ceil(100 * candidates.len() as u64))
    }
}

impl Pick for Ring {
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        let key = self.by.hash(ask).unwrap_or_else(|| fastrand::u64(..));
        let first = self.from(key).find(|&server| ask.is_open(server))?;
        let in_flight = |server: usize| u64::from(ask.candidates()[server].server().in_flight());
        // Nobody's bound is less than one request, so the others need not be looked at.
        if self.max_load.is_none() || in_flight(first) == 0 {
            return Some(first);
        }
        let Some(bound) = self.bound(ask.candidates()) else { return Some(first) };
        let has_room = |&server: &usize| ask.is_open(server) && in_flight(server) < bound;
        // Somebody is below the average, so somebody has room, unless it is closed.
        Some(self.from(key).find(has_room).unwrap_or(first))
    }
}

// === impl HashKey ===

impl HashKey {
    fn hash(&self, ask: &Ask<'_>) -> Option<u64> {
        let req = ask.request();
        Some(match self {
            Self::ClientAddress => match ask.context().client_address() {
                IpAddr::V4(address) => hash(&address.octets(), 0),
                IpAddr::V6(address) => hash(&address.octets(), 0),
            },
            Self::Path => hash(req.uri.path().as_bytes(), 0),
            Self::Header(name) => hash(name.of(req)?, 0),
            Self::Cookie(name) => hash(name.of(req)?, 0),
        })
    }
}

/// Eight bytes at a time, multiplied and mixed; the last mix is MurmurHash3's. Stable over processes, machines and versions,
/// because keys belong to servers by it. Nobody is kept from choosing a key for its server: that harms nobody else than
/// sending many requests with one key would.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = seed.wrapping_mul(ODD) ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
        state ^= state >> 32;
    }
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        state = (state ^ (state >> 33)).wrapping_mul(factor);
    }
    state ^ (state >> 33)
}
