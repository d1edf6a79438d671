//! Whatever a file holds, the reader answers, and soon.

use crate::modules;
use headwall_config::{Code, Report};
use proptest::prelude::*;

fn refused(text: &str) -> Report {
    modules::read(text).unwrap_err()
}

fn codes(report: &Report) -> Vec<Code> {
    report.diagnostics().iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn alias_bombs_and_deep_nesting_run_into_the_budget() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(codes(&refused(&bomb)), [Code::TooLarge], "an alias bomb");
    let blocks: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(codes(&refused(&blocks)), [Code::TooLarge], "nested blocks");
    // The parser has a limit of its own for these, which it reports as its own.
    assert_eq!(codes(&refused(&"[".repeat(100_000))).len(), 1, "nested lists");
    assert_eq!(codes(&refused(&"{a: ".repeat(100_000))).len(), 1, "nested mappings");
}

#[test]
fn after_a_hundred_errors_the_reader_gives_up() {
    let mut text = "sites: []\n".to_owned();
    for number in 0..5000 {
        text.push_str(&format!("unknown{number}: 1\n"));
    }
    let report = refused(&text);
    assert_eq!(report.diagnostics().len(), 101);
    assert_eq!(codes(&report).last(), Some(&Code::TooManyErrors));
}

#[test]
fn a_cyclic_alias_is_refused() {
    assert_eq!(codes(&refused("a: &a [*a]\n")), [Code::Syntax]);
}

/// Text that is likely to be YAML, and to be nearly a configuration.
fn nearly_a_configuration() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "sites",
        "routes",
        "filters",
        "match",
        "hosts",
        "upstreams",
        "listeners",
        "address",
        "rate_limit",
        "rate",
        "api",
        "upstream",
        "cluster",
        "servers",
        "app",
        "path",
        "path_regex",
        "methods",
        "headers",
        ": ",
        ":\n",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "${TOKEN}",
        "${N:-5}",
        "${X}",
        "$$",
        "&a ",
        "*a",
        "<<: ",
        "|",
        ">",
        "!!str ",
        "? ",
        "#",
        "5r/m",
        "30s",
        "0x1F",
        "1.10",
        "null",
        "~",
        "true",
        "/",
        "(",
        "é",
        "\u{feff}",
        "\r\n",
        "\t",
        "---\n",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

/// A good file with a piece taken out or put in.
fn broken_configuration() -> impl Strategy<Value = String> {
    const GOOD: &str = include_str!("../golden/everything.txt");
    (any::<prop::sample::Index>(), 0..20_usize, ".{0,6}").prop_map(|(at, length, piece)| {
        let good = GOOD.split("----------").next().unwrap_or_default();
        let start = good.floor_char_boundary(at.index(good.len()));
        let end = good.ceil_char_boundary((start + length).min(good.len()));
        format!("{}{piece}{}", &good[..start], &good[end..])
    })
}

fn is_answered(text: &str) -> Result<(), TestCaseError> {
    match modules::read(text) {
        Ok(config) => {
            let expanded = config.expanded();
            prop_assert!(!expanded.is_empty());
        }
        Err(report) => {
            prop_assert!(report.has_errors());
            prop_assert!(!report.to_string().is_empty());
            for diagnostic in report.diagnostics() {
                let place = diagnostic.place;
                prop_assert!(place.start <= place.end && place.end <= text.len(), "{place:?}");
                prop_assert!(
                    text.is_char_boundary(place.start) && text.is_char_boundary(place.end),
                    "{place:?}"
                );
                prop_assert!(!diagnostic.message.contains("hunter2"), "{}", diagnostic.message);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        is_answered(&text)?;
    }

    #[test]
    fn text_that_is_nearly_a_configuration_is_answered(text in nearly_a_configuration()) {
        is_answered(&text)?;
    }

    #[test]
    fn a_broken_configuration_is_answered(text in broken_configuration()) {
        is_answered(&text)?;
    }
}
