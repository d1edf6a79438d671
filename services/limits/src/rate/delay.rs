//! Which early requests wait for their turn.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// `all` early requests, or those after so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay(u32);

// === impl Delay ===

impl Delay {
    /// How many early requests pass without waiting.
    pub(crate) fn after(self) -> u32 {
        self.0
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 { serializer.serialize_str("all") } else { serializer.serialize_u32(self.0) }
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AllOrAfter)
    }
}

struct AllOrAfter;

impl Visitor<'_> for AllOrAfter {
    type Value = Delay;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`all`, or a number of requests that pass without waiting")
    }

    fn visit_u64<E: de::Error>(self, after: u64) -> Result<Delay, E> {
        u32::try_from(after).map(Delay).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(after), &self))
    }

    fn visit_i64<E: de::Error>(self, after: i64) -> Result<Delay, E> {
        u32::try_from(after).map(Delay).map_err(|_| E::invalid_value(de::Unexpected::Signed(after), &self))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Delay, E> {
        match (word, word.parse()) {
            ("all", _) => Ok(Delay(0)),
            (_, Ok(after)) => Ok(Delay(after)),
            (_, Err(_)) => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }
}

impl JsonSchema for Delay {
    fn schema_name() -> Cow<'static, str> {
        "Delay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all`, or how many early requests pass without waiting.",
            "anyOf": [{ "const": "all" }, { "type": "integer", "minimum": 0 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_is_all_or_a_number() {
        for (json, after) in
            [(r#""all""#, Some(0)), ("0", Some(0)), ("8", Some(8)), ("-1", None), (r#""none""#, None)]
        {
            let read = serde_json::from_str::<Delay>(json).ok();
            assert_eq!(read.map(Delay::after), after, "{json}");
        }
    }
}
