//! The yardstick: what a proxied request costs on Pingora when nothing is decided about it.
//!
//! Pingora's own server and listener, one thread, one fixed upstream, the idle limit that every peer of the comparison
//! has, and the heap of the prebuilt Headwall. What Headwall costs more than this is what Headwall costs.
//!
//! `bare_pingora LISTEN UPSTREAM`

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// One heap for both, because the heap alone is worth one to two microseconds a request.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct ToOne(SocketAddr);

#[async_trait]
impl ProxyHttp for ToOne {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.0, false, String::new());
        peer.options.idle_timeout = Some(Duration::from_secs(4));
        Ok(Box::new(peer))
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let listen = args.next();
    let upstream = args.next().and_then(|address| address.parse().ok());
    let (Some(listen), Some(upstream)) = (listen, upstream) else {
        return ExitCode::from(2);
    };
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 128, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    let mut proxy = http_proxy_service(&server.configuration, ToOne(upstream));
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.bootstrap();
    server.run_forever()
}
