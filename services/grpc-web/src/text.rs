//! Bodies as text: base64 (RFC 4648, 4), written and read in pieces.
//!
//! Whoever writes may end a piece with padding and go on behind it, so that a message can be read when it has come. Base64 is
//! therefore read here in groups of four characters, each of which may be padded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Reads base64 that comes in pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// The beginning of a group whose end has not come yet.
    begun: [u8; 3],
    length: usize,
}

/// A body that is no base64.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidText {
    /// Something else stands there.
    #[error("expected base64 in groups of four characters, found something else")]
    NotBase64,
    /// It ends within a group.
    #[error("expected base64 in groups of four characters, found an end after {0} of the last four")]
    CutOff(usize),
}

/// Writes a piece so that it can be read at once.
pub(crate) fn write(piece: &[u8]) -> Bytes {
    STANDARD.encode(piece).into()
}

// === impl Reader ===

impl Reader {
    /// Reads a piece as far as its groups are complete.
    pub(crate) fn read(&mut self, mut piece: &[u8]) -> Result<Bytes, InvalidText> {
        let mut read = Vec::with_capacity((self.length + piece.len()) / 4 * 3);
        if self.length > 0 {
            let (missing, rest) = piece.split_at(piece.len().min(4 - self.length));
            piece = rest;
            let group = [&self.begun[..self.length], missing].concat();
            if group.len() < 4 {
                self.keep(&group);
                return Ok(Bytes::new());
            }
            self.length = 0;
            decode(&group, &mut read)?;
        }
        let (mut groups, begun) = piece.split_at(piece.len() & !3);
        while !groups.is_empty() {
            let padded = groups.iter().position(|&byte| byte == b'=');
            let (run, rest) = groups.split_at(padded.map_or(groups.len(), |at| at / 4 * 4 + 4));
            decode(run, &mut read)?;
            groups = rest;
        }
        self.keep(begun);
        Ok(read.into())
    }

    /// The text is over.
    pub(crate) fn end(&self) -> Result<(), InvalidText> {
        if self.length == 0 { Ok(()) } else { Err(InvalidText::CutOff(self.length)) }
    }

    fn keep(&mut self, begun: &[u8]) {
        self.length = begun.len();
        self.begun[..begun.len()].copy_from_slice(begun);
    }
}

/// Reads groups of which only the last may be padded.
fn decode(groups: &[u8], into: &mut Vec<u8>) -> Result<(), InvalidText> {
    STANDARD.decode_vec(groups, into).map_err(|_| InvalidText::NotBase64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, InvalidText> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend_from_slice(&reader.read(piece)?);
        }
        reader.end()?;
        Ok(all)
    }

    #[test]
    fn text_is_read_in_whatever_pieces_it_comes() {
        type Row = (&'static [&'static [u8]], Result<&'static [u8], InvalidText>, &'static str);
        let rows: [Row; 9] = [
            (&[b"aGVsbG8="], Ok(b"hello"), "whole"),
            (&[b"a", b"", b"GVsb", b"G8", b"="], Ok(b"hello"), "in crumbs"),
            (&[b"aA==ZWxsbw=="], Ok(b"hello"), "padded in the middle"),
            (&[b"aA=", b"=ZQ==bGxv"], Ok(b"hello"), "and cut there"),
            (&[], Ok(b""), "nothing"),
            (&[b"aGVsbG8"], Err(InvalidText::CutOff(3)), "without its padding"),
            (&[b"aGVs", b"b"], Err(InvalidText::CutOff(1)), "cut off"),
            (&[b"aGVs!G8="], Err(InvalidText::NotBase64), "another character"),
            (&[b"a=Vs"], Err(InvalidText::NotBase64), "padding where there can be none"),
        ];
        for (pieces, expected, row) in rows {
            assert_eq!(read(pieces), expected.map(<[u8]>::to_vec), "{row}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_in_pieces_is_read_in_others(
            written in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in proptest::collection::vec(1_usize..9, 1..8),
        ) {
            let text: Vec<u8> = written.iter().flat_map(|piece| write(piece)).collect();
            let mut pieces = Vec::new();
            let (mut rest, mut cuts) = (&text[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                pieces.push(piece);
                rest = behind;
            }
            prop_assert_eq!(read(&pieces), Ok(written.concat()));
        }

        #[test]
        fn nothing_makes_a_reader_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
            drop(read(&pieces));
        }
    }
}
