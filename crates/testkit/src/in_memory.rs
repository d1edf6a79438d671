//! A service without a socket.

use std::sync::Arc;

use headwall::{Gateway, Service};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::sync::watch;

use crate::Client;

/// Runs a service, or a [`Route`](headwall::Route) with filters, behind a pipe in memory and gives a client of it.
///
/// The whole gateway is at work: routes, filters, replies, even upstreams; only the client's end is not a socket.
///
/// ```
/// use headwall::{Action, Context, BoxError, LocalReply, RequestHead, Service, async_trait};
/// use headwall_testkit::in_memory;
///
/// struct Teapot;
///
/// #[async_trait]
/// impl Service for Teapot {
///     async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
///         Ok(Action::Reply(LocalReply::text(http::StatusCode::IM_A_TEAPOT, "short and stout")))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = in_memory(Teapot).await;
/// client.get("/").send().await.assert_status(418).assert_text("short and stout");
/// # }
/// ```
pub async fn in_memory(service: impl Service) -> Client {
    let mut proxy = HttpProxy::new(Gateway::new(service), Arc::new(ServerConf::default()));
    proxy.handle_init_modules();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (never, draining) = watch::channel(false);
    tokio::spawn(async move {
        let _never = never;
        pingora_core::services::listening::Service::handle_event(Box::new(server), Arc::new(proxy), draining)
            .await;
    });
    Client::over(client).await
}
