//! `headwall check`.

use serde_json::Value;

use super::process::{dir_with, headwall};

/// Four mistakes of four kinds.
const BAD: &str = r#"sites:
  - hosts: [app.example.com]
    routes:
      - match: { path: /login, methods: [POST] }
        filters: [{ rate_limt: { rate: 5r/m } }]
        api: { upstream: ap }
      - match: { path: /ws }
        websocket: { upstream: app, idle_timout: 1h }
upstreams:
  app:
    servers: ["127.0.0.1:3000"]
    health_check: { path: health }
"#;

const GOOD: &str = r#"
sites:
  - hosts: [app.example.com]
    filters: [{ security_headers: {} }]
    routes:
      - match: { path: /login, methods: [POST], headers: { x-beta: "1" } }
        filters: [{ rate_limit: { rate: 5r/m, burst: 2 } }]
        api: { upstream: app }
      - match: { path: /ws }
        websocket: { upstream: app }
      - redirect: { to: "https://${HOST:-app.example.com}/" }
upstreams:
  app:
    servers: ["127.0.0.1:3000", { address: "localhost:3001", weight: 2 }]
    health_check: { path: /health }
"#;

/// Place, code and suggestion of the mistakes in [`BAD`].
const MISTAKES: [(u64, u64, &str, Option<&str>); 4] = [
    (5, 21, "unknown-filter", Some("did you mean `rate_limit`?")),
    (6, 26, "unknown-upstream", Some("did you mean `app`?")),
    (8, 37, "unknown-key", Some("did you mean `idle_timeout`?")),
    (12, 27, "out-of-range", None),
];

#[tokio::test]
async fn every_mistake_is_shown_with_its_line_a_caret_and_a_suggestion() {
    let dir = dir_with("bad.yaml", BAD);
    let checked = headwall(dir.path(), &["check", "bad.yaml"]).await;
    assert_eq!((checked.code, checked.out.as_str()), (Some(1), ""));
    for (line, column, code, help) in MISTAKES {
        let place = format!("bad.yaml:{line}:{column}\n");
        assert!(checked.err.contains(&place), "{place} is missing in:\n{}", checked.err);
        assert!(checked.err.contains(&format!("error[{code}]")), "{code} is missing in:\n{}", checked.err);
        assert!(checked.err.contains(help.unwrap_or_default()), "{help:?} is missing in:\n{}", checked.err);
    }
    let lines: Vec<_> = checked.err.lines().collect();
    let source = lines.iter().position(|line| line.contains("rate_limt: { rate")).unwrap();
    let caret = lines[source + 1].find('^').unwrap();
    assert_eq!(Some(caret), lines[source].find("rate_limt"), "the caret is under the word");
    assert_eq!(lines[source + 1].matches('^').count(), "rate_limt".len(), "and as long");
}

#[tokio::test]
async fn machines_get_json() {
    let dir = dir_with("bad.yaml", BAD);
    std::fs::write(dir.path().join("good.yaml"), GOOD).unwrap();
    let checked = headwall(dir.path(), &["check", "--json", "bad.yaml", "good.yaml", "missing.yaml"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (Some(1), ""));
    let found: Value = serde_json::from_str(&checked.out).unwrap();
    let files: Vec<_> =
        (0..3).map(|n| (found[n]["file"].as_str().unwrap(), found[n]["ok"] == true)).collect();
    assert_eq!(files, [("bad.yaml", false), ("good.yaml", true), ("missing.yaml", false)]);
    for (n, (line, column, code, help)) in MISTAKES.into_iter().enumerate() {
        let mistake = &found[0]["diagnostics"]["diagnostics"][n];
        let place = (mistake["place"]["line"].as_u64(), mistake["place"]["column"].as_u64());
        assert_eq!(place, (Some(line), Some(column)), "{mistake:#}");
        assert_eq!((mistake["code"].as_str(), mistake["help"].as_str()), (Some(code), help), "{mistake:#}");
    }
}

#[tokio::test]
async fn a_good_config_is_fine_and_one_bad_file_among_several_is_not() {
    let dir = dir_with("good.yaml", GOOD);
    std::fs::write(dir.path().join("bad.yaml"), BAD).unwrap();
    let rows: [(&[&str], i32); 4] = [
        (&["check", "good.yaml"], 0),
        (&["check", "good.yaml", "good.yaml"], 0),
        (&["check", "good.yaml", "bad.yaml"], 1),
        (&["check", "missing.yaml"], 1),
    ];
    for (args, code) in rows {
        let checked = headwall(dir.path(), args).await;
        assert_eq!(checked.code, Some(code), "{args:?}: {}", checked.err);
    }
    let missing = headwall(dir.path(), &["check", "missing.yaml"]).await;
    assert!(missing.err.starts_with("error: cannot read missing.yaml: "), "{}", missing.err);
}

#[tokio::test]
async fn an_expanded_config_is_a_config_and_expands_no_further() {
    let dir = dir_with("good.yaml", GOOD);
    let once = headwall(dir.path(), &["check", "--expanded", "good.yaml"]).await;
    assert_eq!(once.code, Some(0), "{}", once.err);
    for line in ["health_check:", "interval: 10s", "max_connections: 10000", "https://app.example.com/"] {
        assert!(once.out.contains(line), "{line} is missing in:\n{}", once.out);
    }
    std::fs::write(dir.path().join("expanded.yaml"), &once.out).unwrap();
    let twice = headwall(dir.path(), &["check", "--expanded", "expanded.yaml"]).await;
    assert_eq!((twice.code, twice.out), (Some(0), once.out), "{}", twice.err);
}

#[tokio::test]
async fn what_only_shows_when_modules_are_built_is_found_too() {
    let text = "sites: [{ routes: [{ api: { upstream: app } }] }]\n\
        upstreams: { app: { servers: [\"https://127.0.0.1:1\"], tls: { ca: nowhere.pem } } }\n";
    let dir = dir_with("app.yaml", text);
    let checked = headwall(dir.path(), &["check", "app.yaml"]).await;
    assert_eq!(checked.code, Some(1));
    assert!(
        checked.err.contains("app.yaml:2:14") && checked.err.contains("nowhere.pem: cannot be read"),
        "{}",
        checked.err
    );
}
