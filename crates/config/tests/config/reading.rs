//! What a good file becomes.

use crate::modules::{self, Api, Cluster, Containers, Frames, Guard, RateLimit, SecurityHeaders};
use headwall_config::{Coloring, Config, Severity, Workers};

fn read(text: &str) -> Config {
    modules::read(text).unwrap()
}

/// One site with one route, whose only filter is given.
fn with_filter(filter: &str) -> String {
    format!("sites:\n- routes:\n  - spa: {{root: /www}}\n    filters:\n    - {filter}\n")
}

fn guard(settings: &str) -> Guard {
    let config = read(&with_filter(&format!("guard: {settings}")));
    let slot = config.sites[0].routes[0].filters.first().unwrap();
    let Guard { token, tags, version, rules } = slot.settings::<Guard>().unwrap();
    Guard {
        token: token.clone(),
        tags: tags.clone(),
        version: version.clone(),
        rules: rules.iter().map(copy).collect(),
    }
}

fn copy(rule: &modules::GuardRule) -> modules::GuardRule {
    modules::GuardRule { max_weight: rule.max_weight, ratio: rule.ratio, then: rule.then.clone() }
}

#[test]
fn settings_come_out_as_the_types_they_were_registered_with() {
    let config = read(
        "sites:\n- filters: [{ security_headers: { frames: { only: [a, b] } } }]\n  routes:\n  - match: { path: /x }\n    api: { upstream: bots }\n  - api: { upstream: app }\nupstreams:\n  app: { servers: [a] }\n  bots: { containers: { label: bot } }\n",
    );
    let [site] = config.sites.as_slice() else { panic!("one site") };
    let headers = site.filters[0].settings::<SecurityHeaders>().unwrap();
    assert_eq!(headers.frames, Frames::Only(vec!["a".to_owned(), "b".to_owned()]));
    assert!(site.filters[0].settings::<RateLimit>().is_none(), "another type is not there");
    assert_eq!(site.routes[0].service.settings::<Api>().unwrap().upstream.as_str(), "bots");
    let [app, bots] = config.upstreams.as_slice() else { panic!("two upstreams") };
    assert_eq!((app.name.as_str(), app.kind.name.as_str()), ("app", "cluster"), "the default kind");
    assert_eq!(app.kind.settings::<Cluster>().unwrap().servers, ["a"]);
    assert_eq!((bots.name.as_str(), bots.kind.name.as_str()), ("bots", "containers"), "a kind by name");
    assert_eq!(bots.kind.settings::<Containers>().unwrap().label, "bot");
    assert!(config.warnings().is_empty());
}

#[test]
fn text_is_what_was_written_and_numbers_are_inferred() {
    let guard = guard(
        "{ token: 007, version: 1.10, tags: { a: yes, b: 0x1F, c: \"5\", d: 1e3 }, rules: [{ maxWeight: 0xA, ratio: 1 }] }",
    );
    assert_eq!(guard.token.expose(), "007");
    assert_eq!(guard.version.as_deref(), Some("1.10"));
    let tags: Vec<_> = guard.tags.values().map(String::as_str).collect();
    assert_eq!(tags, ["yes", "0x1F", "5", "1e3"]);
    assert_eq!((guard.rules[0].max_weight, guard.rules[0].ratio), (10, 1.0));
    assert_eq!(self::guard("{ token: x, version: ~ }").version, None, "nothing");
    assert_eq!(self::guard("{ token: x, version: '' }").version.as_deref(), Some(""), "an empty text");
}

#[test]
fn settings_may_be_left_out_as_a_whole() {
    for filter in ["security_headers:", "security_headers: ~", "security_headers: {}"] {
        let config = read(&with_filter(filter));
        let slot = &config.sites[0].routes[0].filters[0];
        assert_eq!(slot.settings::<SecurityHeaders>().unwrap().frames, Frames::Nobody, "{filter}");
    }
}

#[test]
fn variables_expand_to_values_and_never_to_structure() {
    let rows = [
        ("rate: 5r/m\n        burst: ${BURST}", 7, "a plain value is a number afterwards"),
        ("{ rate: 5r/m, burst: \"${BURST}\" }", 7, "and so is a quoted one, where YAML wants quotes"),
        ("{ rate: 5r/m, burst: \"${UNSET:-9}\" }", 9, "a default"),
        ("{ rate: \"${UNSET:-5r/m}\" }", 0, "a default in a text"),
    ];
    for (settings, burst, why) in rows {
        let separator = if settings.starts_with('{') { " " } else { "\n        " };
        let config = read(&with_filter(&format!("rate_limit:{separator}{settings}")));
        let limit = config.sites[0].routes[0].filters[0].settings::<RateLimit>().unwrap();
        assert_eq!(limit.burst, burst, "{why}");
    }
    let guard = guard(
        "\n        token: ${TOKEN}\n        version: ${INJECTION}\n        tags: { price: $$5, x: ^a$ }",
    );
    assert_eq!(
        guard.version.as_deref(),
        Some("a\n- spa: {root: /etc}\nb: ["),
        "a value with structure in it"
    );
    assert_eq!(guard.token.expose(), "hunter2-hunter2");
    assert_eq!((guard.tags["price"].as_str(), guard.tags["x"].as_str()), ("$5", "^a$"), "dollars");
}

#[test]
fn aliases_and_merges_work() {
    let config = read(
        "sites:\n- routes:\n  - match: { path: /a }\n    filters: &limits [{ rate_limit: &limit { rate: 5r/m, burst: 3 } }]\n    spa: { root: / }\n  - filters: *limits\n    spa: { root: / }\n  - match: { path: /b }\n    filters: [{ rate_limit: { <<: *limit, burst: 4 } }]\n    spa: { root: / }\n",
    );
    let bursts: Vec<_> = config.sites[0]
        .routes
        .iter()
        .map(|route| route.filters[0].settings::<RateLimit>().unwrap().burst)
        .collect();
    assert_eq!(bursts, [3, 3, 4]);
}

#[test]
fn names_are_made_of_hosts_and_matches() {
    let config = read(
        "sites:\n- hosts: [\"*.x.org\", x.org]\n- hosts: ['*.y.org']\n- routes:\n  - { match: { path: /a, methods: [POST, PUT] }, spa: { root: / } }\n  - { match: { path_prefix: /api/ }, spa: { root: / } }\n  - { match: { path_prefix: / , methods: GET}, spa: { root: / } }\n  - { match: { path_regex: ^/x$ }, spa: { root: / } }\n  - { match: { path: /a, headers: { x-a: b } }, spa: { root: / } }\n  - { match: { path: /a, query: { q: { present: true } } }, spa: { root: / } }\n  - { spa: { root: / } }\n  - { name: \"/a#2\", match: { path: /c }, spa: { root: / } }\n",
    );
    let sites: Vec<_> = config.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(sites, ["x.org", "default", "default#2"]);
    let routes: Vec<_> = config.sites[2].routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(routes, ["POST,PUT /a", "/api/*", "GET /*", "~ ^/x$", "/a", "/a#3", "/*", "/a#2"]);
}

#[test]
fn expanding_twice_changes_nothing() {
    let mut expanded = 0;
    for text in [include_str!("../golden/everything.txt"), include_str!("../golden/defaults.txt")] {
        let input = text.split("----------").next().unwrap();
        let once = read(input).expanded();
        // A secret cannot be read again; that is its purpose.
        let once = once.replace("[redacted]", "x").replace("\"x\"", "x");
        let twice = modules::read(&once).unwrap_or_else(|report| panic!("{once}\n{report}")).expanded();
        assert_eq!(twice.replace("[redacted]", "x").replace("\"x\"", "x"), once);
        expanded += 1;
    }
    assert_eq!(expanded, 2);
}

#[test]
fn workers_are_counted_or_the_machines() {
    assert_eq!(read("sites: [{}]").workers, Workers::Auto);
    assert!(read("sites: [{}]").workers.count() >= 1);
    assert_eq!(read("sites: [{}]\nworkers: 3").workers.count(), 3);
    assert_eq!(read("sites: [{}]\nworkers: auto").workers, Workers::Auto);
}

#[test]
fn an_error_of_the_assembler_points_into_the_file() {
    let config = read(&with_filter("rate_limit: { rate: 5r/m }"));
    let place = config.sites[0].routes[0].filters[0].place;
    let report = config.error_at(&place, "this limit needs a zone");
    let text = report.to_string();
    assert!(text.contains("error[build]: this limit needs a zone"), "{text}");
    assert!(text.contains("headwall.yaml:5:7"), "{text}");
    let json = report.to_json();
    assert_eq!(
        json["diagnostics"][0]["place"],
        serde_json::json!({ "start": 58, "end": 68, "line": 5, "column": 7 })
    );
    assert_eq!(json["diagnostics"][0]["code"], "build");
    assert_eq!(json["diagnostics"][0]["severity"], "error");
}

#[test]
fn colours_only_when_asked_for() {
    let report = modules::read("sites: []").unwrap_err();
    assert!(!report.render(Coloring::Plain).contains('\u{1b}'));
    assert!(report.render(Coloring::Ansi).contains('\u{1b}'));
    assert_eq!(report.diagnostics()[0].severity, Severity::Error);
    assert_eq!(report.source_name(), "headwall.yaml");
}

#[test]
fn an_error_of_the_assembler_tells_no_secret_either() {
    let config = read(&with_filter("guard: { token: \"${TOKEN}\" }"));
    let place = config.sites[0].routes[0].filters[0].place;
    let report = config.error_at(&place, "the token hunter2-hunter2 is too weak");
    assert_eq!(report.diagnostics()[0].message, "the token ${TOKEN} is too weak");
}

#[test]
fn debug_output_tells_no_secret() {
    let config = read(&with_filter("guard: { token: \"${TOKEN}\" }"));
    let shown = format!("{config:?}{}", config.expanded());
    assert!(!shown.contains("hunter2"), "{shown}");
}
