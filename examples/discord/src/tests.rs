//! Each request gets a precise answer, no container hears of a bad one, and no answer tells where the containers are.

use headwall_testkit::{Call, Client, Gateway, Origin, Reply, Response, Seen, Wire};

const CONFIG: &str = include_str!("../headwall.yaml");
const PATH: &str = "/api/cloud/discord/connect";
const GOOD: &str = r#"{"code":"s3cret","guild":"42"}"#;

/// Alice's container answers, nobody listens at Bob's.
const ALICE: &str = "127.77.0.7";
const BOB: &str = "127.77.0.8";

/// The example's own config, with containers that a test can have.
async fn start() -> (Origin, Gateway) {
    let at_alice = format!("{ALICE}:0").parse().unwrap();
    let container = Origin::builder().route("/api/discord/connect", indiscreet).start_on(at_alice).await;
    let gateway = Gateway::config(&CONFIG.replace("10.0.3.7", ALICE).replace("10.0.3.8", BOB))
        .server(super::server())
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("CONTAINER_API_PORT", container.address().port())
        .start()
        .await;
    (container, gateway)
}

/// A container that speaks of itself wherever it can, and in two pieces.
async fn indiscreet(_: Seen) -> Response {
    let (feed, response) = Response::fed("text/plain");
    tokio::spawn(async move {
        let (begins, ends) = ALICE.split_at(5);
        feed.send(format!("connected by {ALICE}, {begins}")).await?;
        feed.send(ends).await
    });
    response
        .status(201)
        .header("location", &format!("http://{ALICE}:2187/bot"))
        .header("via", ALICE)
        .header("x-bot", "ready")
}

fn connect(client: &Client, caller: &str, body: impl Into<Vec<u8>>) -> Call {
    client.post(PATH, body.into()).header("content-type", "application/json").header("x-caller", caller)
}

#[track_caller]
fn assert_discreet(reply: &Reply) {
    assert!(!reply.to_string().contains("127.77."), "an address has leaked:\n{reply}");
}

#[tokio::test]
async fn a_good_request_reaches_the_callers_own_container() {
    let (container, gateway) = start().await;
    let reply = connect(&gateway.client(), "alice", GOOD).send().await;
    reply.assert_status(201).assert_header("x-bot", "ready");
    reply.assert_no_header("location").assert_no_header("via");
    reply.assert_text("connected by **********, **********");
    assert_discreet(&reply);

    let seen = &container.requests()[0];
    assert_eq!((seen.path(), seen.text().as_str()), ("/api/discord/connect", GOOD));
    gateway.stop().await;
}

#[tokio::test]
async fn a_bad_request_gets_a_precise_answer_and_no_container_hears_of_it() {
    let (container, gateway) = start().await;
    let client = gateway.client();
    let json = |caller, body: &str| connect(&client, caller, body);
    let rows = [
        (json("alice", "{}"), 400, "The field `code` is required.", "no code"),
        (json("alice", r#"{"code":" "}"#), 400, "The field `code` is required.", "an empty code"),
        (json("alice", r#"{"code":7}"#), 400, "The body must be a JSON object", "a code that is no text"),
        (json("alice", "code=s3cret"), 400, "The body must be a JSON object", "a form that says it is JSON"),
        (json("alice", ""), 400, "The body must be a JSON object", "no body"),
        (json("alice", &" ".repeat(9000)), 413, "too large", "a body that says it is too large"),
        (json("alice", "").filled(9000), 413, "too large", "a body that turns out to be too large"),
        (json("alice", "").filled(90_000), 413, "too large", "a body that is too large to be read ahead"),
        (json("mallory", GOOD), 404, "You have no container.", "a caller without a container"),
        (json("bob", "{}"), 400, "`code`", "checked before the container is looked for"),
        (json("bob", GOOD), 502, "could not be reached", "a container that is down"),
        (client.post(PATH, GOOD).header("x-caller", "alice"), 415, "must be JSON", "no content type"),
        (
            client.post(PATH, GOOD).header("content-type", "application/json; charset=utf-8"),
            401,
            "not known who is calling",
            "no caller",
        ),
        (client.get(PATH), 405, "not allowed", "another method"),
    ];
    for (call, status, says, row) in rows {
        let reply = call.send().await;
        assert_eq!(reply.status.as_u16(), status, "{row}: {reply}");
        let error = reply.json()["error"].to_string();
        assert!(error.contains(says), "{row}: {error}");
        assert_discreet(&reply);
        if status == 405 {
            reply.assert_header("allow", "POST");
        }
    }
    assert_eq!(container.connections(), 0, "nothing of this was the container's business");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let (container, gateway) = start().await;
    let mut wire = Wire::connect(gateway.address()).await;
    let length = GOOD.len();
    wire.write(format!(
        "POST {PATH} HTTP/1.1\r\nHost: app\r\nX-Caller: alice\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    ))
    .await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 100"));
    wire.write(GOOD).await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 201"));
    assert_eq!(container.requests()[0].text(), GOOD);
    assert_eq!(container.requests()[0].header("expect"), None, "that has been settled");
}

#[tokio::test]
async fn callers_are_believed_from_trusted_proxies_alone() {
    let (container, gateway) = {
        let container = Origin::fixed("connected").await;
        let nobody = CONFIG.replace("127.0.0.0/8", "192.0.2.1").replace("10.0.3.7", "127.0.0.1");
        let gateway = Gateway::config(&nobody)
            .server(super::server())
            .variable("HEADWALL_HTTP", "127.0.0.1:0")
            .variable("CONTAINER_API_PORT", container.address().port());
        (container, gateway.start().await)
    };
    connect(&gateway.client(), "alice", GOOD).send().await.assert_status(401);
    assert_eq!(container.hits(), 0);
}

#[test]
fn a_container_must_have_a_private_address() {
    let rows = [
        ("10.0.3.7", true),
        ("172.16.0.1", true),
        ("192.168.1.1", true),
        ("127.0.0.1", true),
        ("fd00::7", true),
        ("172.32.0.1", false),
        ("203.0.113.7", false),
        ("2001:db8::7", false),
        ("169.254.169.254", false),
        ("container-7", false),
    ];
    for (address, accepted) in rows {
        let config = CONFIG.replace("10.0.3.7", &format!("\"{address}\""));
        let read = super::server().read("headwall.yaml", &config, &|_| None);
        assert_eq!(read.is_ok(), accepted, "{address}");
        if let Err(report) = read {
            let report = report.to_string();
            assert!(report.contains("headwall.yaml:15:23") && report.contains(address), "{report}");
        }
    }
}
