//! The chapter "Write a filter".

use std::sync::Arc;

use garde::Validate;
use headwall::{BoxError, Build, Context, Filter, Module, Phases, ResponseHead};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signs every response.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    /// The value of the header.
    #[garde(length(min = 1, max = 64))]
    text: String,
}

impl Module for Signature {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Sign(self.text.parse()?)))
    }
}

struct Sign(HeaderValue);

impl Filter for Sign {
    fn phases(&self) -> Phases {
        Phases::RESPONSE
    }

    fn response(&self, res: &mut ResponseHead, _: &mut Context) -> Result<(), BoxError> {
        res.headers.insert("x-signature", self.0.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use headwall::Server;
    use headwall_testkit::Gateway;

    use super::*;

    #[tokio::test]
    async fn every_response_is_signed_errors_too() {
        let gateway = Gateway::config(
            "
            sites:
              - filters: [{ signature: { text: ada } }]
                routes: [{ match: { path: /hello }, respond: { body: hello } }]
            ",
        )
        .server(Server::new().filter::<Signature>("signature"))
        .start()
        .await;

        let client = gateway.client();
        client.get("/hello").send().await.assert_status(200).assert_header("x-signature", "ada");
        client.get("/nowhere").send().await.assert_status(404).assert_header("x-signature", "ada");
    }

    #[test]
    fn a_slip_is_told_with_its_place() {
        let text = "sites: [{ filters: [{ signature: { txt: ada } }] }]";
        let server = Server::new().filter::<Signature>("signature");
        let report = server.read("headwall.yaml", text, &|_| None).unwrap_err().to_string();
        assert!(report.contains("headwall.yaml:1:36") && report.contains("did you mean `text`?"), "{report}");
    }
}
