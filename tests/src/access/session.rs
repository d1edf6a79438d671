//! `session_token`: handed out by a service, asked for by a filter.

use headwall_testkit::{Gateway, Message, Origin, WebSocketEcho};

const KEY: &str = "a key that nobody can guess, ever";

async fn start() -> (Origin, Gateway) {
    let app = Origin::builder().route("/ws", WebSocketEcho::new()).otherwise("hello").start().await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - match: { path: /api/session, methods: [POST] }
                filters: [{ api_key: { keys: { ada: \"${API_KEY}\" } } }]
                session_token: { key: \"${SESSION_KEY}\" }
              - match: { path: /ws }
                filters: [{ session_token: { key: \"${SESSION_KEY}\", user_header: X-User } }]
                websocket: { upstream: app }
              - filters: [{ session_token: { key: \"${SESSION_KEY}\", user_header: X-User } }]
                api: { upstream: app }
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", app.address())
    .variable("SESSION_KEY", KEY)
    .variable("API_KEY", "a key for ada alone")
    .start()
    .await;
    (app, gateway)
}

#[tokio::test]
async fn a_token_opens_a_socket_from_every_place_and_is_neither_logged_nor_passed_on() {
    let (app, gateway) = start().await;
    let client = gateway.client();
    client.post("/api/session", "").send().await.assert_status(401);
    let reply = client.post("/api/session", "").header("x-api-key", "a key for ada alone").send().await;
    let session = reply.assert_status(200).assert_header("cache-control", "no-store").json();
    let token = session["token"].as_str().unwrap();
    assert_eq!(session["expires_in"], 3600);
    let cookie = reply.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=3600"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Secure"), "this is plain HTTP: {cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let calls = [
        client.websocket(&format!("/ws?lang=en&token={token}")),
        client.websocket("/ws?lang=en").header("cookie", &format!("theme=dark; {cookie}")),
        client.websocket("/ws?lang=en").protocols(&format!("chat, session-token.{token}")),
    ];
    for call in calls {
        let mut socket = call.header("x-user", "root").open().await;
        socket.send("hello").await;
        assert!(matches!(socket.next().await, Ok(Message::Text(text)) if text.as_str() == "hello"));
        socket.close(1000, "").await;
    }
    client.get("/page").header("cookie", cookie).send().await.assert_status(200);

    let seen = app.requests();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert_eq!(request.header_values("x-user"), ["ada"], "whoever asked for the token");
        let whole = format!("{} {:?}", request.uri, request.headers);
        assert!(!whole.contains(token), "the token is passed on: {whole}");
    }
    assert_eq!(seen[0].uri, "/ws?lang=en");
    assert_eq!(seen[1].header("cookie"), Some("theme=dark"));
    assert_eq!(seen[2].header("sec-websocket-protocol"), Some("chat"));

    let log = serde_json::to_string(&gateway.stop().await).unwrap();
    assert!(log.contains("/ws?lang=en&token=[redacted]") && log.contains("\"user\":\"ada\""), "{log}");
    assert!(!log.contains(token), "the token is in the log: {log}");
}

#[tokio::test]
async fn without_a_good_token_the_application_hears_nothing() {
    let (app, gateway) = start().await;
    let rows = [
        ("/ws".to_owned(), "session_missing", "no token"),
        ("/ws?token=".to_owned(), "session_missing", "an empty one"),
        ("/ws?token=AAAA".to_owned(), "session_invalid", "too short to be one"),
        (format!("/ws?token={}", "A".repeat(76)), "session_invalid", "signed by nobody"),
        ("/ws?token=%00%ff".to_owned(), "session_missing", "rubbish"),
    ];
    for (target, _, row) in &rows {
        let refused = gateway.client().websocket(target).refused().await;
        assert_eq!(refused.status.as_u16(), 401, "{row}");
    }
    assert_eq!(app.hits(), 0);
    let log = gateway.stop().await;
    for (line, (_, reason, row)) in log.iter().zip(&rows) {
        assert_eq!(&line["reason"], reason, "{row}");
    }
}
