//! Which crate may know which.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::files;

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Crates of this workspace by directory, each with the crates of this workspace that `section` names.
fn edges(section: &str) -> Edges {
    let mut edges = Edges::new();
    for file in files::ending_in("/Cargo.toml") {
        let manifest: Table = file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let names = manifest.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        let ours = names.filter(|name| *name == "headwall" || name.starts_with("headwall-")).cloned();
        edges.insert(file.path.trim_end_matches("/Cargo.toml").to_owned(), ours.collect());
    }
    edges
}

fn is_part(dir: &str) -> bool {
    dir.starts_with("crates/") || dir.starts_with("services/")
}

/// The table of ARCHITECTURE.md: `| directory | crates it depends on |`.
fn documented_edges() -> Edges {
    let text = files::read("ARCHITECTURE.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.filter(|(dir, _)| is_part(dir));
    let names = |cell: &str| {
        let names =
            cell.trim_end_matches('|').split(',').map(|name| name.trim().trim_matches('`').to_owned());
        names.filter(|name| !name.is_empty() && name != "–").collect()
    };
    rows.map(|(dir, cell)| (dir.to_owned(), names(cell))).collect()
}

#[test]
fn crates_depend_on_what_the_architecture_says() {
    let real: Edges = edges("dependencies").into_iter().filter(|(dir, _)| is_part(dir)).collect();
    let documented = documented_edges();
    for (dir, names) in &real {
        assert_eq!(
            documented.get(dir),
            Some(names),
            "{dir}/Cargo.toml (right) and its row in ARCHITECTURE.md (left)"
        );
    }
    let gone: Vec<_> = documented.keys().filter(|dir| !real.contains_key(*dir)).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md has rows for crates that are not there: {gone:?}");
}

#[test]
fn services_know_the_framework_and_nothing_above_it() {
    let allowed = ["headwall-core", "headwall-limit", "headwall-redis", "headwall-units"];
    for (dir, names) in edges("dependencies") {
        if dir.starts_with("services/") && dir != "services/server" {
            let forbidden: Vec<_> = names.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
            assert!(forbidden.is_empty(), "{dir} must not depend on {forbidden:?}");
        }
        let inner = ["headwall-core", "headwall-config", "headwall-net"];
        if dir.starts_with("examples/") {
            let hidden: Vec<_> = names.iter().filter(|name| inner.contains(&name.as_str())).collect();
            assert!(
                hidden.is_empty(),
                "{dir} shows what a user writes; the facade has what is in {hidden:?}"
            );
        }
    }
}

#[test]
fn tests_of_a_crate_add_the_testkit_at_most() {
    for (dir, names) in edges("dev-dependencies") {
        if is_part(&dir) || dir.starts_with("examples/") {
            assert!(names.iter().all(|name| name == "headwall-testkit"), "{dir}: {names:?}");
        }
    }
}

/// What a crate is built from, itself and its tests' crates included, as Cargo.lock has it.
fn closure(krate: &str) -> BTreeSet<String> {
    let lock: Table = files::read("Cargo.lock").parse().unwrap();
    let mut dependencies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let names = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        // An entry is `name`, or `name version` where there are several.
        let names = names.filter_map(|name| name.as_str()?.split(' ').next());
        dependencies.entry(package["name"].as_str().unwrap()).or_default().extend(names);
    }
    let mut closure = BTreeSet::new();
    let mut open = vec![krate];
    while let Some(name) = open.pop() {
        if closure.insert(name.to_owned()) {
            open.extend(dependencies.get(name).into_iter().flatten());
        }
    }
    assert!(closure.len() > 1, "{krate} is in Cargo.lock");
    closure
}

#[test]
fn the_lower_crates_do_not_know_what_is_above_them() {
    let rows: [(&str, &[&str], &str); 6] = [
        ("headwall-units", &["pingora", "tokio", "hyper"], "values know no network"),
        ("headwall-route", &["pingora", "tokio", "hyper"], "routing is pure"),
        ("headwall-limit", &["pingora", "tokio", "hyper"], "limits are pure"),
        ("headwall-semantics", &["pingora", "tokio", "hyper"], "what RFC 9110 says is pure"),
        ("headwall-config", &["pingora", "tokio", "hyper"], "config knows no network"),
        (
            "headwall-core",
            &["headwall-config", "headwall-net", "serde-saphyr"],
            "the framework knows no YAML",
        ),
    ];
    for (krate, forbidden, why) in rows {
        let found: Vec<_> = closure(krate)
            .into_iter()
            .filter(|name| {
                let is = |word: &&str| name == word || (*word == "pingora" && name.starts_with("pingora"));
                forbidden.iter().any(is)
            })
            .collect();
        assert!(found.is_empty(), "{why}: {krate} is built from {found:?}");
    }
}

#[test]
fn every_crate_shares_the_lints_and_the_edition() {
    for file in files::ending_in("/Cargo.toml") {
        let manifest: Table = file.text.parse().unwrap();
        let shared =
            |value: Option<&Value>| value.and_then(|value| value.get("workspace")?.as_bool()) == Some(true);
        assert!(shared(manifest.get("lints")), "{}: `[lints] workspace = true` is missing", file.path);
        let package = &manifest["package"];
        for key in ["version", "edition", "rust-version", "license"] {
            assert!(shared(package.get(key)), "{}: `{key}.workspace = true` is missing", file.path);
        }
        let publish = package.get("publish");
        let is_published = publish.and_then(Value::as_bool).unwrap_or(true) && !shared(publish);
        assert!(!is_published, "{}: `publish.workspace = true` is missing", file.path);
        let described =
            package.get("description").and_then(Value::as_str).is_some_and(|text| text.len() > 10);
        assert!(described, "{}: a description is missing", file.path);
    }
    let workspace: Table = files::read("Cargo.toml").parse().unwrap();
    let unsafe_code = workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str();
    assert_eq!(unsafe_code, Some("forbid"), "`unsafe` has no place here");
}
