//! What providers are told, what clients are told, and that nobody is told a key who should not know it.

use std::collections::HashMap;
use std::net::SocketAddr;

use headwall_testkit::{Feeds, Gateway, GatewayBuilder, Origin, deaf_address};

const CONFIG: &str = include_str!("../headwall.yaml");
const TOKEN: &str = "token-of-the-clients";
const KEYS: [&str; 2] = ["sk-key-of-openai", "sk-key-of-anthropic"];

/// The example's own config, between a client and two providers.
fn proxy(openai: SocketAddr, anthropic: SocketAddr) -> GatewayBuilder {
    Gateway::config(CONFIG)
        .server(super::server())
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("AUTH_TOKEN", TOKEN)
        .variable("OPENAI_API_KEY", KEYS[0])
        .variable("ANTHROPIC_API_KEY", KEYS[1])
        .variable("OPENAI", openai)
        .variable("ANTHROPIC", anthropic)
}

#[track_caller]
fn assert_no_secret(text: &str) {
    for secret in KEYS.iter().chain([&TOKEN]) {
        assert!(!text.contains(secret), "{secret} is in:\n{text}");
    }
}

#[tokio::test]
async fn a_provider_gets_its_own_key_and_host() {
    let (openai, anthropic) = (Origin::fixed("openai").await, Origin::fixed("anthropic").await);
    let gateway = proxy(openai.address(), anthropic.address()).start().await;
    let client = gateway.client();
    let ask = |path| client.post(path, "{}").header("authorization", &format!("bearer {TOKEN}"));
    ask("/v1/openai/chat/completions?stream=true").send().await.assert_text("openai");
    ask("/v1/anthropic/messages").header("x-api-key", "mine").send().await.assert_text("anthropic");

    let seen = &openai.requests()[0];
    assert_eq!(seen.uri, "/v1/chat/completions?stream=true");
    assert_eq!(seen.header_values("host"), ["api.openai.com"]);
    assert_eq!(seen.header_values("authorization"), [format!("Bearer {}", KEYS[0])]);
    let seen = &anthropic.requests()[0];
    assert_eq!(seen.uri, "/v1/messages");
    assert_eq!(seen.header_values("host"), ["api.anthropic.com"]);
    assert_eq!(seen.header_values("x-api-key"), [KEYS[1]], "instead of the client's");
    assert_eq!(seen.header("authorization"), None, "the token has done its work");
}

#[tokio::test]
async fn refusals_are_precise_and_the_providers_hear_nothing() {
    let provider = Origin::fixed("provider").await;
    let gateway = proxy(provider.address(), provider.address()).start().await;
    let right = format!("Bearer {TOKEN}");
    let rows = [
        ("/v1/openai/models", "", 401, "no token"),
        ("/v1/openai/models", "Bearer wrong", 401, "a wrong token"),
        ("/v1/openai/models", &right[..right.len() - 1], 401, "the beginning of the token"),
        ("/v1/openai/models", &format!("{right}s"), 401, "more than the token"),
        ("/v1/openai/models", TOKEN, 401, "no scheme"),
        ("/v1/openai/models", &format!("Basic {TOKEN}"), 401, "another scheme"),
        ("/v1/openai/models", &format!("Bearer {}", KEYS[0]), 401, "a provider's key is no token"),
        ("/v1/nobody/models", "", 401, "who may not come in is not told who is there"),
        ("/v1/nobody/models", &right, 404, "an unknown provider"),
        ("/v1/openai", &right, 404, "nothing behind the provider's name"),
        ("/v2/openai/models", &right, 404, "another prefix"),
    ];
    for (path, authorization, status, row) in rows {
        let reply = gateway.client().get(path).header("authorization", authorization).send().await;
        assert_eq!(reply.status.as_u16(), status, "{row}: {reply}");
        assert_eq!(reply.header("www-authenticate"), (status == 401).then_some("Bearer"), "{row}");
        assert!(reply.json()["error"].is_string(), "{row}");
    }
    assert_eq!(provider.hits(), 0);
}

#[tokio::test]
async fn tokens_of_a_model_arrive_as_they_are_made() {
    let mut feeds = Feeds::events();
    let openai = Origin::builder().route("/v1/chat/completions", feeds.route()).start().await;
    let gateway = proxy(openai.address(), deaf_address()).start().await;
    let call = gateway.client().post("/v1/openai/chat/completions", r#"{"stream":true}"#);
    let reply = call.header("authorization", &format!("Bearer {TOKEN}")).open().await;
    reply.assert_status(200).assert_header("content-type", "text/event-stream");
    let (feed, mut events) = (feeds.next().await, reply.events());
    for token in ["The", " answer", " is", " 42"] {
        feed.event(token).await.unwrap();
        // The next one is not made before this one is here.
        assert_eq!(events.next().await.unwrap().data, token);
    }
    feed.end();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn no_reply_log_or_metric_tells_a_secret() {
    let openai = Origin::fixed("openai").await;
    let gateway = proxy(openai.address(), deaf_address()).start().await;
    let mut told = String::new();
    for (path, status) in [("/v1/openai/models", 200), ("/v1/anthropic/models", 502), ("/v1/nobody/", 404)] {
        let call = gateway.client().get(path).header("authorization", &format!("Bearer {TOKEN}"));
        told += &call.send().await.assert_status(status).to_string();
    }
    told += &gateway.admin("/metrics").await.assert_status(200).text();
    told += &gateway.admin("/readyz").await.text();
    let log = gateway.stop().await;
    assert_eq!(log.len(), 3);
    assert_no_secret(&format!("{told}{log:?}"));
}

#[tokio::test]
async fn no_error_and_no_printed_config_tells_a_secret() {
    let environment: HashMap<_, _> =
        [("AUTH_TOKEN", TOKEN), ("OPENAI_API_KEY", KEYS[0]), ("ANTHROPIC_API_KEY", KEYS[1])].into();
    let read = |config: &str| {
        let value = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        super::server().read("headwall.yaml", config, &value)
    };
    let expanded = read(CONFIG).unwrap().expanded();
    assert!(expanded.contains("X-Api-Key") && expanded.contains("[redacted]"), "{expanded}");
    assert_no_secret(&expanded);

    let misspelt = CONFIG.replace("key:", "kee:").replace("127.0.0.1:4001", "${OPENAI_API_KEY}");
    let report = read(&misspelt).unwrap_err().to_string();
    assert!(report.contains("did you mean `key`"), "{report}");
    assert_no_secret(&report);

    let no_header = format!("{}\n", KEYS[0]);
    let builder = proxy(deaf_address(), deaf_address()).variable("OPENAI_API_KEY", no_header);
    let error = builder.try_start().await.unwrap_err();
    assert!(error.contains("openai: "), "{error}");
    assert_no_secret(&error);
}
