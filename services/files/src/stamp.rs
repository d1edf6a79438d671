//! Which version of a file this is.
//!
//! A version is told by its inode, its size and its time of change, to the nanosecond. The entity tag is made of the same
//! three, so it is a strong one, as far as they tell: whoever writes into a file and puts its time back has made a change
//! that nobody sees. It also means that copies of a file on two servers have two tags.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwall_core::semantics::{self, EntityTag, date};
use http::HeaderValue;
use rustix::fs::Stat;

use crate::encoding::Encoding;

/// What tells one version of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    modified: (i64, u32),
    inode: u64,
}

/// What a client is told of a version, to ask about it later.
#[derive(Debug, Clone)]
pub(crate) struct Validators {
    /// A strong entity tag (RFC 9110, 8.8.3), quotes included.
    pub(crate) tag: HeaderValue,
    /// `Last-Modified`, unless that lies in the future.
    pub(crate) modified: Option<(SystemTime, HeaderValue)>,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
            inode: stat.st_ino,
        }
    }

    /// When the file was changed, in whole seconds, which is all that a date in HTTP can say.
    pub(crate) fn modified(&self) -> SystemTime {
        let seconds = Duration::from_secs(self.modified.0.unsigned_abs());
        // HTTP has no dates before 1970.
        if self.modified.0 < 0 { UNIX_EPOCH } else { UNIX_EPOCH + seconds }
    }

    pub(crate) fn validators(&self, encoding: Option<Encoding>) -> Validators {
        let Self { size, modified: (seconds, nanos), inode } = self;
        let suffix = encoding.map(|encoding| format!("-{}", encoding.token())).unwrap_or_default();
        let tag = format!("\"{seconds:x}.{nanos:x}-{size:x}-{inode:x}{suffix}\"");
        let modified = self.modified();
        // A `Last-Modified` later than `Date` must not be sent (RFC 9110, 8.8.2.1).
        let is_past = modified <= SystemTime::now();
        let modified = date::write(modified).filter(|_| is_past).map(|text| (modified, text));
        // Hexadecimal digits and a few signs are header text.
        Validators { tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")), modified }
    }
}

impl Validators {
    /// The same for whoever compares.
    pub(crate) fn current(&self) -> semantics::Validators<'_> {
        let tag = EntityTag::read(self.tag.as_bytes());
        semantics::Validators { tag: Some(tag), modified: self.modified.as_ref().map(|(time, _)| *time) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A version of which only this much matters.
    pub(crate) fn stamp(size: u64, seconds: i64) -> Stamp {
        Stamp { size, modified: (seconds, 0), inode: 7 }
    }

    #[test]
    fn every_part_of_a_version_is_in_its_tag() {
        let version = Stamp { size: 0x10, modified: (0x20, 0x30), inode: 0x40 };
        let tag = |stamp: Stamp, encoding| stamp.validators(encoding).tag;
        assert_eq!(tag(version, None), "\"20.30-10-40\"");
        assert_eq!(tag(version, Some(Encoding::Brotli)), "\"20.30-10-40-br\"");
        let others = [
            Stamp { size: 0x11, ..version },
            Stamp { modified: (0x21, 0x30), ..version },
            Stamp { modified: (0x20, 0x31), ..version },
            Stamp { inode: 0x41, ..version },
        ];
        for other in others {
            assert_ne!(tag(other, None), tag(version, None), "{other:?}");
        }
    }

    #[test]
    fn a_date_is_told_where_http_has_one() {
        let told = |seconds| stamp(1, seconds).validators(None).modified.map(|(_, text)| text);
        assert_eq!(told(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told(-1).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(told(i64::from(u32::MAX)), None, "in the future");
    }
}
