//! Networks of clients, written as CIDR or as one address.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A network such as `10.0.0.0/8`, or a single address such as `192.0.2.1`, which is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Neither a network nor an address.
    #[error("expected a network such as 10.0.0.0/8 or an address such as 192.0.2.1, was `{0}`")]
    NotANetwork(String),
    /// An address inside a network where the network's own address should stand; mostly a slip.
    #[error("`{written}` is an address inside the network `{meant}`")]
    HostBits {
        /// What was written.
        written: String,
        /// The network with the same length.
        meant: IpNet,
    },
}

// === impl Network ===

impl Network {
    /// The network.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Whether an address is in it. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(IpNet::from(address)));
        }
        let net: IpNet = text.parse().map_err(|_| InvalidNetwork::NotANetwork(text.to_owned()))?;
        if net.trunc() != net {
            return Err(InvalidNetwork::HostBits { written: text.to_owned(), meant: net.trunc() });
        }
        Ok(Self(net))
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

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        let rows = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1"),
        ];
        for (text, expected) in rows {
            assert_eq!(
                text.parse::<Network>().map(|network| network.to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn an_ipv4_address_is_one_in_ipv6_clothes_too() {
        let rows = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("::/0", "10.1.2.3", false),
            ("2001:db8::/32", "2001:db8::1", true),
        ];
        for (network, address, expected) in rows {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{address} in {network}");
        }
    }

    #[test]
    fn refuses_what_is_probably_a_slip() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "localhost", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
