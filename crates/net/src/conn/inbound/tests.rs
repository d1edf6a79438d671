//! Requests in any order, cut anywhere, into buffers of any size: each comes out whole and by itself.

use proptest::prelude::*;

use super::*;

/// A request as it is sent.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let length = (0_usize..200).prop_map(|length| {
        [
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes(),
            vec![b'\n'; length],
        ]
        .concat()
    });
    let chunked = prop::collection::vec(1_usize..40, 0..4).prop_map(|chunks| {
        let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for length in chunks {
            request.extend_from_slice(format!("{length:x};x\r\n").as_bytes());
            request.extend(std::iter::repeat_n(b'\r', length));
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\nX: y\r\n\r\n");
        request
    });
    prop_oneof![Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()), length, chunked]
}

/// Sends `bytes` in pieces, and gives what a reader with a buffer of `room` bytes gets until the request is over.
struct Reader<'a> {
    inbound: Inbound,
    unsent: &'a [u8],
    piece: usize,
    room: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Vec<u8> {
        let mut phase = Phase::Idle;
        let mut request = Vec::new();
        loop {
            let mut room = vec![0; self.room];
            let mut buf = ReadBuf::new(&mut room);
            let mut verdict = self.inbound.give(&mut buf, phase);
            if verdict == Verdict::Held {
                let piece = self.piece.min(self.room).min(self.unsent.len());
                if piece == 0 {
                    return request;
                }
                buf.put_slice(&self.unsent[..piece]);
                self.unsent = &self.unsent[piece..];
                verdict = self.inbound.take(&mut buf, 0);
            }
            match verdict {
                Verdict::Given => {
                    // The head is there, so the gateway has begun to serve it.
                    phase = Phase::Exchange;
                    request.extend_from_slice(buf.filled());
                }
                Verdict::Held => assert!(buf.filled().is_empty()),
                Verdict::Refused(_) | Verdict::Malformed => panic!("{verdict:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn each_request_comes_out_by_itself(
        requests in prop::collection::vec(any_request(), 1..6),
        piece in 1_usize..300,
        room in 1_usize..300,
    ) {
        let bytes = requests.concat();
        let mut reader = Reader { inbound: Inbound::new(Rules::default()), unsent: &bytes, piece, room };
        for request in &requests {
            prop_assert_eq!(&reader.next(), request);
        }
        prop_assert!(reader.next().is_empty());
    }
}
