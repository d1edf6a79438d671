//! What a limit counts by: written, and ready for use.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use headwall_core::matching::{QueryMatch, ValueMatch};
use headwall_core::{BoxError, Context, RequestHead, cookie};
use headwall_limit::{Key, KeyHasher};
use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use smallvec::SmallVec;

/// What a limit counts by: one thing, or several that count together. A request that lacks one of them is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySource(Vec<KeyPart>);

/// One thing that requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    /// The client's address; IPv6 by its /64, since every customer has at least one of those to choose from.
    #[serde(alias = "client_address")]
    Address,
    /// Nothing: all requests that the limit sees count as one.
    Route,
    /// The value of a request header, such as an API key.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter.
    Query(String),
    /// A segment of the path, counted from 1: of `/users/ada/mail`, 2 is `ada`.
    PathSegment(usize),
}

/// Key sources as requests are asked for them.
#[derive(Debug)]
pub(crate) struct Keys {
    parts: SmallVec<[Part; 1]>,
    digests: Digests,
}

#[derive(Debug)]
enum Part {
    Address,
    Route,
    Header(HeaderName),
    Cookie(String),
    Query(QueryMatch),
    PathSegment(usize),
}

/// How texts become keys.
#[derive(Debug)]
pub(crate) enum Digests {
    /// With this process's secret, which is fast and cannot be foreseen.
    Own(Arc<KeyHasher>),
    /// With SHA-256, which several servers agree on, and from which a store's owner does not read the text.
    Common,
}

// === impl KeySource ===

impl Default for KeySource {
    fn default() -> Self {
        Self(vec![KeyPart::Address])
    }
}

impl KeySource {
    /// Makes the key ready for use.
    ///
    /// # Errors
    ///
    /// For the name of a header that cannot be one, and a path segment that no path has.
    pub(crate) fn compile(&self, digests: Digests) -> Result<Keys, BoxError> {
        if self.0.is_empty() {
            return Err("an empty list of keys tells nobody apart; write `key: route` for one count".into());
        }
        let part = |part: &KeyPart| -> Result<Part, BoxError> {
            Ok(match part {
                KeyPart::Address => Part::Address,
                KeyPart::Route => Part::Route,
                KeyPart::Header(name) => {
                    Part::Header(name.parse().map_err(|_| format!("`{name}` is not the name of a header"))?)
                }
                KeyPart::Cookie(name) => Part::Cookie(name.clone()),
                KeyPart::Query(name) => Part::Query(QueryMatch::new(name.clone(), ValueMatch::present())),
                KeyPart::PathSegment(0) => return Err("path segments are counted from 1".into()),
                KeyPart::PathSegment(place) => Part::PathSegment(*place),
            })
        };
        Ok(Keys { parts: self.0.iter().map(part).collect::<Result<_, _>>()?, digests })
    }
}

impl fmt::Display for KeySource {
    /// The key as an error message tells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { " and " } else { "" })?;
            match part {
                KeyPart::Address => f.write_str("address"),
                KeyPart::Route => f.write_str("route"),
                KeyPart::Header(name) => write!(f, "header {name}"),
                KeyPart::Cookie(name) => write!(f, "cookie {name}"),
                KeyPart::Query(name) => write!(f, "query {name}"),
                KeyPart::PathSegment(place) => write!(f, "path segment {place}"),
            }?;
        }
        Ok(())
    }
}

impl Serialize for KeySource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [part] => part.serialize(serializer),
            parts => parts.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = KeySource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`address`, `route`, `{ header: X-Api-Key }`, or a list of such keys")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<KeySource, E> {
        KeyPart::deserialize(StrDeserializer::new(word)).map(|part| KeySource(vec![part]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeySource, A::Error> {
        KeyPart::deserialize(MapAccessDeserializer::new(map)).map(|part| KeySource(vec![part]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<KeySource, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(KeySource)
    }
}

impl JsonSchema for KeySource {
    fn schema_name() -> Cow<'static, str> {
        "KeySource".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<KeyPart>();
        json_schema!({
            "description": "What a limit counts by: one key part, or a list of them that count together.",
            "anyOf": [one, { "type": "array", "items": one }],
        })
    }
}

// === impl Keys ===

impl Keys {
    /// The key of a request; `None` if it lacks something that is counted by, as with an empty key in nginx.
    pub(crate) fn of(&self, req: &RequestHead, cx: &Context) -> Option<Key> {
        match &self.parts[..] {
            [part] => self.part(part, req, cx),
            parts => {
                let keys = parts.iter().map(|part| self.part(part, req, cx));
                Some(self.digests.combine(&keys.collect::<Option<SmallVec<[Key; 4]>>>()?))
            }
        }
    }

    fn part(&self, part: &Part, req: &RequestHead, cx: &Context) -> Option<Key> {
        let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| self.digests.bytes(bytes));
        match part {
            Part::Address => Some(Key::address(cx.client_address())),
            Part::Route => Some(Key::digest(0)),
            Part::Header(name) => text(req.headers.get(name)?.as_bytes()),
            Part::Cookie(name) => text(cookie(&req.headers, name)?),
            Part::Query(query) => text(&query.value_in(req.uri.query())?),
            Part::PathSegment(place) => text(req.uri.path().split('/').nth(*place)?.as_bytes()),
        }
    }
}

// === impl Digests ===

impl Digests {
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Key {
        match self {
            Self::Own(hasher) => hasher.bytes(bytes),
            Self::Common => sha256(&[b"text", bytes]),
        }
    }

    fn combine(&self, keys: &[Key]) -> Key {
        match self {
            Self::Own(hasher) => hasher.combine(keys),
            Self::Common => {
                let bits: SmallVec<[u8; 64]> =
                    keys.iter().flat_map(|key| key.to_bits().to_be_bytes()).collect();
                sha256(&[b"keys", &bits])
            }
        }
    }
}

/// The first 120 bits of what the pieces, the first of which tells them apart, come to.
fn sha256(pieces: &[&[u8]]) -> Key {
    let mut context = digest::Context::new(&SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    let bits =
        context.finish().as_ref().iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
    Key::digest(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<KeySource, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_one_thing_or_a_list() {
        let rows = [
            (r#""address""#, "address"),
            (r#""client_address""#, "address"),
            (r#""route""#, "route"),
            (r#"{"header":"X-Api-Key"}"#, "header X-Api-Key"),
            (r#"{"path_segment":2}"#, "path segment 2"),
            (r#"["address",{"cookie":"sid"},{"query":"q"}]"#, "address and cookie sid and query q"),
        ];
        for (json, shown) in rows {
            let key = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
            assert_eq!(key.to_string(), shown, "{json}");
            let again = serde_json::to_string(&key).unwrap();
            assert_eq!(read(&again).as_ref(), Ok(&key), "{again}");
        }
        for (json, part) in [(r#""adress""#, "adress"), ("7", "or a list"), (r#"{"hedder":"x"}"#, "hedder")] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_counted_by_is_an_error() {
        for (json, part) in [
            ("[]", "tells nobody apart"),
            (r#"{"header":"a b"}"#, "a b"),
            (r#"{"path_segment":0}"#, "from 1"),
        ] {
            let error = read(json).unwrap().compile(Digests::Common).map(drop).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn servers_agree_on_common_digests_and_on_nothing_else() {
        let own = || Digests::Own(Arc::new(KeyHasher::new()));
        assert_eq!(Digests::Common.bytes(b"ada"), Digests::Common.bytes(b"ada"));
        assert_ne!(own().bytes(b"ada"), own().bytes(b"ada"));
        let [a, b] = [Digests::Common.bytes(b"a"), Digests::Common.bytes(b"b")];
        assert_ne!(Digests::Common.combine(&[a, b]), Digests::Common.combine(&[b, a]));
        assert_ne!(Digests::Common.bytes(b"a"), Digests::Common.bytes(b"b"));
        assert_eq!(a.to_bits() >> 120, 3, "a text is never an address");
    }
}
