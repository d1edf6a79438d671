//! Networks of clients, written as CIDR or as one address.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A network such as `10.0.0.0/8`, or a single address such as `192.0.2.1`, which is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a network such as 10.0.0.0/8 or an address such as 192.0.2.1, was `{0}`")]
pub struct InvalidNetwork(String);

// === impl Network ===

impl Network {
    /// Whether an address is in it. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let net = address.or_else(|_| text.parse()).map_err(|_| InvalidNetwork(text.to_owned()))?;
        // An address inside a network where the network's own should stand is mostly a slip.
        if net.trunc() == net { Ok(Self(net)) } else { Err(InvalidNetwork(text.to_owned())) }
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A network such as 10.0.0.0/8, or a single address.",
            "type": "string",
            "examples": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_networks_and_addresses() {
        let rows =
            [("10.0.0.0/8", "10.1.2.3", true), ("192.0.2.1", "192.0.2.2", false), ("::1", "::1", true)];
        for (text, address, inside) in rows {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address} in {text}");
        }
        assert!("192.0.2.1".parse::<Network>().unwrap().contains("::ffff:192.0.2.1".parse().unwrap()));
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "localhost", ""] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork(text.to_owned())));
        }
    }
}
