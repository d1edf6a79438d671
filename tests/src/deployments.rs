//! The config of each deployment guide, end to end: what the guide's own nginx or Caddy would answer, Headwall answers.

use std::path::{Path, PathBuf};

use headwall_testkit::{
    Authority, Client, Feeds, Gateway, Message, Origin, Sockets, Trust, WebSocketEcho, Wire,
};
use tempfile::TempDir;

/// The deployment configs, and the host that each guide names.
const GUIDES: [(&str, &str); 5] = [
    ("milaidy", "yourdomain.com"),
    ("mahilo-registry", "api.mahilo.yourdomain.com"),
    ("conversational-platform", "api.yourdomain.com"),
    ("digital-actors", "yourdomain.com"),
    ("ai-proxy", "ai.yourdomain.com"),
];

/// A guide's config at work, and what its clients need to know.
struct Front {
    gateway: Gateway,
    host: &'static str,
    /// Whom its clients believe; nobody where plain HTTP is spoken.
    trust: Option<Trust>,
    /// Where its certificates are.
    _dir: TempDir,
}

impl Front {
    /// A guide's config with the environment that its operator would set.
    async fn of(guide: &str, app: &Origin) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (certificate, key) = authority.issue(&[host(guide)]).write(dir.path());
        // No CA that the world knows can reach this machine. What asks one is tried with a CA that is a program
        // (`acme`), so a local authority stands in for it here.
        let text = with_local_authority(&text(guide));
        let is_signed_here = text.contains("internal: {}");
        let gateway =
            start(&text, dir.path(), app, &[("CERT", certificate.as_path()), ("KEY", key.as_path())]).await;
        let trust = if is_signed_here {
            Some(Trust::pem(&std::fs::read_to_string(dir.path().join("local/root.pem")).unwrap()))
        } else {
            text.contains("tls:").then(|| Trust::from(&authority))
        };
        Self { gateway, host: host(guide), trust, _dir: dir }
    }

    /// A client as the guide's users have it.
    fn client(&self) -> Client {
        match &self.trust {
            Some(trust) => self.gateway.client_at(1).tls(trust.clone()).server_name(self.host),
            None => self.gateway.client().host(self.host),
        }
    }
}

/// Starts a config on ports that are free, with its storage and its files in `dir`.
async fn start(text: &str, dir: &Path, app: &Origin, files: &[(&str, &Path)]) -> Gateway {
    let gateway = Gateway::config(&format!("storage: \"{}\"\n{text}", dir.display()))
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("HEADWALL_HTTPS", "127.0.0.1:0")
        .variable("HEADWALL_ADMIN", "127.0.0.1:0")
        // Nobody listens on port 1, so a CA that is asked by mistake is asked on this machine.
        .variable("HEADWALL_ACME_DIRECTORY", "https://127.0.0.1:1/dir")
        .variable("HEADWALL_APP", app.address())
        .variable("HEADWALL_SPA", built_page(dir).display());
    let file = |gateway: headwall_testkit::GatewayBuilder, (name, path): &(&str, &Path)| {
        gateway.variable(&format!("HEADWALL_{name}"), path.display())
    };
    files.iter().fold(gateway, file).start().await
}

/// What the build tool of a single-page app would have written.
fn built_page(dir: &Path) -> PathBuf {
    let page = dir.join("page");
    std::fs::create_dir_all(page.join("assets")).unwrap();
    std::fs::write(page.join("index.html"), "<div id=root>").unwrap();
    std::fs::write(page.join("assets/index-BhX3a9_k.js"), "let app").unwrap();
    page
}

fn text(guide: &str) -> String {
    let path = format!("{}/../conf/{guide}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn host(guide: &str) -> &'static str {
    let host = GUIDES.iter().find(|(name, _)| *name == guide).map(|(_, host)| *host);
    host.expect("a guide of the list")
}

/// The same config with `internal` in place of `acme` and what is below it.
fn with_local_authority(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut below = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        if below.is_some_and(|depth| indent(line) > depth) {
            continue;
        }
        below = (line.trim() == "acme:").then(|| indent(line));
        lines.push(match below {
            Some(depth) => format!("{:depth$}internal: {{}}\n", ""),
            None => format!("{line}\n"),
        });
    }
    lines.concat()
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
        let front = Front::of(guide, &app).await;
        let checks = app.hits();
        assert_eq!(checks, 1, "{guide}: the first health check comes before any request");

        let scheme = if front.trust.is_some() { "https" } else { "http" };
        let reply = front.client().get("/api/thing?x=1").send().await;
        reply.assert_status(200).assert_text("here").assert_header("x-content-type-options", "nosniff");
        assert_eq!(reply.header("strict-transport-security").is_some(), scheme == "https", "{guide}: HSTS");
        let seen = app.requests().pop().expect("the request");
        assert_eq!(seen.uri, "/api/thing?x=1", "{guide}");
        assert_eq!(seen.header("host"), Some(host), "{guide}");
        assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"), "{guide}");
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{guide}");
        assert_eq!(seen.header("x-forwarded-proto"), Some(scheme), "{guide}");

        let stranger = front.gateway.client().host("stranger.example").get("/api/thing").send().await;
        stranger.assert_status(404).assert_header("content-type", "application/json");
        front.gateway.admin("/readyz").await.assert_status(200);
        let metrics = front.gateway.admin("/metrics").await;
        assert!(metrics.text().contains(&format!("site=\"{guide}\"")), "{guide}");
    }
}

#[tokio::test]
async fn plain_http_is_sent_to_https_as_the_guides_say() {
    // nginx says 301 in the guides that use it, Caddy 308.
    let rows = [
        ("milaidy", 301),
        ("mahilo-registry", 301),
        ("digital-actors", 301),
        ("conversational-platform", 308),
    ];
    for (guide, status) in rows {
        let app = Origin::builder().otherwise("here").start().await;
        let front = Front::of(guide, &app).await;
        let host = front.host;
        let reply = front.gateway.client().host(host).get("/a?b=c").send().await;
        assert_eq!(reply.status, status, "{guide}");
        reply.assert_header("location", &format!("https://{host}/a?b=c"));
        reply.assert_no_header("strict-transport-security");
        assert_eq!(app.requests().iter().filter(|seen| seen.path() == "/a").count(), 0, "{guide}");
    }
}

#[tokio::test]
async fn every_guide_with_https_speaks_http2() {
    for (guide, _) in GUIDES {
        let app = Origin::builder().otherwise("here").start().await;
        let front = Front::of(guide, &app).await;
        if front.trust.is_none() {
            continue;
        }
        let reply = front.client().http2().get("/api/thing").send().await;
        reply.assert_status(200).assert_text("here");
        assert_eq!(reply.version, http::Version::HTTP_2, "{guide}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_where_the_guides_let_them() {
    let app = Origin::builder().otherwise("here").start().await;
    for (guide, resumes) in [("mahilo-registry", true), ("milaidy", true), ("digital-actors", false)] {
        let front = Front::of(guide, &app).await;
        let client = front.client();
        for _ in 0..2 {
            client.get("/api/thing").send().await.assert_status(200);
        }
        let again = client.get("/api/thing").send().await;
        assert_eq!(again.handshake().resumed, resumes, "{guide}");
    }
}

#[tokio::test]
async fn ciphers_are_those_of_the_guides() {
    // Suites of TLS 1.2 by their numbers at IANA.
    const ECDSA_AES_128_GCM: u16 = 0xc02b;
    const ECDSA_CHACHA20: u16 = 0xcca9;
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    let rows = [
        ("milaidy", ECDSA_CHACHA20, HANDSHAKE, "HIGH has everything that there is"),
        ("mahilo-registry", ECDSA_AES_128_GCM, HANDSHAKE, "it is on the list"),
        ("mahilo-registry", ECDSA_CHACHA20, ALERT, "it is not on the list"),
    ];
    let app = Origin::builder().otherwise("here").start().await;
    for (guide, suite, expected, row) in rows {
        let front = Front::of(guide, &app).await;
        let mut wire = Wire::connect(front.gateway.address_at(1)).await;
        wire.write(client_hello(front.host, suite)).await;
        assert_eq!(wire.read_exactly(1).await[0], expected, "{guide}: {row}");
    }
}

/// What a client of TLS 1.2 says that knows one cipher suite (RFC 5246, 7.4.1.2).
fn client_hello(host: &str, suite: u16) -> Vec<u8> {
    /// Something with its length in two bytes before it.
    fn sized(content: &[u8]) -> Vec<u8> {
        [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }
    fn extension(number: u16, content: &[u8]) -> Vec<u8> {
        [&number.to_be_bytes()[..], &sized(content)].concat()
    }
    let server_name = sized(&[&[0], &sized(host.as_bytes())[..]].concat());
    let x25519 = sized(&[0, 0x1d]);
    let ecdsa_p256_sha256 = sized(&[4, 3]);
    let extensions = [extension(0, &server_name), extension(10, &x25519), extension(13, &ecdsa_p256_sha256)];
    let suites = sized(&suite.to_be_bytes());
    // The version, 32 random bytes, no session, the suites, no compression.
    let hello = [&[3, 3][..], &[7; 32], &[0], &suites, &[1, 0], &sized(&extensions.concat())].concat();
    // In a handshake message the length has three bytes.
    let message = [&[1, 0][..], &sized(&hello)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

#[tokio::test]
async fn conversational_platform_serves_before_it_has_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let app = Origin::builder().otherwise("here").start().await;
    let gateway = start(&text("conversational-platform"), dir.path(), &app, &[]).await;
    let host = host("conversational-platform");

    gateway.client().host(host).get("/chat").send().await.assert_status(308);
    let https = gateway.client_at(1).tls(Trust::anyone()).server_name(host);
    https.handshake().await.expect_err("there is nothing to show yet");
    gateway.admin("/readyz").await.assert_status(200);
    let certificates = gateway.admin("/certificates").await.json();
    assert_eq!(certificates[0]["certificate"], host);
    assert_eq!(certificates[0]["source"], "acme");
    assert!(certificates[0].get("not_after").is_none(), "{certificates}");
}

#[tokio::test]
async fn milaidy_limits_logins_and_api_calls_as_its_guide_says() {
    let app = Origin::builder().route("/api/cloud/login", "in").otherwise("ok").start().await;
    let front = Front::of("milaidy", &app).await;
    let client = front.client();

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
async fn milaidy_has_a_socket_and_a_page() {
    let sockets = WebSocketEcho::new();
    let app = Origin::builder().route("/ws", sockets).route("/api/health", "ok").start().await;
    let front = Front::of("milaidy", &app).await;
    let client = front.client();
    let mut socket = client.websocket("/ws").open().await;
    socket.send(Message::text("hello")).await;
    assert_eq!(socket.text().await, "hello");
    client.get("/ws").send().await.assert_status(426);
    // `try_files $uri $uri/ /index.html`, but for pages alone, and `expires 1y` with `immutable` in one header.
    for path in ["/", "/agents/7/settings"] {
        let page = client.get(path).header("accept", "text/html").send().await;
        page.assert_status(200).assert_text("<div id=root>").assert_header("cache-control", "no-cache");
        page.assert_header("x-frame-options", "SAMEORIGIN");
    }
    let asset = client.get("/assets/index-BhX3a9_k.js").send().await;
    asset.assert_status(200).assert_text("let app");
    asset.assert_header("cache-control", "public, max-age=31536000, immutable");
    let missing = client.get("/assets/index-AAAAAAAA.js").send().await;
    missing.assert_status(404).assert_header("x-frame-options", "SAMEORIGIN");
}

#[tokio::test]
async fn mahilo_registry_has_its_headers_and_a_silent_health_check() {
    let app = Origin::builder().route("/health", "ok").route("/ws", WebSocketEcho::new()).start().await;
    let front = Front::of("mahilo-registry", &app).await;
    let client = front.client();
    client.get("/health").send().await.assert_status(200);
    let reply = client.get("/missing").send().await;
    reply.assert_status(404).assert_header("x-frame-options", "DENY").assert_no_header("server");
    client.post("/large", "x".repeat(65_537)).send().await.assert_status(413);
    let mut socket = client.websocket("/ws").open().await;
    socket.send(Message::text("over any path")).await;
    assert_eq!(socket.text().await, "over any path");
    drop(socket);

    let log = front.gateway.stop().await;
    let uris: Vec<_> = log.iter().map(|line| line["uri"].as_str().unwrap_or_default()).collect();
    assert_eq!(uris, ["/missing", "/large", "/ws"], "the health check is not logged");
}

#[tokio::test]
async fn conversational_platform_streams_event_by_event() {
    let mut feeds = Feeds::events();
    let app = Origin::builder().route("/events", feeds.route()).otherwise("ok").start().await;
    let front = Front::of("conversational-platform", &app).await;
    let mut events = front.client().get("/events").open().await.events();
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
    let front = Front::of("conversational-platform", &app).await;
    let client = front.client();
    for n in 0..60 {
        assert_eq!(client.get("/chat").send().await.status, 200, "request {n}");
    }
    // A slow machine takes seconds for sixty, and each second gives one back.
    let mut further = 0;
    while client.get("/chat").send().await.status != 429 {
        further += 1;
        assert!(further < 30, "nobody refuses");
    }
    client.get("/health").send().await.assert_status(200);
}

#[tokio::test]
async fn digital_actors_limits_everything_but_its_health_check() {
    let mut sockets = Sockets::new();
    let app = Origin::builder().route("/", sockets.route()).otherwise("ok").start().await;
    let front = Front::of("digital-actors", &app).await;
    let client = front.client();

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
    let front = Front::of("ai-proxy", &app).await;
    let client = front.client();
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

    let log = front.gateway.stop().await;
    assert!(!format!("{log:?}").contains("s3cret"), "and logged nowhere");
}
