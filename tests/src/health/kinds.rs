//! What a check can ask for and how it judges the answer: statuses, bodies, headers, another port, gRPC.

use headwall_testkit::{Authority, Fixed, Gateway, Origin, Response, Seen, deaf_address};

use super::{checks, is_up};

/// A gateway in front of the upstream `app` with one server and this check.
async fn checked(server: &str, check: &str) -> Gateway {
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams:
          app: {{ servers: [\"{server}\"], health_check: {{ interval: 30s, {check} }} }}
        "
    );
    Gateway::start(&yaml).await
}

/// How often a check of the one server has failed for this reason.
fn failures(gateway: &Gateway, server: &str, reason: &str) -> Option<f64> {
    gateway.metric(&format!(
        r#"headwall_upstream_health_check_failures_total{{reason="{reason}",server="{server}",upstream="app"}}"#
    ))
}

#[tokio::test]
async fn statuses_can_be_named_by_class_and_range() {
    let rows = [
        (204, "2xx", Some(1.0)),
        (302, "2xx", Some(0.0)),
        (404, "[2xx, 404]", Some(1.0)),
        (401, "[200, 400-403]", Some(1.0)),
        (404, "[200, 400-403]", Some(0.0)),
    ];
    for (status, expect, up) in rows {
        let origin = Origin::builder().otherwise(Fixed::status(status)).start().await;
        let expect = if expect.starts_with('[') { expect.to_owned() } else { format!("[{expect}]") };
        let gateway = checked(&origin.address().to_string(), &format!("path: /, expect: {expect}")).await;
        assert_eq!(is_up(&gateway, &origin), up, "{status} for {expect}");
    }
}

#[tokio::test]
async fn the_answer_has_to_contain_what_is_expected() {
    let late = format!("{}database: ok", " ".repeat(70_000));
    let rows = [
        ("{ \"database\": \"ok\" }", Some(1.0), "it is there"),
        ("{ \"database\": \"gone\" }", Some(0.0), "it is not"),
        ("", Some(0.0), "nothing is"),
        (late.as_str(), Some(0.0), "too late to be read"),
    ];
    for (body, up, row) in rows {
        let origin = Origin::builder().otherwise(Fixed::status(200).body(body.to_owned())).start().await;
        let server = origin.address().to_string();
        let gateway = checked(&server, "path: /health, body_contains: '\"ok\"'").await;
        assert_eq!(is_up(&gateway, &origin), up, "{row}");
        let complaints = if up == Some(1.0) { None } else { Some(1.0) };
        assert_eq!(failures(&gateway, &server, "body"), complaints, "{row}");
    }
}

#[tokio::test]
async fn a_check_can_have_headers_and_another_method() {
    for method in ["HEAD", "OPTIONS"] {
        let origin = Origin::fixed("fine").await;
        let check = format!("path: /up, method: {method}, headers: {{ x-check: deep, user-agent: probe }}");
        let gateway = checked(&origin.address().to_string(), &check).await;
        assert_eq!(is_up(&gateway, &origin), Some(1.0), "{method}");
        let seen = &origin.requests()[0];
        assert_eq!(seen.method.as_str(), method);
        assert_eq!((seen.header("x-check"), seen.header("user-agent")), (Some("deep"), Some("probe")));
    }
}

#[tokio::test]
async fn a_server_can_be_asked_at_another_port() {
    let origin = Origin::fixed("the app").await;
    let health = Origin::fixed("its health").await;
    for check in ["path: /health, ", ""] {
        let check = format!("{check} port: {}", health.address().port());
        let gateway = checked(&origin.address().to_string(), &check).await;
        assert_eq!(is_up(&gateway, &origin), Some(1.0), "{check}");
        gateway.client().get("/").send().await.assert_status(200).assert_text("the app");
        let check = check.replace(&health.address().port().to_string(), &deaf_address().port().to_string());
        let gateway = checked(&origin.address().to_string(), &check).await;
        assert_eq!(is_up(&gateway, &origin), Some(0.0), "{check}, where nobody is");
    }
    assert_eq!(health.hits_of("/health"), 1);
}

#[tokio::test]
async fn the_reason_of_a_failure_is_counted_by_a_word() {
    let status = Origin::builder().otherwise(Fixed::status(503)).start().await;
    let rows = [
        (status.address().to_string(), "path: /", "status"),
        (deaf_address().to_string(), "path: /", "connect_refused"),
        (deaf_address().to_string(), "", "connect_refused"),
        (status.url().replace("http://", "https://"), "", "tls_failed"),
    ];
    for (server, check, word) in rows {
        let gateway = checked(&server, check).await;
        assert_eq!(failures(&gateway, &server, word), Some(1.0), "{server} {{ {check} }}");
    }
}

/// An answer to a gRPC health check, with this status of the service and of the call.
fn answer(serving: u8, code: &str) -> Response {
    let message = vec![0, 0, 0, 0, 2, 8, serving];
    Response::new(200).body("application/grpc", message).trailer("grpc-status", code)
}

/// The server does not know the service, and has nothing else to say.
fn trailers_only() -> Response {
    Response::new(200).body("application/grpc", "").header("grpc-status", "5")
}

#[tokio::test]
async fn a_grpc_check_asks_for_a_service() {
    type Answer = fn() -> Response;
    let rows: [(Answer, Option<&str>, &str); 7] = [
        (|| answer(1, "0"), None, "serving"),
        (|| answer(2, "0"), Some("not_serving"), "not serving"),
        (|| answer(0, "0"), Some("not_serving"), "it does not know"),
        (|| answer(1, "13"), Some("grpc_status"), "an error after all"),
        (trailers_only, Some("grpc_status"), "no such service"),
        (|| Response::new(404), Some("status"), "no gRPC"),
        (|| Response::new(200).body("text/html", "<p>"), Some("invalid_response"), "a friendly page"),
    ];
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let ca = authority.write(dir.path());
    let identity = authority.issue(&["127.0.0.1"]);
    for (answer, word, row) in rows {
        let answer = move |_: Seen| async move { answer() };
        for is_tls in [false, true] {
            let behaviour = Origin::builder().route("/grpc.health.v1.Health/Check", answer);
            let origin =
                if is_tls { behaviour.tls(&identity).start().await } else { behaviour.http2().start().await };
            let server = if is_tls { origin.url() } else { origin.address().to_string() };
            let tls = if is_tls { format!(", tls: {{ ca: \"{}\" }}", ca.display()) } else { String::new() };
            let yaml = format!(
                "
                sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
                upstreams:
                  app:
                    {{ servers: [\"{server}\"], health_check: {{ interval: 30s, grpc: {{ service: app.Users }} }} {tls} }}
                "
            );
            let gateway = Gateway::start(&yaml).await;
            let result = if word.is_some() { "failed" } else { "passed" };
            if !is_tls {
                assert_eq!(checks(&gateway, &origin, result), Some(1.0), "{row}");
            }
            if let Some(word) = word {
                assert_eq!(failures(&gateway, &server, word), Some(1.0), "{row}, in TLS: {is_tls}");
            }
            let asked = &origin.requests()[0];
            assert_eq!(&asked.body[..], b"\0\0\0\0\x0b\x0a\x09app.Users", "{row}");
            assert_eq!(asked.header("te"), Some("trailers"));
            assert_eq!(asked.header("content-type"), Some("application/grpc"));
        }
    }
}

#[tokio::test]
async fn a_check_that_contradicts_itself_is_refused_with_its_place() {
    let rows = [
        ("path: /, grpc: {}", "expected `path` or `grpc`, because a check asks in one way"),
        ("body_contains: ok", "expected `path` beside it"),
        ("expect: [200]", "expected `path` beside it"),
        ("headers: { a: b }", "expected `path` beside it"),
        ("path: /, method: HEAD, body_contains: ok", "the answer to HEAD has no body"),
        ("path: /, expect: [2x]", "a class such as `2xx` or a range such as `200-204`, was `2x`"),
        ("path: /, method: PSOT", "unknown value `PSOT`"),
        ("path: /, interval_down: 10ms", "expected at least 500ms"),
        ("port: 0", "lower than 1"),
    ];
    for (check, message) in rows {
        let yaml = format!(
            "
            sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"127.0.0.1:1\"], health_check: {{ {check} }} }} }}
            "
        );
        let error = Gateway::config(&yaml).try_start().await.unwrap_err();
        assert!(error.contains(message), "{check}:\n{error}");
    }
}
