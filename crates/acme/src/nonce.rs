//! Trying again when the CA does not take a nonce (RFC 8555 6.5).
//!
//! instant-acme tries three times, which a CA with several front ends can exhaust; a request is worth more than that.

/// How often a request is made again, each with the three tries of instant-acme.
pub(crate) const AGAIN: usize = 8;

/// Makes a request again while all that is wrong with it is its nonce. A macro, because the requests borrow the order
/// mutably, each in its own way.
macro_rules! again {
    ($request:expr) => {{
        let mut left = $crate::nonce::AGAIN;
        loop {
            match $request.await {
                Err(error) if left > 0 && $crate::error::is_bad_nonce(&error) => left -= 1,
                made => break made,
            }
        }
    }};
}

pub(crate) use again;
