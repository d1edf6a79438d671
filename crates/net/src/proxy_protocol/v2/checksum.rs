//! CRC-32C (RFC 9260 appendix A). A header with a checksum is rare and short, so a table of 256 entries is fast enough.

/// A checksum in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum(u32);

const TABLE: [u32; 256] = {
    /// The polynomial with its bits turned round.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ POLYNOMIAL } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

impl Checksum {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let next = |rest: u32, byte: &u8| TABLE[usize::from(*byte ^ rest.to_le_bytes()[0])] ^ (rest >> 8);
        Self(bytes.iter().fold(self.0, next))
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums_come_out() {
        // Of RFC 3720 appendix B.4, and the one that catalogues of checksums are checked with.
        let table: [(&[u8], u32); 4] =
            [(b"", 0), (b"123456789", 0xe306_9283), (&[0; 32], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43)];
        for (bytes, expected) in table {
            assert_eq!(Checksum::new().with(bytes).value(), expected, "{bytes:?}");
        }
    }
}
