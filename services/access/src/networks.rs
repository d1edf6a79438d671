//! The `access` filter: who may come in by address.
//!
//! ```yaml
//! access: { allow: [10.0.0.0/8], deny: [10.6.6.6] }
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Network;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tally::{Decision, Tally};

/// Lets clients in by their address, which behind a trusted proxy is the one that it speaks for.
///
/// The first list that has the address decides: `deny` is looked at first, then `allow`. An address in neither passes
/// where there is no `allow`, and is refused where there is one.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Networks and addresses that may come in; nobody else may. Default: everybody.
    #[garde(skip)]
    pub allow: Vec<Network>,
    /// Networks and addresses that may not, even if `allow` has them. Default: none.
    #[garde(skip)]
    pub deny: Vec<Network>,
}

struct Gate {
    allow: Vec<Network>,
    deny: Vec<Network>,
    tally: Tally,
}

impl Access {
    fn admits(allow: &[Network], deny: &[Network], address: IpAddr) -> bool {
        let has = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        !has(deny) && (allow.is_empty() || has(allow))
    }
}

impl Module for Access {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        if self.allow.is_empty() && self.deny.is_empty() {
            return Err("expected `allow`, `deny` or both: without them everybody may come in".into());
        }
        let (allow, deny) = (self.allow.clone(), self.deny.clone());
        Ok(Arc::new(Gate { allow, deny, tally: Tally::new(cx)? }))
    }
}

#[async_trait]
impl Filter for Gate {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if Access::admits(&self.allow, &self.deny, cx.client_address()) {
            self.tally.count(Decision::Passed);
            return Ok(Flow::Continue);
        }
        self.tally.count(Decision::Forbidden);
        Ok(Flow::Reply(LocalReply::error(StatusCode::FORBIDDEN, "address_denied")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_list_that_has_the_address_decides() {
        let networks =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>();
        let rows = [
            (&["10.0.0.0/8"][..], &[][..], "10.1.2.3", true, "allowed"),
            (&["10.0.0.0/8"], &[], "192.0.2.1", false, "not among the allowed"),
            (&["10.0.0.0/8"], &["10.6.0.0/16"], "10.6.6.6", false, "deny goes first"),
            (&["10.6.6.6"], &["10.0.0.0/8"], "10.6.6.6", false, "deny goes first, however narrow allow is"),
            (&[], &["10.0.0.0/8"], "192.0.2.1", true, "in neither, and nobody is listed as allowed"),
            (&["10.0.0.0/8"], &[], "::ffff:10.1.2.3", true, "IPv4 in IPv6 clothes"),
            (&["2001:db8::/32"], &[], "2001:db8::7", true, "IPv6"),
        ];
        for (allow, deny, address, expected, row) in rows {
            let admits = Access::admits(&networks(allow), &networks(deny), address.parse().unwrap());
            assert_eq!(admits, expected, "{row}: {address}");
        }
    }
}
