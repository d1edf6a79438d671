//! Sizes in bytes, because nginx's `64k` and Caddy's `64kB` differ and operators arrive with both habits.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A number of bytes: `64k`, `10m`, `1GiB`, `64kB`, `512`.
///
/// | written | factor | whose meaning |
/// |---|---|---|
/// | `k` `m` `g`, in either case | 1024, 1024², 1024³ | nginx |
/// | `KiB` `MiB` `GiB`, in this case | the same | IEC 80000-13 |
/// | `kB` or `KB`, `MB`, `GB`, in this case | 1000, 1000², 1000³ | SI, and Caddy |
/// | nothing, or `B` | 1 | |
///
/// Case matters where letters stand for bits or bytes: `64kb` and `64Mb` are refused rather than guessed. The number
/// is whole, and no space stands before the unit. [`Display`](fmt::Display) uses the largest of `g`, `m`, `k` that
/// divides the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Why a text is not a [`Size`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidSize {
    /// No whole number at the start.
    #[error("expected a size such as 64k, 10m, 1GiB or 512, found `{0}`")]
    Form(String),
    /// A unit that is not in the table.
    #[error(
        "`{unit}` in `{written}` is not a unit of size: write k, m, g or KiB, MiB, GiB (powers of 1024), \
         or kB, MB, GB (powers of 1000)"
    )]
    Unit {
        /// The whole text.
        written: String,
        /// What stood where the unit should.
        unit: String,
    },
    /// More bytes than 64 bits can count.
    #[error("`{0}` is too large: the largest size is {max} bytes", max = u64::MAX)]
    TooLarge(String),
}

// === impl Size ===

impl Size {
    /// A size in bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in units of 1024 bytes.
    pub const fn from_kib(kib: u32) -> Self {
        Self((kib as u64) << 10)
    }

    /// A size in units of 1024 × 1024 bytes.
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        if number.is_empty() {
            return Err(InvalidSize::Form(text.to_owned()));
        }
        let factor = match unit {
            "" | "B" => 1,
            "k" | "K" | "KiB" => 1 << 10,
            "m" | "M" | "MiB" => 1 << 20,
            "g" | "G" | "GiB" => 1 << 30,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => {
                return Err(InvalidSize::Unit { written: text.to_owned(), unit: unit.to_owned() });
            }
        };
        // Digits alone can fail to be a number in one way only: there are too many of them.
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| InvalidSize::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = match self.0.trailing_zeros() {
            _ if self.0 == 0 => (0, ""),
            30.. => (30, "g"),
            20.. => (20, "m"),
            10.. => (10, "k"),
            _ => (0, ""),
        };
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

crate::text::as_text!(Size, expected: "a size such as 64k, 10m, 1GiB or 512", schema: {
    "type": ["string", "integer"],
    "minimum": 0,
    "description": "A number of bytes. k, m, g and KiB, MiB, GiB are powers of 1024; kB, MB, GB are powers of 1000.",
    "examples": ["64k", "10m", "1g", "64KiB", "64kB", 512],
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let rows = [
            ("0", 0, "0"),
            ("512", 512, "512"),
            ("512B", 512, "512"),
            ("64k", 65_536, "64k"),
            ("64K", 65_536, "64k"),
            ("64KiB", 65_536, "64k"),
            ("64kB", 64_000, "64000"),
            ("64KB", 64_000, "64000"),
            ("10m", 10 << 20, "10m"),
            ("10M", 10 << 20, "10m"),
            ("10MiB", 10 << 20, "10m"),
            ("10MB", 10_000_000, "10000000"),
            ("1g", 1 << 30, "1g"),
            ("1GiB", 1 << 30, "1g"),
            ("1GB", 1_000_000_000, "1000000000"),
            ("1024m", 1 << 30, "1g"),
            ("1536k", 1536 << 10, "1536k"),
        ];
        for (text, bytes, shown) in rows {
            let read: Size = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(read.bytes(), bytes, "{text}");
            assert_eq!(read.to_string(), shown, "{text}");
        }
        assert_eq!(Size::from_kib(64).bytes(), 65_536);
        assert_eq!(Size::from_mib(u32::MAX).bytes(), 4_294_967_295 * 1_048_576);
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for text in ["", "k", "-1", "+1", "many", " 64k"] {
            assert_eq!(text.parse::<Size>(), Err(InvalidSize::Form(text.to_owned())), "{text:?}");
        }
        for (text, unit) in
            [("64kb", "kb"), ("64Mb", "Mb"), ("64kib", "kib"), ("64 k", " k"), ("1.5m", ".5m"), ("1T", "T")]
        {
            let error = InvalidSize::Unit { written: text.to_owned(), unit: unit.to_owned() };
            assert_eq!(text.parse::<Size>(), Err(error), "{text:?}");
        }
        for text in ["18446744073709551616", "17179869184g", "99999999999999999999999k"] {
            assert_eq!(text.parse::<Size>(), Err(InvalidSize::TooLarge(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn serde_takes_text_and_integers() {
        assert_eq!(serde_json::from_str::<Size>("\"64k\"").unwrap().bytes(), 65_536);
        assert_eq!(serde_json::from_str::<Size>("512").unwrap().bytes(), 512);
        assert_eq!(serde_json::to_string(&Size::from_kib(64)).unwrap(), "\"64k\"");
        assert!(serde_json::from_str::<Size>("-1").is_err());
        assert!(serde_json::from_str::<Size>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn shown_reads_back(bytes: u64, shift in 0_u32..40) {
            let size = Size::from_bytes(bytes << shift);
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }
    }
}
