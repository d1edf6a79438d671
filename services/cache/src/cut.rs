//! A part of a body that is on its way.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use headwall_core::semantics::Span;

/// Lets one part of a body pass. It ends with the last byte of that, and does not wait for what comes behind it.
pub(crate) fn cut<E: Send + Sync + 'static>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Unpin + Send + Sync + 'static,
    span: Span,
) -> impl Stream<Item = Result<Bytes, E>> + Send + Sync + 'static {
    stream::unfold((pieces, 0_u64), move |(mut pieces, mut at)| async move {
        while at < span.end {
            let piece = match pieces.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (pieces, u64::MAX))),
            };
            let ahead = Span { start: span.start.saturating_sub(at), end: span.end - at };
            at += piece.len() as u64;
            let part = piece.slice(ahead.within(piece.len()));
            if !part.is_empty() {
                return Some((Ok(part), (pieces, at)));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    fn pieces(sizes: &[usize]) -> (Vec<u8>, Vec<Result<Bytes, Infallible>>) {
        let body: Vec<u8> = (0..=255).cycle().take(sizes.iter().sum()).collect();
        let mut rest = Bytes::from(body.clone());
        (body, sizes.iter().map(|size| Ok(rest.split_to(*size))).collect())
    }

    proptest! {
        #[test]
        fn what_passes_is_the_part(
            sizes in proptest::collection::vec(0_usize..20, 1..10),
            start in 0_u64..100,
            length in 1_u64..100,
        ) {
            let (body, pieces) = pieces(&sizes);
            let span = Span { start, end: (start + length).min(body.len() as u64) };
            prop_assume!(span.start < span.end);
            let passed: Vec<_> = cut(stream::iter(pieces), span).collect().now_or_never().unwrap();
            let passed: Vec<u8> = passed.into_iter().flat_map(|piece| piece.unwrap()).collect();
            prop_assert_eq!(passed, &body[span.within(body.len())]);
        }
    }

    #[test]
    fn nobody_waits_for_what_is_behind_the_part() {
        let (_, pieces) = pieces(&[3, 3]);
        let pieces = stream::iter(pieces).chain(stream::pending());
        let passed: Vec<_> = cut(pieces, Span { start: 1, end: 5 }).collect().now_or_never().unwrap();
        assert_eq!(passed, [Ok(Bytes::from_static(&[1, 2])), Ok(Bytes::from_static(&[3, 4]))]);
    }

    #[test]
    fn what_breaks_on_its_way_is_told() {
        let pieces = [Ok(Bytes::from_static(b"abc")), Err("broken"), Ok(Bytes::from_static(b"d"))];
        let passed: Vec<_> =
            cut(stream::iter(pieces), Span { start: 0, end: 9 }).collect().now_or_never().unwrap();
        assert_eq!(passed, [Ok(Bytes::from_static(b"abc")), Err("broken")]);
    }
}
