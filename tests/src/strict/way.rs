//! The two ways by which bytes come to a server: as they are, and over TLS.

use std::net::SocketAddr;

use headwall_testkit::{Authority, Gateway, RawOrigin, Wire};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    Tls,
}

/// A server, and where to write what it is to read.
pub(super) struct Door {
    pub(super) gateway: Gateway,
    /// Turns what is written to it into TLS.
    tunnel: Option<RawOrigin>,
    _certificates: TempDir,
}

impl Way {
    pub(super) const BOTH: [Self; 2] = [Self::Plain, Self::Tls];

    /// A server with one site and one route to `origin`, written like this, and with these other settings.
    pub(super) async fn to(self, origin: SocketAddr, route: &str, settings: &str, http2: bool) -> Door {
        let certificates = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (chain, key) = authority.issue(&["127.0.0.1"]).write(certificates.path());
        let (listener, tls) = match self {
            Self::Plain => (format!("http2: {http2}"), String::new()),
            Self::Tls => (
                "tls: true".to_owned(),
                format!("tls: {{ certificate: \"{}\", key: \"{}\" }}, ", chain.display(), key.display()),
            ),
        };
        let gateway = Gateway::config(&format!(
            "listeners: [{{ address: \"127.0.0.1:0\", {listener} }}]\n{settings}\n\
             sites: [{{ {tls}routes: [{{ {route} }}] }}]\n\
             upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}\n"
        ))
        .variable("APP", origin)
        .start()
        .await;
        let client = gateway.client().tls(&authority);
        let client = if http2 { client.http2() } else { client };
        let through = move |wire: Wire| {
            let client = client.clone();
            async move {
                let mut inner = client.tls_stream().await.unwrap();
                // Either side may close on the other; what was said until then has arrived.
                drop(copy_bidirectional(&mut wire.into_parts().0, &mut inner).await);
            }
        };
        let tunnel = match self {
            Self::Plain => None,
            Self::Tls => Some(RawOrigin::start(through).await),
        };
        Door { gateway, tunnel, _certificates: certificates }
    }
}

impl Door {
    /// Where plain bytes are taken.
    pub(super) fn address(&self) -> SocketAddr {
        self.tunnel.as_ref().map_or_else(|| self.gateway.address(), RawOrigin::address)
    }
}
