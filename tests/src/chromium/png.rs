//! Pictures, read as far as a test has to: how large one is, and how many colours it has (PNG, third edition).

use std::collections::HashSet;
use std::io::Read as _;

/// What a picture is.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) colours: usize,
}

impl Picture {
    /// Reads a PNG with eight bits a channel, with or without alpha, as browsers write it.
    pub(crate) fn read(png: &[u8]) -> Self {
        let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG's first eight bytes");
        let (mut header, mut packed) = (Vec::new(), Vec::new());
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (kind, after) = after.split_at(4);
            let (content, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            match kind {
                b"IHDR" => header = content.to_vec(),
                b"IDAT" => packed.extend_from_slice(content),
                _ => {}
            }
            // Four bytes of checksum.
            rest = &after[4..];
        }
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (width, height) = (number(0), number(4));
        assert_eq!((header[8], header[12]), (8, 0), "eight bits, not interlaced");
        let channels = match header[9] {
            2 => 3,
            6 => 4,
            other => panic!("colour type {other}"),
        };
        let mut filtered = Vec::new();
        flate2::read::ZlibDecoder::new(&*packed).read_to_end(&mut filtered).unwrap();
        let mut above = vec![0; width * channels];
        let mut colours = HashSet::new();
        assert_eq!(filtered.len(), height * (1 + above.len()), "every row is there");
        for line in filtered.chunks(1 + above.len()) {
            above = unfilter(line[0], &line[1..], &above, channels);
            colours.extend(above.chunks(channels).map(<[u8]>::to_vec));
        }
        Self { width, height, colours: colours.len() }
    }
}

/// Undoes what a row was written with (section 9 of the standard).
fn unfilter(filter: u8, line: &[u8], above: &[u8], channels: usize) -> Vec<u8> {
    let mut row = vec![0; line.len()];
    for at in 0..line.len() {
        let left = at.checked_sub(channels).map_or(0, |left| row[left]);
        let (up, corner) = (above[at], at.checked_sub(channels).map_or(0, |left| above[left]));
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => up,
            3 => left.midpoint(up),
            4 => nearest(left, up, corner),
            other => panic!("filter {other}"),
        };
        row[at] = line[at].wrapping_add(guess);
    }
    row
}

fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let distance = |from: u8| (guess - i16::from(from)).abs();
    // The first of those that are equally near, in this order.
    [left, up, corner].into_iter().min_by_key(|of| distance(*of)).unwrap_or(left)
}
