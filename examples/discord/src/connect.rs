//! What a request to connect a Discord account must look like.

use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall::units::Size;
use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets only well-formed requests to connect a Discord account pass.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscordConnect {
    /// How long a body may be. The gateway reads no more than 64 KiB ahead in any case.
    #[garde(skip)]
    max_body: Size,
}

/// The part of the body that must be there. What else is in it is between the client and the container.
#[derive(Deserialize)]
struct Connect {
    #[serde(default)]
    code: String,
}

impl Module for DiscordConnect {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Filter for DiscordConnect {
    /// With the whole body at once, before the container is asked.
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::WHOLE_REQUEST_BODY
    }

    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        let text = |name| req.headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
        if !media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json")) {
            return Ok(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "The body must be JSON."));
        }
        // A length that is announced saves reading the body.
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if length.is_some_and(|length: u64| length > self.max_body.bytes()) {
            return Ok(too_large());
        }
        Ok(Flow::Continue)
    }

    async fn whole_request_body(&self, body: &mut Bytes, _: &mut Context) -> Result<Flow, BoxError> {
        if body.len() as u64 > self.max_body.bytes() {
            return Ok(too_large());
        }
        Ok(match serde_json::from_slice(body) {
            Ok(Connect { code }) if code.trim().is_empty() => {
                refuse(StatusCode::BAD_REQUEST, "missing_code", "The field `code` is required.")
            }
            Ok(_) => Flow::Continue,
            Err(_) => {
                let expected = "The body must be a JSON object with a text field `code`.";
                refuse(StatusCode::BAD_REQUEST, "invalid_body", expected)
            }
        })
    }
}

fn too_large() -> Flow {
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request body is too large.")
}

fn refuse(status: StatusCode, reason: &'static str, sentence: &'static str) -> Flow {
    Flow::Reply(LocalReply::error(status, reason).message(sentence))
}
