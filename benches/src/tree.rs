//! The files that are served in the rows about files.
//!
//! Three sizes of one letter say what a byte costs. What compressing costs depends on the text, so there is one as an API
//! would give it, 100 KiB of JSON: [`FRESH`] is compressed by whoever sends it, and [`READY`] has `.gz` and `.br` beside
//! it, made as a build tool makes them, with the slowest levels.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The sizes of plain files. Each is the name too; the first is asked for at the start.
const SIZES: [usize; 4] = [64, 1 << 10, 100 << 10, 10 << 20];

/// The text that nobody has compressed yet.
pub const FRESH: &str = "fresh.json";

/// The text with its compressed forms beside it.
pub const READY: &str = "ready.json";

/// How long the text is, to a record.
const LENGTH: usize = 100 << 10;

/// Makes the directory with all of them.
///
/// # Errors
///
/// When one cannot be written.
pub fn write(root: &Path) -> io::Result<()> {
    fs::create_dir(root)?;
    for size in SIZES {
        fs::write(root.join(size.to_string()), vec![b'x'; size])?;
    }
    let text = text();
    fs::write(root.join(FRESH), &text)?;
    fs::write(root.join(READY), &text)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes())?;
    fs::write(root.join(format!("{READY}.gz")), gzip.finish()?)?;
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 11, 22);
    brotli.write_all(text.as_bytes())?;
    fs::write(root.join(format!("{READY}.br")), brotli.into_inner())
}

/// A list of orders: keys that come again and again, words from short lists, numbers that are all different.
pub fn text() -> String {
    const NAMES: [&str; 8] = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Leslie", "Hedy"];
    const CITIES: [&str; 6] = ["Lisbon", "Gdańsk", "Toronto", "Kyoto", "Nairobi", "Zürich"];
    const GOODS: [&str; 7] =
        ["oak shelf", "desk lamp", "linen sheet", "bicycle bell", "tea kettle", "wool socks", "map of Mars"];
    let mut chance = Chance(7);
    let mut text = String::from("{\"orders\":[");
    while text.len() < LENGTH {
        if text.ends_with('}') {
            text.push(',');
        }
        let (id, token) = (chance.below(1 << 32), chance.below(1 << 32) << 16 | chance.below(1 << 16));
        let (sku, city) = (chance.below(100_000), chance.of(&CITIES));
        let (name, thing) = (chance.of(&NAMES), chance.of(&GOODS));
        let (quantity, cents) = (1 + chance.below(9), chance.below(100_000));
        let (day, second) = (1 + chance.below(28), chance.below(60));
        text += &format!(
            "{{\"id\":\"ord_{id:08x}{token:012x}\",\"created\":\"2026-11-{day:02}T08:41:{second:02}Z\",\"customer\":{{\"name\":\"{name}\",\
             \"city\":\"{city}\"}},\"items\":[{{\"sku\":\"HW-{sku:05}\",\"title\":\"{thing}\",\"quantity\":{quantity},\
             \"price\":{}.{:02}}}],\"status\":\"shipped\"}}",
            cents / 100,
            cents % 100
        );
    }
    text + "]}\n"
}

/// Numbers by chance, the same in every run.
struct Chance(u64);

// === impl Chance ===

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX generator; its upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = self.below(words.len() as u64);
        words[usize::try_from(at).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_json_of_its_length_and_shrinks_as_json_does() {
        let text = text();
        assert!((LENGTH..LENGTH + 300).contains(&text.len()), "{}", text.len());
        assert!(text.starts_with("{\"orders\":[{") && text.ends_with("}]}\n"), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("files");
        write(&root).unwrap();
        let times = |name: &str| text.len() / fs::read(root.join(name)).unwrap().len();
        for (name, times) in
            [("ready.json.gz", times("ready.json.gz")), ("ready.json.br", times("ready.json.br"))]
        {
            assert!((4..=9).contains(&times), "{name} is {times} times shorter");
        }
    }
}
