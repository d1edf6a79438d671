//! The config of each deployment guide, end to end: what the guide's own nginx or Caddy would answer, Headwall answers.

use headwall_testkit::{Client, Feeds, Gateway, Message, Origin, Sockets, WebSocketEcho};

/// The deployment configs, and the host that each guide names.
const GUIDES: [(&str, &str); 5] = [
    ("milaidy", "yourdomain.com"),
    ("mahilo-registry", "api.mahilo.yourdomain.com"),
    ("conversational-platform", "api.yourdomain.com"),
    ("digital-actors", "yourdomain.com"),
    ("ai-proxy", "ai.yourdomain.com"),
];

fn text(guide: &str) -> String {
    let path = format!("{}/../conf/{guide}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A guide's config with the environment that its operator would set.
async fn front(guide: &str, app: &Origin) -> Gateway {
    Gateway::config(&text(guide))
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("HEADWALL_ADMIN", "127.0.0.1:0")
        .variable("HEADWALL_APP", app.address())
        .start()
        .await
}

fn client(gateway: &Gateway, guide: &str) -> Client {
    let host = GUIDES.iter().find(|(name, _)| *name == guide).map(|(_, host)| *host);
    gateway.client().host(host.expect("a guide of the list"))
}

#[test]
fn a_config_is_at_most_thirty_lines() {
    for (guide, host) in GUIDES {
        let text = text(guide);
        let lines =
            text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
        assert!(lines <= 30, "{guide} has {lines}");
        assert!(
            text.contains(&format!("${{HEADWALL_HOST:-{host}}}")),
            "{guide} has its guide's host as default"
        );
    }
}

#[tokio::test]
async fn every_guide_forwards_to_its_app_and_says_who_asks() {
    for (guide, host) in GUIDES {
        let app = Origin::builder().otherwise("here").start().await;
        let gateway = front(guide, &app).await;
        let checks = app.hits();
        assert_eq!(checks, 1, "{guide}: the first health check comes before any request");

        let reply = client(&gateway, guide).get("/api/thing?x=1").send().await;
        reply.assert_status(200).assert_text("here").assert_header("x-content-type-options", "nosniff");
        let seen = app.requests().pop().expect("the request");
        assert_eq!(seen.uri, "/api/thing?x=1", "{guide}");
        assert_eq!(seen.header("host"), Some(host), "{guide}");
        assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"), "{guide}");
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{guide}");
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"), "{guide}");

        let stranger = gateway.client().host("stranger.example").get("/api/thing").send().await;
        stranger.assert_status(404).assert_header("content-type", "application/json");
        gateway.admin("/readyz").await.assert_status(200);
        let metrics = gateway.admin("/metrics").await;
        assert!(metrics.text().contains(&format!("site=\"{guide}\"")), "{guide}");
    }
}

#[tokio::test]
async fn milaidy_limits_logins_and_api_calls_as_its_guide_says() {
    let app = Origin::builder().route("/api/cloud/login", "in").otherwise("ok").start().await;
    let gateway = front("milaidy", &app).await;
    let client = client(&gateway, "milaidy");

    for _ in 0..3 {
        client.post("/api/cloud/login", "{}").send().await.assert_status(200);
    }
    let refused = client.post("/api/cloud/login", "{}").send().await;
    refused.assert_status(429).assert_header("x-frame-options", "SAMEORIGIN");
    refused.assert_header("x-xss-protection", "1; mode=block");
    let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=13).contains(&wait), "one try in twelve seconds, not {wait}");

    // The API has a limit of its own: 21 at once, then ten a second.
    for n in 0..21 {
        assert_eq!(client.get("/api/other").send().await.status, 200, "request {n}");
    }
}

#[tokio::test]
async fn milaidy_has_a_socket_and_nothing_where_its_page_will_be() {
    let sockets = WebSocketEcho::new();
    let app = Origin::builder().route("/ws", sockets).route("/api/health", "ok").start().await;
    let gateway = front("milaidy", &app).await;
    let client = client(&gateway, "milaidy");
    let mut socket = client.websocket("/ws").open().await;
    socket.send(Message::text("hello")).await;
    assert_eq!(socket.text().await, "hello");
    client.get("/ws").send().await.assert_status(426);
    client.get("/").send().await.assert_status(404).assert_header("x-frame-options", "SAMEORIGIN");
}

#[tokio::test]
async fn mahilo_registry_has_its_headers_and_a_silent_health_check() {
    let app = Origin::builder().route("/health", "ok").route("/ws", WebSocketEcho::new()).start().await;
    let gateway = front("mahilo-registry", &app).await;
    let client = client(&gateway, "mahilo-registry");
    client.get("/health").send().await.assert_status(200);
    let reply = client.get("/missing").send().await;
    reply.assert_status(404).assert_header("x-frame-options", "DENY").assert_no_header("server");
    client.post("/large", "x".repeat(65_537)).send().await.assert_status(413);
    let mut socket = client.websocket("/ws").open().await;
    socket.send(Message::text("over any path")).await;
    assert_eq!(socket.text().await, "over any path");
    drop(socket);

    let log = gateway.stop().await;
    let uris: Vec<_> = log.iter().map(|line| line["uri"].as_str().unwrap_or_default()).collect();
    assert_eq!(uris, ["/missing", "/large", "/ws"], "the health check is not logged");
}

#[tokio::test]
async fn conversational_platform_streams_event_by_event() {
    let mut feeds = Feeds::events();
    let app = Origin::builder().route("/events", feeds.route()).otherwise("ok").start().await;
    let gateway = front("conversational-platform", &app).await;
    let mut events = client(&gateway, "conversational-platform").get("/events").open().await.events();
    let feed = feeds.next().await;
    for n in 0..5 {
        // Each is awaited at the client before the next is sent, so nothing on the way can be waiting for more.
        feed.event(&n.to_string()).await.expect("the client listens");
        assert_eq!(events.next().await.expect("an event").data, n.to_string());
    }
}

#[tokio::test]
async fn conversational_platform_allows_sixty_a_minute() {
    let app = Origin::builder().otherwise("ok").start().await;
    let gateway = front("conversational-platform", &app).await;
    let client = client(&gateway, "conversational-platform");
    for n in 0..60 {
        assert_eq!(client.get("/chat").send().await.status, 200, "request {n}");
    }
    client.get("/chat").send().await.assert_status(429);
    client.get("/health").send().await.assert_status(200);
}

#[tokio::test]
async fn digital_actors_limits_everything_but_its_health_check() {
    let mut sockets = Sockets::new();
    let app = Origin::builder().route("/", sockets.route()).otherwise("ok").start().await;
    let gateway = front("digital-actors", &app).await;
    let client = client(&gateway, "digital-actors");

    let mut socket = client.websocket("/").open().await;
    let mut actor = sockets.next().await;
    actor.send(Message::text("I am on")).await;
    assert_eq!(socket.text().await, "I am on");

    let reply = client.get("/page").send().await;
    reply.assert_status(200).assert_header("referrer-policy", "strict-origin-when-cross-origin");
    let mut refused = 0;
    for _ in 0..40 {
        refused += u32::from(client.get("/page").send().await.status == 429);
    }
    assert!(refused > 0, "10r/s with a burst of 20 does not let 42 pass at once");
    client.get("/health").send().await.assert_status(200);
}

#[tokio::test]
async fn ai_proxy_passes_tokens_on_as_they_come() {
    let mut feeds = Feeds::events();
    let app = Origin::builder().route("/v1/chat", feeds.route()).route("/ping", "pong").start().await;
    let gateway = front("ai-proxy", &app).await;
    let client = client(&gateway, "ai-proxy");
    client.get("/ping").send().await.assert_status(200).assert_text("pong");

    let call = client.post("/v1/chat", "{}").header("authorization", "Bearer s3cret-token");
    let mut tokens = call.open().await.events();
    let feed = feeds.next().await;
    for token in ["The", " answer", " is"] {
        feed.event(token).await.expect("the client listens");
        assert_eq!(tokens.next().await.expect("a token").data, token);
    }
    feed.end();
    let seen = app.requests().into_iter().find(|seen| seen.path() == "/v1/chat").expect("the request");
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret-token"), "passed on");
    drop(tokens);

    let log = gateway.stop().await;
    assert!(!format!("{log:?}").contains("s3cret"), "and logged nowhere");
}
