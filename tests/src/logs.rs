//! The access log: what a line tells, and what it never tells.

use headwall_testkit::{Feeds, Gateway, Origin, RawOrigin, Wire};
use serde_json::Value;

use crate::forwarding::in_front_of;

/// A site with a route of each kind.
async fn start(origin: &Origin) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: site
            routes:
              - match: { path: /local }
                name: local
                respond: { body: here }
              - match: { path: /silent }
                access_log: false
                respond: { body: shh }
              - name: rest
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await
}

fn keys(line: &Value) -> Vec<&str> {
    line.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[tokio::test]
async fn a_line_tells_all_of_a_proxied_request() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    let call = gateway.client().post("/a/../b?c=d", "question").host("app.test:80");
    call.header("user-agent", "test/1.0 \"x\"").header("referer", "http://a.test/?token=s3cret").send().await;
    let log = gateway.stop().await;
    assert_eq!(log.len(), 1, "one line a request: {log:?}");
    let line = &log[0];
    for (field, expected) in [
        ("kind", Value::from("http")),
        ("client", "127.0.0.1".into()),
        ("method", "POST".into()),
        ("scheme", "http".into()),
        ("host", "app.test:80".into()),
        ("uri", "/a/../b?c=d".into()),
        ("protocol", "HTTP/1.1".into()),
        ("status", 200.into()),
        ("bytes_received", 8.into()),
        ("bytes_sent", 5.into()),
        ("site", "site".into()),
        ("route", "rest".into()),
        ("upstream", "app".into()),
        ("server", origin.address().to_string().into()),
        ("attempts", 1.into()),
        ("user_agent", "test/1.0 \"x\"".into()),
        ("referer", "http://a.test/?token=[redacted]".into()),
    ] {
        assert_eq!(line[field], expected, "{field}");
    }
    assert_eq!(line["request_id"], origin.requests()[0].header("x-request-id").unwrap());
    for seconds in ["duration", "first_byte", "connect"] {
        let value = line[seconds].as_f64().unwrap_or(-1.0);
        assert!((0.0..10.0).contains(&value), "{seconds}: {value}");
    }
    assert!(line["first_byte"].as_f64() <= line["duration"].as_f64());
    let time = line["time"].as_str().unwrap();
    assert!(time.len() == "2026-11-20T05:00:01.250Z".len() && time.ends_with('Z'), "RFC 3339 in UTC: {time}");
    assert!(!keys(line).contains(&"reason"), "nothing went wrong, so there is no reason");
}

#[tokio::test]
async fn a_line_tells_why_headwall_answered_by_itself() {
    let origin = Origin::fixed("hello").await;
    origin.stop().await;
    let gateway = start(&origin).await;
    gateway.client().get("/local").send().await.assert_status(200);
    gateway.client().get("/gone").send().await.assert_status(502);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["route"], &log[0]["status"]), (&"local".into(), &200.into()));
    for absent in ["upstream", "server", "attempts", "connect", "reason", "user_agent", "referer"] {
        assert!(!keys(&log[0]).contains(&absent), "what does not apply is left out: {absent} in {}", log[0]);
    }
    assert_eq!((&log[1]["status"], &log[1]["reason"]), (&502.into(), &"upstream_connect_refused".into()));
    assert_eq!(log[1]["server"], origin.address().to_string(), "who was asked");
}

#[tokio::test]
async fn a_route_can_be_silent() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    for path in ["/silent", "/local", "/silent"] {
        gateway.client().get(path).send().await.assert_status(200);
    }
    let log = gateway.stop().await;
    let uris: Vec<_> = log.iter().map(|line| &line["uri"]).collect();
    assert_eq!(uris, ["/local"]);
}

#[tokio::test]
async fn no_secret_of_a_request_is_in_the_log() {
    let origin = Origin::builder()
        .otherwise(async |_: headwall_testkit::Seen| {
            headwall_testkit::Response::text("s3cret body").header("set-cookie", "session=s3cret")
        })
        .start()
        .await;
    let gateway = start(&origin).await;
    for path in
        ["/a?token=s3cret&page=2", "/local?x=1&API_KEY=s3cret", "/b?code=s3cret%20s3cret&access_token=s3cret"]
    {
        gateway
            .client()
            .post(path, "s3cret")
            .header("authorization", "Bearer s3cret")
            .header("proxy-authorization", "Basic s3cret")
            .header("cookie", "session=s3cret")
            .header("x-api-key", "s3cret")
            .send()
            .await
            .assert_status(200);
    }
    let log = gateway.stop().await;
    assert_eq!(log[0]["uri"], "/a?token=[redacted]&page=2");
    assert_eq!(log[1]["uri"], "/local?x=1&API_KEY=[redacted]");
    assert_eq!(log[2]["uri"], "/b?code=[redacted]&access_token=[redacted]");
    for line in &log {
        assert!(!line.to_string().contains("s3cret"), "{line}");
    }
}

#[tokio::test]
async fn a_client_cannot_write_lines_of_its_own() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET /%0a{\"status\":1} HTTP/1.1\r\nHost: a\r\nUser-Agent: \"},{\"\\\t\u{e9}\r\nConnection: close\r\n\r\n").await;
    wire.read_to_end().await;
    let log = gateway.stop().await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["user_agent"], "\"},{\"\\\t\u{e9}");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_a_499() {
    let origin = RawOrigin::silent().await;
    let gateway = in_front_of(origin.address()).await;
    let asking = tokio::spawn(gateway.client().get("/").try_send());
    origin.reached(1).await;
    asking.abort();
    drop(asking.await);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&499.into(), &"client_closed".into()));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_keeps_the_status_it_was_sent() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut open = gateway.client().get("/").open().await;
    let feed = feeds.next().await;
    feed.send("half").await.unwrap();
    open.chunk().await.unwrap();
    drop(open);
    feed.abandoned().await;
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &"client_closed".into()));
    assert_eq!(log[0]["bytes_sent"], 4);
}

/// nginx's `combined`, read by goaccess, fail2ban and many a script.
#[tokio::test]
async fn the_combined_form_is_nginxs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let gateway = Gateway::config(
        r#"
        access_log: { format: combined, output: "${LOG}" }
        sites: [{ routes: [{ respond: { body: hello } }] }]
        "#,
    )
    .variable("LOG", path.display())
    .start()
    .await;
    let client = gateway.client();
    client
        .get("/a?b=c&token=s3cret")
        .header("user-agent", "curl/8 \"x\"")
        .header("referer", "http://r/")
        .send()
        .await;
    client.head("/").send().await;
    gateway.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let (before, rest) = lines[0].split_once('[').unwrap();
    let (time, after) = rest.split_once(']').unwrap();
    assert_eq!(before, "127.0.0.1 - - ");
    assert_eq!(time.len(), "20/Nov/2026:05:00:01 +0000".len(), "{time}");
    assert_eq!(after, r#" "GET /a?b=c&token=[redacted] HTTP/1.1" 200 5 "http://r/" "curl/8 \x22x\x22""#);
    assert!(lines[1].ends_with(r#"] "HEAD / HTTP/1.1" 200 0 "-" "-""#), "{}", lines[1]);
}

#[tokio::test]
async fn the_log_can_be_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let gateway = Gateway::config(
        r#"
        access_log: { format: "off", output: "${LOG}" }
        sites: [{ routes: [{ respond: { body: hello } }] }]
        "#,
    )
    .variable("LOG", path.display())
    .start()
    .await;
    gateway.client().get("/").send().await.assert_status(200);
    gateway.stop().await;
    assert!(!path.exists(), "the file is not even made");
}
