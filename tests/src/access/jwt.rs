//! `jwt`: signed tokens, and keys that change.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use headwall_testkit::{Gateway, Origin, Response, Seen, eventually};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{decisions, guarded};
use crate::metrics::metric_is;

const SECRET: &str = "a secret of more than thirty-two bytes";

/// A key of an issuer.
struct Signer {
    id: &'static str,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        Self { id, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.id, "x": BASE64.encode(self.pair.public_key()) })
    }

    fn token(&self, claims: &Value) -> String {
        let message = message(&json!({ "alg": "EdDSA", "kid": self.id }), claims);
        let signature = BASE64.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn hs256(key: &str, claims: &Value) -> String {
    let message = message(&json!({ "alg": "HS256", "typ": "JWT" }), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), message.as_bytes());
    format!("{message}.{}", BASE64.encode(tag))
}

/// Unix time, so many seconds from now.
fn at(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + offset
}

#[tokio::test]
async fn a_good_token_comes_in_and_the_application_hears_its_claims() {
    let (app, gateway) = guarded(
        "[{ jwt: { keys: [{ secret: \"${SECRET}\" }], issuer: [id], audience: [shop], require: { scope: { contains: \"orders:read\" } },
            headers: { X-User: sub, X-Roles: realm.roles }, from: [bearer, { cookie: jwt }, { query: access_token }] } }]",
    )
    .await;
    let gateway = gateway.variable("SECRET", SECRET).start().await;
    let good = json!({
        "iss": "id", "aud": ["shop", "till"], "exp": at(60), "sub": "ada",
        "scope": "openid orders:read", "realm": { "roles": ["staff", "admin"] },
    });
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        hs256(SECRET, &claims)
    };
    let token = hs256(SECRET, &good);
    let call = || gateway.client().get("/page").header("x-user", "root").header("x-roles", "root");
    call().header("authorization", &format!("Bearer {token}")).send().await.assert_status(200);
    call().header("cookie", &format!("a=b; jwt={token}")).send().await.assert_status(200);
    gateway.client().get(&format!("/page?access_token={token}")).send().await.assert_status(200);
    let nobody = changed("sub", Value::Null);
    call().header("authorization", &format!("Bearer {nobody}")).send().await.assert_status(200);

    let seen = app.requests();
    for request in &seen[..3] {
        assert_eq!(request.header_values("x-user"), ["ada"], "what the client has sent is replaced");
        assert_eq!(request.header_values("x-roles"), ["staff,admin"]);
        assert_eq!(request.header("authorization"), None, "the token ends here");
        assert_eq!(request.uri, "/page");
    }
    assert_eq!(seen[1].header("cookie"), Some("a=b"));
    assert_eq!(seen[3].header("x-user"), None, "and taken away where there is no such claim");

    let invalid = "Bearer realm=\"headwall\", error=\"invalid_token\", error_description=\"the ";
    let rows = [
        (String::new(), 401, "Bearer realm=\"headwall\"", "token_missing"),
        ("rubbish".to_owned(), 401, "token is malformed", "token_invalid"),
        (hs256(&SECRET.to_uppercase(), &good), 401, "signature of the token is wrong", "token_invalid"),
        (changed("exp", at(-31).into()), 401, "token has expired", "token_expired"),
        (changed("nbf", at(90).into()), 401, "token is not valid yet", "token_invalid"),
        (changed("iss", "other".into()), 401, "token was issued by somebody else", "token_invalid"),
        (changed("aud", "other".into()), 401, "token is for somebody else", "token_invalid"),
        (changed("scope", "openid".into()), 403, "insufficient_scope", "token_insufficient"),
        (
            format!("{}.", message(&json!({ "alg": "none" }), &good)),
            401,
            "algorithm of the token",
            "token_invalid",
        ),
    ];
    for (token, status, part, reason) in &rows {
        let call = gateway.client().get("/");
        let call =
            if token.is_empty() { call } else { call.header("authorization", &format!("Bearer {token}")) };
        let refused = call.send().await;
        assert_eq!(refused.status.as_u16(), *status, "{reason}: {part}");
        let challenge = refused.header("www-authenticate").unwrap();
        let begins = if *reason == "token_invalid" || *reason == "token_expired" {
            invalid
        } else {
            "Bearer realm=\"headwall\""
        };
        assert!(challenge.starts_with(begins) && challenge.contains(part), "{part}: {challenge}");
    }
    assert_eq!(app.hits(), 4, "the application hears of nobody else");
    metric_is(&gateway, &decisions("jwt", "passed"), 4.0).await;
    metric_is(&gateway, &decisions("jwt", "expired"), 1.0).await;
    metric_is(&gateway, &decisions("jwt", "forbidden"), 1.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[0]["user"], log[3].get("user")), (&"ada".into(), None));
    for (line, (.., reason)) in log[4..].iter().zip(&rows) {
        assert_eq!(&line["reason"], reason);
    }
    assert!(!format!("{log:?}").contains(&token), "no token is in the log");
}

/// What an issuer publishes: keys, or nothing while it is ill.
#[derive(Clone)]
struct KeySet(watch::Sender<Option<Vec<Value>>>);

impl KeySet {
    fn publish(&self, keys: Option<Vec<Value>>) {
        self.0.send_replace(keys);
    }

    fn answer(&self) -> Response {
        match &*self.0.borrow() {
            Some(keys) => Response::json(&json!({ "keys": keys })),
            None => Response::new(500),
        }
    }
}

/// An issuer whose key set a test can change.
async fn issuer() -> (Origin, KeySet) {
    let set = KeySet(watch::Sender::new(None));
    let published = set.clone();
    let answer = move |_: Seen| {
        let published = published.clone();
        async move { published.answer() }
    };
    (Origin::builder().route("/keys", answer).start().await, set)
}

#[tokio::test]
async fn keys_are_fetched_and_change_and_outlive_their_issuer() {
    let (issuer, set) = issuer().await;
    let (old, new) = (Signer::new("2025"), Signer::new("2026"));
    let foreign = json!({ "kty": "future", "kid": "?", "x": 1 });
    set.publish(Some(vec![foreign.clone(), old.jwk()]));
    let app = Origin::fixed("hello").await;
    let yaml = "
        sites:
          - routes:
              - filters: [{ jwt: { jwks: { url: \"${ISSUER}/keys\" } } }]
                api: { upstream: app }
        upstreams: { app: { servers: [\"${APP}\"] } }
    ";
    let gateway = Gateway::config(yaml).variable("ISSUER", issuer.url()).variable("APP", app.address());
    let mut gateway = gateway.start().await;
    assert_eq!(issuer.hits(), 1, "keys are there before the first request");
    let claims = json!({ "sub": "ada", "exp": at(600) });
    let status = async |gateway: &Gateway, signer: &Signer| {
        let token = format!("Bearer {}", signer.token(&claims));
        gateway.client().get("/").header("authorization", &token).send().await.status.as_u16()
    };
    assert_eq!(status(&gateway, &old).await, 200);
    assert_eq!(issuer.hits(), 1);

    // However many name keys that nobody knows, the issuer is left in peace.
    let strangers: Vec<_> = (0..20).map(|_| Signer::new("nobody")).collect();
    let calls = strangers.iter().map(|stranger| status(&gateway, stranger));
    assert!(futures_util::future::join_all(calls).await.iter().all(|status| *status == 401));
    assert!(issuer.hits() <= 2, "asked {} times", issuer.hits());

    // The issuer falls ill: what is known goes on being good, over a reload too.
    set.publish(None);
    gateway.reload(yaml).await.unwrap();
    assert_eq!(status(&gateway, &old).await, 200);
    drop(gateway);

    // Another gateway, which has not asked just now, learns of a new key from the first token that names it.
    set.publish(Some(vec![old.jwk()]));
    let gateway = Gateway::config(yaml).variable("ISSUER", issuer.url()).variable("APP", app.address());
    let gateway = gateway.start().await;
    set.publish(Some(vec![foreign, new.jwk()]));
    let learnt = async || (status(&gateway, &new).await == 200).then_some(());
    eventually(15, learnt).await;
    assert_eq!(status(&gateway, &old).await, 401, "a key that is not published any more is none");
}

#[tokio::test]
async fn without_any_key_nobody_comes_in() {
    let (issuer, set) = issuer().await;
    set.publish(None);
    let (app, gateway) = guarded("[{ jwt: { jwks: { url: \"${ISSUER}/keys\" } } }]").await;
    let gateway = gateway.variable("ISSUER", issuer.url()).start().await;
    let signer = Signer::new("1");
    let token = format!("Bearer {}", signer.token(&json!({ "exp": at(60) })));
    let call = || gateway.client().get("/").header("authorization", &token);
    call().send().await.assert_status(503).assert_header("retry-after", "1");
    assert_eq!(app.hits(), 0);
    // The issuer recovers, and nobody has to do anything.
    set.publish(Some(vec![signer.jwk()]));
    eventually(10, async || (call().send().await.status.as_u16() == 200).then_some(())).await;
    metric_is(&gateway, &decisions("jwt", "passed"), 1.0).await;
    assert_eq!(gateway.stop().await[0]["reason"], "keys_unavailable");
}

#[tokio::test]
async fn algorithms_can_be_narrowed_and_slips_are_told() {
    let (_app, gateway) =
        guarded("[{ jwt: { keys: [{ secret: \"${SECRET}\" }], algorithms: [HS512] } }]").await;
    let gateway = gateway.variable("SECRET", SECRET).start().await;
    let token = format!("Bearer {}", hs256(SECRET, &json!({ "exp": at(60) })));
    gateway.client().get("/").header("authorization", &token).send().await.assert_status(401);
    let rows = [
        ("keys: [{ secret: \"${SHORT}\" }]", "at least 32 bytes"),
        ("{}", "jwt"),
        ("keys: [{ file: /nowhere/key.pem }]", "/nowhere/key.pem"),
        ("keys: [{ secret: \"${SECRET}\" }], algorithms: [none]", "none"),
        ("jwks: { url: \"ftp://id.test\" }", "expected an address such as https://"),
        ("jwks: { url: \"https://user:hunter2@id.test/\" }", "without a name and a password"),
    ];
    for (settings, expected) in rows {
        let settings = settings.replace("{}", "realm: x");
        let (_app, gateway) = guarded(&format!("[{{ jwt: {{ {settings} }} }}]")).await;
        let report =
            gateway.variable("SECRET", SECRET).variable("SHORT", "0123").try_start().await.unwrap_err();
        assert!(report.contains(expected), "{settings}: {report}");
        // The lines below the first show the file itself.
        let told = report.lines().next().unwrap();
        assert!(!told.contains("0123") && !told.contains("hunter2"), "{report}");
    }
}
