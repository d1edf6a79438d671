//! Clients that show a certificate, and those that should.

use std::sync::Arc;

use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, Server, async_trait,
};
use headwall_testkit::{Authority, Client, Echo, Gateway, GatewayBuilder, Identity, Origin, TLS12, TLS13};
use http::StatusCode;

use super::{Issuer, failures, in_front};

const HOST: &str = "app.example.com";

/// What tells of a client's certificate.
const HEADERS: [&str; 4] =
    ["client-cert", "client-cert-chain", "x-client-cert-subject", "x-client-cert-fingerprint"];

fn wanting(issuer: &Issuer, origin: &Origin, mode: &str, more: &str) -> GatewayBuilder {
    let ca = issuer.path("ca.pem");
    let tls = format!("{}, client_auth: {{ ca: \"{}\", mode: {mode} }}", issuer.files(&[HOST]), ca.display());
    Gateway::config(&in_front(HOST, &tls, more)).variable("APP", origin.address())
}

fn alice(issuer: &Issuer) -> Identity {
    issuer.authority.certificate(&[]).client("alice").organization("Example").issue()
}

/// Asks with headers that only we may write.
async fn lie(client: &Client) {
    let call = HEADERS.into_iter().fold(client.get("/"), |call, name| call.header(name, "mallory"));
    call.send().await.assert_status(200);
}

#[tokio::test]
async fn only_clients_of_the_authority_are_let_in_where_one_is_required() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = wanting(&issuer, &origin, "require", "").start().await;
    let client = issuer.client(&gateway, HOST);
    let expired = issuer.authority.certificate(&[]).client("alice").expired().issue();
    let server = issuer.authority.issue(&["not.a.client"]);
    let rows: [(Option<Identity>, Option<&str>, &str); 5] = [
        (Some(alice(&issuer)), None, "one of ours"),
        (None, Some("CertificateRequired"), "none"),
        (Some(Authority::new().issue_client("alice")), Some("UnknownCA"), "of another authority"),
        (Some(expired), Some("CertificateExpired"), "expired"),
        (Some(server), Some("UnsupportedCertificate"), "a server's"),
    ];
    for (identity, alert, row) in &rows {
        let client = match identity {
            Some(identity) => client.clone().identity(identity),
            None => client.clone(),
        };
        let shaken = client.versions(&[&TLS13]).handshake().await;
        match (shaken, alert) {
            (Ok(_), None) => {}
            (Err(failed), Some(_)) => assert_eq!(failed.alert().as_deref(), *alert, "{row}: {failed}"),
            (shaken, _) => panic!("{row}: {shaken:?}"),
        }
    }
    assert_eq!(failures(&gateway, "client_certificate"), 4.0);
    let old = client.versions(&[&TLS12]).handshake().await.unwrap_err();
    assert!(old.alert().is_some(), "TLS 1.2 refuses too: {old}");
    assert_eq!(origin.hits(), 0);
}

#[tokio::test]
async fn where_one_is_only_asked_for_strangers_are_still_refused() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = wanting(&issuer, &origin, "request", "").start().await;
    let client = issuer.client(&gateway, HOST);
    client.clone().identity(&alice(&issuer)).get("/").send().await.assert_status(200);
    client.get("/").send().await.assert_status(200);
    let stranger = client.identity(&Authority::new().issue_client("alice"));
    assert_eq!(stranger.handshake().await.unwrap_err().alert().as_deref(), Some("UnknownCA"));
    let log = gateway.stop().await;
    let named: Vec<_> = log.iter().map(|line| line["client_certificate"].as_str()).collect();
    assert_eq!(named, [Some("CN=alice, O=Example"), None]);
}

#[tokio::test]
async fn the_application_is_told_who_it_is_and_nobody_can_pretend() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = wanting(&issuer, &origin, "request", "").start().await;
    let (client, alice) = (issuer.client(&gateway, HOST), alice(&issuer));
    let named = client.clone().identity(&alice);
    lie(&named).await;
    lie(&named.http2()).await;
    lie(&client).await;

    let seen = origin.requests();
    let certificate = alice.certificate();
    for seen in &seen[..2] {
        assert_eq!(seen.header_values("x-client-cert-subject"), [certificate.subject()]);
        assert_eq!(seen.header_values("x-client-cert-fingerprint"), [certificate.fingerprint()]);
        // RFC 9440: the DER in base64 between colons, as in the PEM without its frame and its line breaks.
        let base64: String = alice.chain_pem().lines().filter(|line| !line.starts_with("-----")).collect();
        assert_eq!(seen.header_values("client-cert"), [format!(":{base64}:")]);
        assert_eq!(seen.header("client-cert-chain"), None);
    }
    for name in HEADERS {
        assert_eq!(seen[2].header(name), None, "{name} of a client without a certificate");
    }
}

#[tokio::test]
async fn without_tls_only_a_trusted_proxy_tells_of_certificates() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    for (more, kept) in [("", None), ("client: { trusted_proxies: [127.0.0.1] }\n", Some("mallory"))] {
        let tls = format!("{}, redirect: false", issuer.files(&[HOST]));
        let gateway =
            Gateway::config(&in_front(HOST, &tls, more)).variable("APP", origin.address()).start().await;
        for client in [gateway.client_at(1).host(HOST), issuer.client(&gateway, HOST)] {
            lie(&client).await;
            let seen = origin.requests().pop().unwrap();
            for name in HEADERS {
                assert_eq!(seen.header(name), kept, "{name}, {more}");
            }
        }
    }
}

#[tokio::test]
async fn a_resumed_session_is_still_the_same_clients() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = wanting(&issuer, &origin, "require", "").start().await;
    for version in [&TLS13, &TLS12] {
        let client = issuer.client(&gateway, HOST).identity(&alice(&issuer)).versions(&[version]);
        for resumed in [false, true, true] {
            let reply = client.get("/").send().await;
            assert_eq!(reply.handshake().resumed, resumed);
            let seen = origin.requests().pop().unwrap();
            assert_eq!(seen.header("x-client-cert-subject"), Some("CN=alice, O=Example"));
        }
    }
    let log = gateway.stop().await;
    assert!(log.iter().all(|line| line["client_certificate"] == "CN=alice, O=Example"), "{log:#?}");
}

/// A session that was begun without a certificate must not get in after one is required.
#[tokio::test]
async fn a_session_from_before_certificates_were_required_is_not_resumed() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let open = in_front(HOST, &issuer.files(&[HOST]), "");
    let ca = issuer.path("ca.pem");
    let closed = format!("{}, client_auth: {{ ca: \"{}\" }}", issuer.files(&[HOST]), ca.display());
    let closed = in_front(HOST, &closed, "");
    for version in [&TLS13, &TLS12] {
        let mut gateway = Gateway::config(&open).variable("APP", origin.address()).start().await;
        let client = issuer.client(&gateway, HOST).versions(&[version]);
        for resumed in [false, true] {
            assert_eq!(client.get("/").send().await.handshake().resumed, resumed);
        }
        gateway.reload(&closed).await.unwrap();
        let refused = client.get("/").try_send().await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(failures(&gateway, "client_certificate"), 1.0);
    }
}

/// A filter of somebody's own that lets one client in, by the fingerprint of its certificate.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
struct OnlyFor {
    fingerprint: String,
}

struct Checking(String);

impl Module for OnlyFor {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Checking(self.fingerprint.clone())))
    }
}

#[async_trait]
impl Filter for Checking {
    fn phases(&self) -> Phases {
        Phases::HEADS
    }

    async fn request(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let tls = cx.tls().ok_or("the request did not come over TLS")?;
        let refuse = |message: &str| {
            Ok(Flow::Reply(
                LocalReply::error(StatusCode::FORBIDDEN, "not_for_you").message(message.to_owned()),
            ))
        };
        match &tls.client_certificate {
            Some(shown) if shown.fingerprint == self.0 => Ok(Flow::Continue),
            Some(shown) => refuse(&format!("You are {}, from {}.", shown.subject, shown.issuer)),
            None => refuse(&format!("You are nobody, over {} to {:?}.", tls.version, tls.server_name)),
        }
    }
}

#[tokio::test]
async fn a_filter_of_ones_own_sees_the_certificate() {
    let issuer = Issuer::new();
    let (alice, bob) = (alice(&issuer), issuer.authority.issue_client("bob"));
    let yaml = format!(
        "listeners: [{{ address: \"127.0.0.1:0\", tls: true }}]\nsites: [{{ hosts: [{HOST}], tls: {{ {}, client_auth: {{ ca: \
         \"{}\", mode: request }} }}, routes: [{{ filters: [{{ only_for: {{ fingerprint: {} }} }}], respond: {{ body: \
         welcome }} }}] }}]",
        issuer.files(&[HOST]),
        issuer.path("ca.pem").display(),
        alice.certificate().fingerprint()
    );
    let server = Server::new().filter::<OnlyFor>("only_for");
    let gateway = Gateway::config(&yaml).server(server).start().await;
    let client = issuer.client(&gateway, HOST);
    client.clone().identity(&alice).get("/").send().await.assert_status(200).assert_text("welcome");
    let other = client.clone().identity(&bob).get("/").send().await;
    other.assert_status(403);
    let said = other.text();
    assert!(said.contains("CN=bob") && said.contains("Headwall test root"), "{said}");
    let nobody = client.get("/").send().await;
    nobody.assert_status(403);
    let said = nobody.json()["error"].to_string();
    assert!(said.contains("nobody, over TLSv1.3") && said.contains(HOST), "{said}");
}
