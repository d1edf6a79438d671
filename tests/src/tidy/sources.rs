//! What the sources must not have.

use super::files::{self, File};

/// No file of the product is longer, tests aside.
const LONGEST: usize = 500;

/// Where in the product's code a line is like this.
fn lines_where(files: &[File], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let of_file = |file: &File| -> Vec<String> {
        let lines = file.code().filter(|(_, line)| matches(line));
        lines.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())).collect()
    };
    files.iter().flat_map(of_file).collect()
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn there_is_one_proxy_http() {
    let found = lines_where(&files::product(), |line| line.contains("ProxyHttp for "));
    assert_eq!(found.len(), 1, "one type of the product implements ProxyHttp: {found:#?}");
    assert!(found[0].starts_with("crates/core/src/gateway.rs:"), "it is the gateway: {found:?}");
}

#[test]
fn replies_leave_through_one_exit() {
    let found = lines_where(&files::product(), |line| line.contains("write_response_header("));
    // `open.rs` passes on what an upstream has said to a handshake.
    let allowed = ["crates/core/src/gateway/exit.rs:", "crates/core/src/websocket/open.rs:"];
    let elsewhere: Vec<_> =
        found.into_iter().filter(|place| !allowed.iter().any(|file| place.starts_with(file))).collect();
    none(
        &elsewhere,
        "a reply is a value (LocalReply) that only the gateway writes; these write one themselves:",
    );
}

#[test]
fn no_state_belongs_to_the_process() {
    let lazy =
        ["LazyLock", "OnceLock", "OnceCell", "LazyCell", "lazy_static!", "thread_local!", "static mut "];
    let shared = ["Mutex", "RwLock", "Atomic", "Cell", "Once", "Lazy", "ArcSwap", "Notify", "Sender"];
    let found = lines_where(&files::product(), |line| {
        let line = line.trim_start();
        let item = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ");
        lazy.iter().any(|word| line.contains(word))
            || item.starts_with("static ") && shared.iter().any(|word| item.contains(word))
    });
    none(&found, "main builds, everything else receives; these are process-wide:");
}

#[test]
fn nothing_unwraps() {
    let found =
        lines_where(&files::product(), |line| line.contains(".unwrap()") || line.contains(".expect("));
    none(&found, "an error is returned, not unwrapped:");
}

#[test]
fn nothing_is_unsafe() {
    let word =
        |line: &str| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe");
    none(&lines_where(&files::product(), word), "the compiler checks everything:");
}

#[test]
fn files_are_short() {
    let files = files::product();
    let mut lengths: Vec<_> =
        files.iter().map(|file| (file.above_tests().count(), file.path.as_str())).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2].0;
    let long: Vec<_> = lengths.iter().filter(|(length, _)| *length > LONGEST).collect();
    assert!(
        long.is_empty(),
        "at most {LONGEST} lines without tests (the median is {median}); split by idea: {long:?}"
    );
}

#[test]
fn every_file_says_why_it_exists() {
    let silent: Vec<_> = files::ending_in(".rs")
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    none(&silent, "a Rust file begins with `//!` and says why it exists:");
}

#[test]
fn modules_are_not_called_mod() {
    let found: Vec<_> = files::ending_in("/mod.rs").into_iter().map(|file| file.path).collect();
    none(&found, "`foo.rs` and `foo/`, never `foo/mod.rs`:");
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file is not found.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut found = Vec::new();
    for file in files::all() {
        for (number, line) in (1..).zip(file.text.lines()) {
            let is_word = |word: &str| line.split(|c: char| !c.is_alphanumeric()).any(|found| found == word);
            if words.iter().any(|word| is_word(word)) && file.path != "Cargo.lock" {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found, "what is left to do is an issue, not a comment:");
}

#[test]
fn no_machine_is_named() {
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/fa", "rm/"),
        concat!("arti", "factory"),
        concat!(".lib", "rary"),
    ];
    let mut found = Vec::new();
    for file in files::all() {
        for (number, line) in (1..).zip(file.text.lines()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found, "a path or a host of one machine means nothing on another:");
}

#[test]
fn ignored_tests_say_why() {
    let bare = concat!("#[ign", "ore]");
    let found: Vec<_> = files::ending_in(".rs")
        .into_iter()
        .filter(|file| file.text.contains(bare))
        .map(|file| file.path)
        .collect();
    none(&found, "a test that is not run says why: `ignore = \"…\"`:");
}

#[test]
fn forbidden_names_are_not_used() {
    let words = ["manager", "helper", "util", "utils", "common", "misc"];
    let named = |file: &File| {
        let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        words.contains(&stem.as_str())
    };
    let found: Vec<_> =
        files::ending_in(".rs").into_iter().filter(|file| named(file)).map(|file| file.path).collect();
    none(&found, "a module is named for its idea:");
    // What a trait of Pingora's is called is not ours to choose.
    let foreign =
        ["fn get_timing_digest", "fn get_proxy_digest", "fn get_socket_digest", "fn get_ssl_digest"];
    let getters = lines_where(&files::product(), |line| {
        line.contains("fn get_") && !foreign.iter().any(|name| line.contains(name))
    });
    none(&getters, "a function that returns something is named for what it returns:");
}
