//! The admin listener: `/metrics`, `/livez`, `/readyz`, `/certificates`, `/upstreams`.
//!
//! It is a service on a gateway like any other, on a port of its own that only operators can reach. What a browser on an
//! operator's machine could be made to do there is [refused](guard).

mod guard;
mod upstreams;

use std::sync::Arc;

use headwall_core::{Action, BoxError, Context, LocalReply, RequestHead, Service, async_trait};
use http::{HeaderValue, Method, StatusCode, header};

use crate::status::Status;

/// Answers operators, probes and Prometheus.
pub(crate) struct Admin(pub(crate) Arc<Status>);

#[async_trait]
impl Service for Admin {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        let path = req.uri.path();
        if upstreams::is_below(path) {
            let refused = guard::refusal(req, &self.0.admin_hosts());
            return Ok(Action::Reply(match refused {
                Some(reply) => reply,
                None => upstreams::answer(req, &self.0.upstreams())?,
            }));
        }
        if req.method != Method::GET && req.method != Method::HEAD {
            return Ok(Action::Reply(wrong_method("GET, HEAD")));
        }
        Ok(Action::Reply(match path {
            "/metrics" => {
                let text = self.0.metrics.render()?;
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                LocalReply::bytes(StatusCode::OK, kind, text)
            }
            "/livez" => LocalReply::text(StatusCode::OK, "ok\n"),
            "/readyz" => {
                let readiness = self.0.readiness();
                let ready = readiness.status == "ready";
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let json = serde_json::to_string(&readiness)?;
                LocalReply::json(status, json)
            }
            "/certificates" => {
                LocalReply::json(StatusCode::OK, serde_json::to_string(&self.0.certificates())?)
            }
            _ => LocalReply::error(StatusCode::NOT_FOUND, "no_route")
                .message("Here are /metrics, /livez, /readyz, /certificates and /upstreams."),
        }))
    }
}

fn wrong_method(allowed: &'static str) -> LocalReply {
    let reply = LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    reply.header(header::ALLOW, HeaderValue::from_static(allowed))
}
