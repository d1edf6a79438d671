//! Who gets through to the application, and what becomes of tokens on the way.

use std::time::{Duration, SystemTime};

use headwall::units::Secret;
use headwall_testkit::{Gateway, Message, Origin, WebSocketEcho};

use super::token::Tokens;

const CONFIG: &str = include_str!("../headwall.yaml");
const KEY: &str = "a key that nobody can guess";
const HOUR: Duration = Duration::from_secs(3600);

fn tokens(key: &str) -> Tokens {
    Tokens::new(&key.parse::<Secret>().unwrap())
}

async fn start() -> (Origin, Gateway) {
    let app = Origin::builder().route("/ws", WebSocketEcho::new()).start().await;
    let gateway = Gateway::config(CONFIG)
        .server(super::server())
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("SESSION_KEY", KEY)
        .variable("HEADWALL_APP", app.address());
    (app, gateway.start().await)
}

#[tokio::test]
async fn an_issued_token_opens_a_socket_and_is_not_logged() {
    let (_app, gateway) = start().await;
    let client = gateway.client();
    let reply = client.post("/api/session", "").send().await;
    let session = reply.assert_status(200).assert_header("cache-control", "no-store").json();
    let token = session["token"].as_str().unwrap();
    assert_eq!(session["expires_in"], 3600);
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && !cookie.contains("Secure"), "this is plain HTTP: {cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let by_query = client.websocket(&format!("/ws?lang=en&token={token}"));
    let by_cookie = client.websocket("/ws").header("cookie", &format!("theme=dark; {cookie}"));
    for call in [by_query, by_cookie] {
        let mut socket = call.open().await;
        socket.send("hello").await;
        assert!(matches!(socket.next().await, Ok(Message::Text(text)) if text.as_str() == "hello"));
        socket.close(1000, "").await;
        drop(socket);
    }

    let log = gateway.stop().await;
    let log = serde_json::to_string(&log).unwrap();
    assert!(log.contains("/ws?lang=en&token=[redacted]"), "{log}");
    assert!(!log.contains(token), "the token is in the log: {log}");
}

#[tokio::test]
async fn without_a_good_token_the_application_hears_nothing() {
    let (app, gateway) = start().await;
    let now = SystemTime::now();
    let good = tokens(KEY).issue(now, HOUR).unwrap();
    let other = if good.starts_with('A') { 'B' } else { 'A' };
    let rows = [
        (String::new(), "no token"),
        (tokens("another key").issue(now, HOUR).unwrap(), "signed by somebody else"),
        (tokens(KEY).issue(now - HOUR, HOUR).unwrap(), "expired just now"),
        (format!("{other}{}", &good[1..]), "a longer life than was signed"),
        (good[..40].to_owned(), "cut off"),
        ("AAAA".to_owned(), "too short to be one"),
        ("%00".to_owned(), "rubbish"),
    ];
    for (token, row) in rows {
        let reply = gateway.client().websocket(&format!("/ws?token={token}")).refused().await;
        assert_eq!(reply.status.as_u16(), 401, "{row}: {reply}");
        assert!(reply.json()["error"].as_str().unwrap().contains("session token"), "{row}");
    }
    assert!(app.hits() == 0, "the application has heard {:?}", app.requests());

    gateway.client().websocket(&format!("/ws?token={good}")).open().await;
    gateway.client().get("/api/session").send().await.assert_status(405).assert_header("allow", "POST");
}

#[test]
fn a_token_is_good_until_its_last_second() {
    let (tokens, now) = (tokens(KEY), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let token = tokens.issue(now, HOUR).unwrap();
    let rows = [(0, true), (3599, true), (3600, false), (7200, false)];
    for (later, good) in rows {
        assert_eq!(tokens.is_good(&token, now + Duration::from_secs(later)), good, "{later} s later");
    }
    assert_ne!(token, tokens.issue(now, HOUR).unwrap(), "no two are alike");
}
