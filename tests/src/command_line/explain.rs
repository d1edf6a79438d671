//! `headwall explain`.

use super::process::{Finished, dir_with, headwall};

const CONFIG: &str = r#"
client: { trusted_proxies: [10.0.0.0/8] }
sites:
  - name: app
    hosts: [app.example.com]
    filters: [{ security_headers: {} }]
    routes:
      - name: login
        match: { path: /api/login, methods: [POST] }
        filters: [{ rate_limit: { rate: 5r/m, burst: 2 } }]
        api: { upstream: app }
      - name: beta
        match: { path_prefix: /api, headers: { x-beta: "1" } }
        api: { upstream: app }
      - name: socket
        match: { path: /ws }
        websocket: { upstream: app }
upstreams:
  app: { servers: ["127.0.0.1:3000"] }
"#;

async fn explained(question: &[&str]) -> Finished {
    let dir = dir_with("headwall.yaml", CONFIG);
    headwall(dir.path(), &[&["explain", "--config", "headwall.yaml"], question].concat()).await
}

#[tokio::test]
async fn an_answer_names_what_takes_the_request_or_why_nothing_does() {
    // What is asked, and what the answer has to say.
    let rows: &[(&[&str], &[&str])] = &[
        (
            &["POST", "http://app.example.com/api/login"],
            &[
                "site      app (app.example.com)",
                "route     login: ",
                "1. security_headers {",
                r#"2. rate_limit {"rate":"5r/m","burst":2"#,
                "service   api {",
                "forward to upstream app",
                r#"upstream  app: cluster {"servers":[{"address":"127.0.0.1:3000""#,
                "beta: header x-beta is absent",
            ],
        ),
        (
            &["GET", "http://app.example.com/api/login"],
            &["405, this address takes POST", "login: method is GET, the route takes POST"],
        ),
        (
            &["GET", "http://app.example.com/nowhere"],
            &[
                "404, no route takes the request",
                "login: path is /nowhere, the route takes /api/login exactly",
                "socket: path is /nowhere",
            ],
        ),
        (
            &["GET", "http://other.test/"],
            &["404, no site takes the host other.test", "app (app.example.com)"],
        ),
        (
            &["GET", "http://app.example.com/api/users", "-H", "X-Beta: 1"],
            &["route     beta: ", "login: path is /api/users"],
        ),
        (
            &["GET", "http://app.example.com/api//../%77s"],
            &["path      /ws, once normalised", "route     socket: "],
        ),
        (
            &["GET", "http://app.example.com/ws", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade"],
            &["websocket not a handshake: "],
        ),
        (
            &[
                "GET",
                "http://app.example.com/ws",
                "--client",
                "10.0.0.1",
                "-H",
                "X-Forwarded-For: 203.0.113.9",
            ],
            &["client    203.0.113.9, as a trusted proxy says"],
        ),
        (
            &[
                "GET",
                "http://app.example.com/ws",
                "-H",
                "X-Forwarded-For: 203.0.113.9",
                "--client",
                "192.0.2.7",
            ],
            &["client    192.0.2.7\n"],
        ),
        (&["GET", "http://app.example.com/%zz"], &["400, the path is malformed"]),
    ];
    for (question, answers) in rows {
        let explained = explained(question).await;
        assert_eq!((explained.code, explained.err.as_str()), (Some(0), ""), "{question:?}");
        for answer in *answers {
            assert!(
                explained.out.contains(answer),
                "{question:?}: {answer:?} is missing in:\n{}",
                explained.out
            );
        }
    }
}

#[tokio::test]
async fn a_question_or_a_config_that_is_wrong_is_refused() {
    for question in [
        &["GET"][..],
        &["GET", "http://app.example.com/", "-H", "no colon"],
        &["GET", "http://app.example.com/", "--client", "nobody"],
        &["G T", "http://app.example.com/"],
    ] {
        let explained = explained(question).await;
        assert_eq!(explained.code, Some(1), "{question:?}: {}", explained.err);
        assert!(explained.err.starts_with("error: "), "{question:?}: {}", explained.err);
    }
    let dir = dir_with("bad.yaml", "sites: []\nsitez: []\n");
    let explained = headwall(dir.path(), &["explain", "-c", "bad.yaml", "GET", "http://a.test/"]).await;
    assert_eq!(explained.code, Some(1));
    assert!(explained.err.contains("bad.yaml:2:1"), "{}", explained.err);
}

#[tokio::test]
async fn plain_http_is_explained_as_it_is_served_and_no_certificate_is_needed_for_it() {
    let config = r#"
listeners: [{ address: "[::]:80" }, { address: "[::]:443" }]
sites:
  - hosts: [app.example.com]
    tls: { certificate: /nowhere/fullchain.pem, key: /nowhere/privkey.pem, redirect: 301 }
    routes: [{ name: all, respond: { body: hello } }]
"#;
    let dir = dir_with("headwall.yaml", config);
    let rows = [
        ("http://app.example.com/a", "301, to HTTPS"),
        ("https://app.example.com/a", "route     all: takes everything"),
    ];
    for (url, expected) in rows {
        let finished = headwall(dir.path(), &["explain", "--config", "headwall.yaml", "GET", url]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        assert!(finished.out.contains(expected), "{url}: {}", finished.out);
    }
}
