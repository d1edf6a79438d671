//! A filter of one's own: `loyalty` tells customers how they stand.
//!
//! It reads a cookie of the request, sets a header of the response and counts in a metric. Its settings are a type, so a
//! misspelt key in the YAML is reported with line, column and suggestion, like any other mistake in the file.
//!
//! ```sh
//! cargo run -p example-filter -- run --config examples/filter/headwall.yaml
//! ```
//!
//! Then `curl -i http://127.0.0.1:8080/ -H 'Cookie: stamps=12'`.

use std::process::ExitCode;
use std::sync::Arc;

use garde::Validate;
use headwall::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, Server, async_trait,
};
use http::{HeaderName, HeaderValue, header};
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    server().run()
}

/// Everything Headwall has, and `loyalty`. A function of its own, so that the tests start the same server.
fn server() -> Server {
    Server::new().filter::<Loyalty>("loyalty")
}

/// Tells customers how they stand.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Loyalty {
    /// The cookie in which an application keeps the number of stamps. Default: `stamps`.
    #[serde(default = "stamps")]
    #[garde(length(min = 1))]
    cookie: String,
    /// The response header for the answer. Default: `X-Loyalty`.
    #[serde(default = "x_loyalty")]
    #[garde(length(min = 1))]
    header: String,
    /// How many stamps make a customer golden.
    #[garde(range(min = 1))]
    gold_from: u32,
}

/// How a customer stands. The request hook leaves it in the context, where the response hook finds it.
#[derive(Debug, Clone, Copy)]
enum Tier {
    Guest,
    Gold,
}

/// The settings, prepared: names are parsed and the metric's labels are resolved before the first request.
struct LoyaltyFilter {
    cookie: String,
    header: HeaderName,
    gold_from: u32,
    guests: IntCounter,
    golden: IntCounter,
}

impl Module for Loyalty {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let visits = cx.metrics().counters("loyalty_visits_total", "Requests of customers.", &["tier"])?;
        Ok(Arc::new(LoyaltyFilter {
            cookie: self.cookie.clone(),
            header: self.header.parse()?,
            gold_from: self.gold_from,
            guests: visits.with_label_values(&["guest"]),
            golden: visits.with_label_values(&["gold"]),
        }))
    }
}

#[async_trait]
impl Filter for LoyaltyFilter {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let stamps = cookie(req, &self.cookie).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (tier, visits) =
            if stamps >= self.gold_from { (Tier::Gold, &self.golden) } else { (Tier::Guest, &self.guests) };
        visits.inc();
        cx.extensions_mut().insert(tier);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let tier = match cx.extensions().get() {
            Some(Tier::Gold) => "gold",
            Some(Tier::Guest) => "guest",
            // A filter before this one has refused the request.
            None => return Ok(()),
        };
        res.headers.insert(&self.header, HeaderValue::from_static(tier));
        Ok(())
    }
}

/// The value of a cookie (RFC 6265, 5.4).
fn cookie<'a>(req: &'a RequestHead, name: &str) -> Option<&'a str> {
    let lines = req.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn stamps() -> String {
    "stamps".to_owned()
}

fn x_loyalty() -> String {
    "X-Loyalty".to_owned()
}

#[cfg(test)]
mod tests;
