//! A copy in the making.

use bytes::{Bytes, BytesMut};
use headwall_core::RequestHead;
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::sync::OwnedSemaphorePermit;

/// What there is of a request so far.
pub(crate) struct Copy {
    head: RequestHead,
    body: BytesMut,
    has_all: bool,
    is_answered: bool,
    /// The attempt whose body this is: a further one begins it anew.
    attempt: u32,
    /// The place among the copies under way.
    place: OwnedSemaphorePermit,
}

/// A copy that can be sent.
pub(crate) struct Complete {
    pub(crate) head: RequestHead,
    pub(crate) body: Bytes,
    pub(crate) place: OwnedSemaphorePermit,
}

/// A body that is too large to be copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Copy {
    pub(crate) fn of(head: &RequestHead, place: OwnedSemaphorePermit) -> Self {
        let is_told =
            head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
        // Over HTTP/2 a body needs no word about it in the head; one of a safe method means nothing (RFC 9110, 9.3.1).
        let may_have_body = is_told || (head.version >= Version::HTTP_2 && !head.method.is_safe());
        Self {
            head: head.clone(),
            body: BytesMut::new(),
            has_all: !may_have_body,
            is_answered: false,
            attempt: 0,
            place,
        }
    }

    /// A piece of the body is on its way to the app.
    pub(crate) fn add(
        &mut self,
        attempt: u32,
        piece: &[u8],
        end: bool,
        max_body: u64,
    ) -> Result<(), TooLarge> {
        if attempt != self.attempt {
            self.body.clear();
            self.attempt = attempt;
        }
        if (self.body.len() + piece.len()) as u64 > max_body {
            return Err(TooLarge);
        }
        self.body.extend_from_slice(piece);
        self.has_all |= end;
        Ok(())
    }

    /// The app has answered.
    pub(crate) fn answered(&mut self) {
        self.is_answered = true;
    }

    /// The request is over, and no body has come. Nobody has said so before over HTTP/2.
    pub(crate) fn ended_without_body(&mut self) {
        self.has_all = true;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.has_all && self.is_answered
    }

    pub(crate) fn complete(self) -> Complete {
        Complete { head: self.head, body: self.body.freeze(), place: self.place }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn copy(method: &str, version: Version, length: Option<&str>) -> Copy {
        let req = http::Request::builder().method(method).uri("/").version(version);
        let req = length.into_iter().fold(req, |req, length| req.header(CONTENT_LENGTH, length));
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Copy::of(&req.body(()).unwrap().into_parts().0, place)
    }

    #[test]
    fn a_copy_waits_for_the_answer_and_for_the_whole_body() {
        let rows = [
            ("GET", Version::HTTP_11, None, true, "no body"),
            ("POST", Version::HTTP_11, None, true, "no body either"),
            ("POST", Version::HTTP_11, Some("3"), false, "one that is announced"),
            ("POST", Version::HTTP_2, None, false, "one that may come"),
            ("GET", Version::HTTP_2, None, true, "none that means anything"),
        ];
        for (method, version, length, is_complete, row) in rows {
            let mut copy = copy(method, version, length);
            assert!(!copy.is_complete(), "{row}: no answer yet");
            copy.answered();
            assert_eq!(copy.is_complete(), is_complete, "{row}");
            copy.add(1, b"abc", true, 3).unwrap();
            assert!(copy.is_complete(), "{row}: all there");
        }
    }

    #[test]
    fn a_further_attempt_begins_the_body_anew() {
        let mut copy = copy("PUT", Version::HTTP_11, Some("6"));
        copy.add(1, b"abc", false, 6).unwrap();
        copy.add(2, b"abc", false, 6).unwrap();
        copy.add(2, b"def", true, 6).unwrap();
        assert_eq!(copy.complete().body, "abcdef");
    }

    #[test]
    fn a_body_is_copied_up_to_its_bound() {
        let mut copy = copy("PUT", Version::HTTP_11, Some("4"));
        assert_eq!(copy.add(1, b"abc", false, 3), Ok(()));
        assert_eq!(copy.add(1, b"d", true, 3), Err(TooLarge));
    }
}
