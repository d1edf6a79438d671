//! What has to hold for every input from outside.
//!
//! Each law is a function of bytes that panics when the law is broken. Fuzzers look for such bytes (`make fuzz`), and the
//! tests here try the laws on the seeds of the fuzzers and on what is near them, so that a law that is broken outright
//! shows without any fuzzer. A law compares with a second opinion where there is one: another reader of the same format, a
//! slow and simple one, or the same reader on the same bytes in other pieces.

mod chunks;
mod config;
mod forwarded;
mod head;
mod path;
mod proxy;
mod rate;
mod wishes;

pub use chunks::chunks;
pub use config::config;
pub use forwarded::forwarded;
pub use head::head;
pub use path::path;
pub use proxy::proxy;
pub use rate::rate;
pub use wishes::wishes;

/// A law by its name, which is also that of its fuzz target and of the directory of its seeds.
pub type Law = (&'static str, fn(&[u8]));

/// All of them.
pub const LAWS: [Law; 8] = [
    ("chunks", chunks),
    ("config", config),
    ("forwarded", forwarded),
    ("head", head),
    ("path", path),
    ("proxy", proxy),
    ("rate", rate),
    ("wishes", wishes),
];

#[cfg(test)]
mod tests;
