//! One body on its way through a coder.

use std::io::{self, Write};

use bytes::Bytes;

use crate::{Coding, Levels};

/// The window of a coder, as a power of two: 256 KiB. A larger one saves little on pages and costs every response its
/// memory.
const WINDOW: u8 = 18;

/// What a coder puts its output into before it is collected.
const BUFFER: usize = 16 << 10;

/// A coder with what it has put out so far.
pub(crate) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Br(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub(crate) fn new(coding: Coding, levels: Levels) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), i32::from(levels.zstd))?;
                encoder.window_log(u32::from(WINDOW))?;
                Self::Zstd(encoder)
            }
            Coding::Br => {
                let (quality, window) = (u32::from(levels.br), u32::from(WINDOW));
                Self::Br(Box::new(brotli::CompressorWriter::new(Vec::new(), BUFFER, quality, window)))
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(u32::from(levels.gzip));
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level))
            }
        })
    }

    /// Takes a piece in. What comes out may be nothing yet, unless everything has to leave at once.
    pub(crate) fn push(&mut self, piece: &[u8], at_once: bool) -> io::Result<Bytes> {
        let coder: &mut dyn Write = match self {
            Self::Zstd(coder) => coder,
            Self::Br(coder) => coder,
            Self::Gzip(coder) => coder,
        };
        coder.write_all(piece)?;
        if at_once {
            coder.flush()?;
        }
        Ok(self.collect())
    }

    /// The end of the body.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Zstd(coder) => coder.finish()?,
            Self::Br(coder) => coder.into_inner(),
            Self::Gzip(coder) => coder.finish()?,
        }
        .into())
    }

    fn collect(&mut self) -> Bytes {
        let out = match self {
            Self::Zstd(coder) => coder.get_mut(),
            Self::Br(coder) => coder.get_mut(),
            Self::Gzip(coder) => coder.get_mut(),
        };
        std::mem::take(out).into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn decoded(coding: Coding, mut body: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match coding {
            Coding::Zstd => text = zstd::stream::decode_all(body).unwrap(),
            Coding::Br => drop(brotli::Decompressor::new(body, 4096).read_to_end(&mut text).unwrap()),
            Coding::Gzip => drop(flate2::read::GzDecoder::new(&mut body).read_to_end(&mut text).unwrap()),
        }
        text
    }

    /// What a decoder that waits for more has given out so far.
    fn decoded_so_far(coding: Coding, body: &[u8]) -> Vec<u8> {
        let mut text = vec![0; 1 << 16];
        let mut decoder: Box<dyn io::Read + '_> = match coding {
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(body).unwrap()),
            Coding::Br => Box::new(brotli::Decompressor::new(body, 4096)),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(body)),
        };
        let mut length = 0;
        while let Ok(read @ 1..) = decoder.read(&mut text[length..]) {
            length += read;
        }
        text.truncate(length);
        text
    }

    #[test]
    fn what_has_to_leave_at_once_can_be_read_at_once() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding, Levels::default()).unwrap();
            let mut sent = Vec::new();
            for (so_far, piece) in [("one", "one"), ("one two", " two"), ("one two three", " three")] {
                sent.extend_from_slice(&encoder.push(piece.as_bytes(), true).unwrap());
                assert_eq!(decoded_so_far(coding, &sent), so_far.as_bytes(), "{coding:?}");
            }
            sent.extend_from_slice(&encoder.finish().unwrap());
            assert_eq!(decoded(coding, &sent), b"one two three", "{coding:?}");
        }
    }

    #[test]
    fn nothing_at_all_is_a_body_too() {
        for coding in Coding::ALL {
            let encoder = Encoder::new(coding, Levels::default()).unwrap();
            assert_eq!(decoded(coding, &encoder.finish().unwrap()), b"", "{coding:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_goes_in_comes_out(
            pieces in proptest::collection::vec((proptest::collection::vec(0..4_u8, 0..3000), any::<bool>()), 0..8),
            coding in 0..Coding::ALL.len(),
            level in 1..=6_u8,
        ) {
            let coding = Coding::ALL[coding];
            let levels = Levels { zstd: level, br: level, gzip: level };
            let mut encoder = Encoder::new(coding, levels).unwrap();
            let (mut sent, mut all) = (Vec::new(), Vec::new());
            for (piece, at_once) in pieces {
                sent.extend_from_slice(&encoder.push(&piece, at_once).unwrap());
                all.extend_from_slice(&piece);
            }
            sent.extend_from_slice(&encoder.finish().unwrap());
            prop_assert_eq!(decoded(coding, &sent), all);
        }
    }
}
