//! The configs that documents show.

use std::collections::BTreeSet;

use headwall_testkit::Authority;

use super::extend;
use super::markdown::{Block, blocks, doc_comment_blocks};
use super::program::headwall_with;
use crate::tidy::files;

/// YAML of other programs is marked with their names.
const FOREIGN: [&str; 2] = ["yaml,compose", "yaml,prometheus"];
const TOP: [&str; 9] =
    ["workers", "listeners", "client", "limits", "access_log", "admin", "shutdown", "storage", "upstreams"];
const SITE: [&str; 5] = ["name", "hosts", "tls", "filters", "routes"];
const SERVICES: [&str; 8] =
    ["api", "websocket", "respond", "redirect", "files", "spa", "session_token", "canary"];
const FILTERS: [&str; 15] = [
    "access",
    "api_key",
    "basic_auth",
    "cache",
    "concurrency_limit",
    "cors",
    "forward_auth",
    "headers",
    "jwt",
    "login_guard",
    "mirror",
    "rate_limit",
    "security_headers",
    "session_token",
    "signature",
];
/// A variable that has no default in a document, because it is a secret.
const SECRET: &str = "ZEROSSL_HMAC_KEY";
/// A route, where it does not matter which.
const ANY_ROUTE: &str = "[{ respond: {} }]";

#[test]
fn configs_are_fine_as_they_stand() {
    let yaml: Vec<_> = blocks()
        .into_iter()
        .chain(doc_comment_blocks())
        .filter(|block| block.info.starts_with("yaml") && !FOREIGN.contains(&block.info.as_str()))
        .collect();
    assert!(yaml.len() > 20, "configs were found: {}", yaml.len());
    let server = extend::server();
    let variable = |name: &str| (name == SECRET).then(|| "c2VjcmV0".to_owned());
    for block in yaml {
        assert_eq!(block.info, "yaml", "{}: only {FOREIGN:?} are left out", block.place);
        let text = whole(&block);
        if let Err(report) = server.read(&block.place, &text, &variable) {
            panic!("{}: this config is refused:\n{report}\n\nread as:\n{text}", block.place);
        }
    }
}

/// `check` with every config of `conf`.
fn check_of_shipped_configs() -> Vec<String> {
    let mut args = vec!["check".to_owned()];
    args.extend(
        files::ending_in(".yaml").into_iter().map(|file| file.path).filter(|path| path.starts_with("conf/")),
    );
    assert!(args.len() > 1, "conf/ has configs");
    args
}

#[test]
fn shipped_configs_are_fine() {
    // The files that they name are their operator's. `check` reads them, so these stand in.
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new().issue(&["yourdomain.com"]).write(dir.path());
    std::fs::write(dir.path().join("index.html"), "").unwrap();
    let variables =
        [("HEADWALL_CERT", certificate.as_path()), ("HEADWALL_KEY", &key), ("HEADWALL_SPA", dir.path())];
    let output = headwall_with(&check_of_shipped_configs(), &variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_check_without_the_certificates_says_so_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("fullchain.pem");
    std::fs::write(dir.path().join("index.html"), "").unwrap();
    let variables =
        [("HEADWALL_CERT", missing.as_path()), ("HEADWALL_KEY", &missing), ("HEADWALL_SPA", dir.path())];
    let output = headwall_with(&check_of_shipped_configs(), &variables);
    assert!(!output.status.success(), "certificates that are not there are an error");
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 3, "one for each config with a certificate in files:\n{said}");
    // A value from the environment may be a secret, so its variable is named instead.
    assert!(errors.iter().all(|line| line.contains("${HEADWALL_CERT}: No such file")), "{said}");
}

/// The keys at the beginning of a text's lines.
fn keys(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with([' ', '#']) && !line.trim().is_empty());
    lines.filter_map(|line| Some(line.split_once(':')?.0)).collect()
}

/// A whole config around a fragment.
fn whole(block: &Block) -> String {
    let text = dedented(&block.text);
    let keys = keys(&text);
    if keys.contains(&"sites") {
        return text;
    }
    let all = |known: &[&str]| !keys.is_empty() && keys.iter().all(|key| known.contains(key));
    let any = |known: &[&str]| keys.iter().any(|key| known.contains(key));
    let whole = if all(&TOP) {
        format!("{text}sites: [{{ routes: {ANY_ROUTE} }}]\n")
    } else if all(&SITE) {
        let routes = if any(&["routes"]) { String::new() } else { format!("    routes: {ANY_ROUTE}\n") };
        format!("sites:\n{}{routes}", item(&text, 2))
    } else if all(&FILTERS) {
        format!("sites:\n  - filters:\n{}    routes: {ANY_ROUTE}\n", item(&text, 6))
    } else if keys.iter().all(|key| key.starts_with("- ")) {
        let is_filter = |key: &&str| FILTERS.contains(&key.trim_start_matches("- "));
        if keys.iter().all(is_filter) {
            format!("sites:\n  - filters:\n{}    routes: {ANY_ROUTE}\n", indented(&text, 6))
        } else {
            format!("sites:\n  - routes:\n{}", indented(&text, 6))
        }
    } else if any(&SERVICES) {
        format!("sites:\n  - routes:\n{}", item(&text, 6))
    } else {
        panic!("{}: what is this a part of? {keys:?}", block.place);
    };
    with_upstreams(whole)
}

/// Defines the upstreams that a fragment names.
fn with_upstreams(text: String) -> String {
    if text.contains("upstreams:") {
        return text;
    }
    let named = |key: &str| -> Vec<String> {
        let rests = text.split(key).skip(1);
        rests.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
    };
    let names: BTreeSet<_> = ["upstream: ", "stable: ", "next: "].iter().flat_map(|key| named(key)).collect();
    if names.is_empty() {
        return text;
    }
    let defined = names.iter().map(|name| format!("  {name}: {{ servers: [\"127.0.0.1:3000\"] }}\n"));
    format!("{text}upstreams:\n{}", defined.collect::<String>())
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// A mapping as an entry of a list.
fn item(text: &str, by: usize) -> String {
    let inner = indented(text, by + 2);
    format!("{:by$}- {}", "", &inner[by + 2..])
}

/// A text without the indentation that all of its lines have.
fn dedented(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or_default();
    text.lines().map(|line| format!("{}\n", line.get(common..).unwrap_or_default())).collect()
}

#[test]
fn fragments_become_whole() {
    let rows = [
        ("workers: 2\n", "workers: 2\nsites: [{ routes: [{ respond: {} }] }]\n"),
        ("hosts: [a.test]\n", "sites:\n  - hosts: [a.test]\n    routes: [{ respond: {} }]\n"),
        (
            "match: { path: /a }\napi: { upstream: app }\n",
            "sites:\n  - routes:\n      - match: { path: /a }\n        api: { upstream: app }\n\
             upstreams:\n  app: { servers: [\"127.0.0.1:3000\"] }\n",
        ),
        ("- respond: {}\n", "sites:\n  - routes:\n      - respond: {}\n"),
        ("  headers: {}\n", "sites:\n  - filters:\n      - headers: {}\n    routes: [{ respond: {} }]\n"),
    ];
    for (text, expected) in rows {
        let block = Block { place: "x:1".into(), info: "yaml".into(), text: text.into() };
        assert_eq!(whole(&block), expected, "{text}");
    }
}
