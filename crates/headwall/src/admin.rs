//! The admin listener: `/metrics`, `/livez`, `/readyz`, `/certificates`, `/upstreams`, and what modules have for operators.
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
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let path = req.uri.path();
        let page = self.0.page(path);
        let takes_orders = page.is_some() || upstreams::is_below(path);
        if takes_orders && let Some(refusal) = guard::refusal(req, &self.0.admin_hosts()) {
            return Ok(Action::Reply(refusal));
        }
        if let Some(page) = page {
            return Ok(match page.call(req, cx).await? {
                Action::Reply(reply) => Action::Reply(reply),
                // There is nothing behind this listener.
                Action::Forward(_) | Action::Tunnel(_) => Action::Reply(not_found()),
            });
        }
        if upstreams::is_below(path) {
            return Ok(Action::Reply(upstreams::answer(req, &self.0.upstreams())?));
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
            _ => not_found(),
        }))
    }
}

fn not_found() -> LocalReply {
    LocalReply::error(StatusCode::NOT_FOUND, "no_route")
        .message("Here are /metrics, /livez, /readyz, /certificates and /upstreams.")
}

fn wrong_method(allowed: &'static str) -> LocalReply {
    let reply = LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    reply.header(header::ALLOW, HeaderValue::from_static(allowed))
}
