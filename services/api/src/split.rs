//! A share of the requests for other upstreams: canaries.
//!
//! Who gets which upstream is decided by a key, so that a client stays where it is: its hash is a place between 0 and 100, and
//! each upstream has a part of that. The parts begin at 0 in the order in which they are written and the route's own upstream has
//! the rest, so a canary that grows keeps the clients that it has.

use std::net::IpAddr;

use garde::Validate;
use headwall_core::units::UpstreamRef;
use headwall_core::{Context, RequestHead, cookie};
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Hundredths of a percent.
const WHOLE: u64 = 10_000;

/// Sends a share of the requests to other upstreams.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The other upstreams. What they leave goes to the route's own.
    #[garde(length(min = 1), custom(at_most_everything), dive)]
    pub to: Vec<Share>,
    /// What decides where a client goes. Default: `client_address`.
    #[serde(default)]
    #[garde(skip)]
    pub by: SplitKey,
}

/// An upstream and its share.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Where to.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// Percent of the keys, such as 5 or 0.5. What is below a hundredth does not count.
    #[garde(range(min = 0.0, max = 100.0))]
    pub percent: f64,
}

/// What decides where a client goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SplitKey")]
pub enum SplitKey {
    /// Its address; an IPv6 address by its /64.
    #[default]
    ClientAddress,
    /// The value of a request header. A request without it goes by the address.
    Header(
        #[serde(with = "name")]
        #[schemars(with = "String")]
        HeaderName,
    ),
    /// The value of a cookie. A request without it goes by the address.
    Cookie(String),
    /// Nothing: each request goes anywhere.
    Random,
}

/// A split at work: where each part ends, in hundredths of a percent.
#[derive(Debug)]
pub(crate) struct Parts {
    ends: Vec<u64>,
    by: SplitKey,
}

// === impl Parts ===

impl Parts {
    pub(crate) fn new(split: &Split) -> Self {
        let mut end = 0;
        let ends = split.to.iter().map(|share| {
            end += (share.percent * WHOLE as f64 / 100.0) as u64;
            end
        });
        Self { ends: ends.collect(), by: split.by.clone() }
    }

    /// Which of the other upstreams gets a request, if one does.
    pub(crate) fn choose(&self, req: &RequestHead, cx: &Context) -> Option<usize> {
        let place = self.by.place(req, cx);
        let part = self.ends.partition_point(|&end| end <= place);
        (part < self.ends.len()).then_some(part)
    }
}

// === impl SplitKey ===

impl SplitKey {
    fn place(&self, req: &RequestHead, cx: &Context) -> u64 {
        let value = match self {
            Self::Random => return fastrand::u64(..WHOLE),
            Self::ClientAddress => None,
            Self::Header(name) => req.headers.get(name).map(http::HeaderValue::as_bytes),
            Self::Cookie(name) => cookie(&req.headers, name),
        };
        match (value, cx.client_address()) {
            (Some(value), _) => place_of(value),
            (None, IpAddr::V4(address)) => place_of(&address.octets()),
            (None, IpAddr::V6(address)) => place_of(&address.octets()[..8]),
        }
    }
}

/// The same for the same bytes, in every process and every version: a client must not change sides at a restart.
fn place_of(bytes: &[u8]) -> u64 {
    xxh3_64(bytes) % WHOLE
}

fn at_most_everything(shares: &[Share], (): &()) -> garde::Result {
    let sum: f64 = shares.iter().map(|share| share.percent).sum();
    if sum <= 100.0 {
        Ok(())
    } else {
        Err(garde::Error::new(format!("expected 100 percent at most, the shares add up to {sum}")))
    }
}

mod name {
    //! The name of a header, as text.

    use http::HeaderName;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(name: &HeaderName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderName, D::Error> {
        let text = String::deserialize(from)?;
        let expected = || format!("expected the name of a header such as `x-user`, was `{text}`");
        text.parse().map_err(|_| de::Error::custom(expected()))
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn parts(percents: &[f64], by: SplitKey) -> Parts {
        let share = |&percent: &f64| Share { upstream: UpstreamRef::new("next"), percent };
        Parts::new(&Split { to: percents.iter().map(share).collect(), by })
    }

    fn asked_by(user: &str) -> RequestHead {
        http::Request::get("/").header("x-user", user).body(()).unwrap().into_parts().0
    }

    fn nobody() -> Context {
        Context::from_client(([192, 0, 2, 1], 1).into())
    }

    #[test]
    fn shares_are_kept_to_within_a_percent() {
        let by_user = SplitKey::Header(HeaderName::from_static("x-user"));
        for by in [by_user, SplitKey::Random] {
            let parts = parts(&[5.0, 20.0], by.clone());
            let mut counts = [0_u32; 3];
            for user in 0..40_000 {
                let chosen = parts.choose(&asked_by(&format!("user-{user}")), &nobody());
                counts[chosen.map_or(2, |part| part)] += 1;
            }
            for (count, percent) in counts.iter().zip([5, 20, 75]) {
                let found = f64::from(*count) / 400.0;
                assert!((found - f64::from(percent)).abs() < 1.0, "{by:?}: {found} for {percent}");
            }
        }
    }

    #[test]
    fn a_canary_that_grows_keeps_its_clients() {
        let by = || SplitKey::Header(HeaderName::from_static("x-user"));
        let (small, large) = (parts(&[5.0], by()), parts(&[30.0], by()));
        let mut moved = 0;
        for user in 0..5_000 {
            let req = asked_by(&format!("user-{user}"));
            let (before, after) = (small.choose(&req, &nobody()), large.choose(&req, &nobody()));
            assert!(before.is_none() || after.is_some(), "user {user} has lost the canary");
            moved += u32::from(before != after);
        }
        assert!((1_000..1_500).contains(&moved), "a quarter moves: {moved}");
    }

    #[test]
    fn nobody_and_everybody_can_be_sent_on() {
        let by = || SplitKey::Header(HeaderName::from_static("x-user"));
        for user in 0..1_000 {
            let req = asked_by(&user.to_string());
            assert_eq!(parts(&[0.0], by()).choose(&req, &nobody()), None);
            assert_eq!(parts(&[100.0], by()).choose(&req, &nobody()), Some(0));
        }
    }

    #[test]
    fn without_the_key_the_address_decides() {
        let parts = parts(&[50.0], SplitKey::Cookie("session".into()));
        let chosen = |cookie: Option<&str>, client: [u8; 4]| {
            let req = http::Request::get("/");
            let req = cookie.into_iter().fold(req, |req, cookie| req.header(COOKIE, cookie));
            parts.choose(&req.body(()).unwrap().into_parts().0, &Context::from_client((client, 1).into()))
        };
        let distinct =
            |results: Vec<Option<usize>>| results.iter().collect::<std::collections::HashSet<_>>().len();
        let clients = || (0..50).map(|last| [192, 0, 2, last]);
        assert_eq!(distinct(clients().map(|client| chosen(Some("a=1; session=me"), client)).collect()), 1);
        assert_eq!(distinct(clients().map(|client| chosen(Some("a=1"), client)).collect()), 2);
    }
}
