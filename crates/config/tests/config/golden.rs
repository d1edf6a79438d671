//! One loop over `tests/golden/*.txt`: YAML, a line of dashes, and then what the reader says to it: the report, or
//! the warnings and the expanded configuration. `UPDATE_EXPECT=1` writes what it says now; read the difference.

use crate::modules;
use headwall_config::{Code, Severity};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DASHES: &str = "----------\n";

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn input(text: &str) -> &str {
    text.split_once(DASHES).map_or(text, |(input, _)| input)
}

fn answer(input: &str) -> String {
    match modules::read(input) {
        Ok(config) if config.warnings().is_empty() => config.expanded(),
        Ok(config) => format!("{}\n\n{}", config.warnings(), config.expanded()),
        Err(report) => format!("{report}\n"),
    }
}

#[test]
fn the_reader_says_what_the_golden_files_say() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let input = input(&text);
        let actual = format!("{input}{DASHES}{}", answer(input));
        if actual != text && update {
            std::fs::write(&file, actual).unwrap();
        } else if actual != text {
            wrong.push(format!("=== {}\n{actual}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 takes over these answers:\n{}", wrong.join("\n"));
}

#[test]
fn no_report_tells_a_value_of_the_environment() {
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let input = input(&text);
        let Err(report) = modules::read(input) else {
            continue;
        };
        let shown = format!("{report}{report:?}{}", report.to_json());
        assert!(!shown.contains("hunter2"), "{}: {shown}", file.display());
    }
}

#[test]
fn reports_are_in_order_of_place() {
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let Err(report) = modules::read(input(&text)) else {
            continue;
        };
        let places: Vec<_> = report.diagnostics().iter().map(|diagnostic| diagnostic.place.start).collect();
        assert!(places.is_sorted(), "{}: {places:?}", file.display());
        assert!(report.has_errors(), "{}", file.display());
    }
}

#[test]
fn every_code_has_a_golden_file() {
    let mut seen = BTreeSet::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let report = modules::read(input(&text)).map_or_else(|report| report, |config| config.warnings());
        for diagnostic in report.diagnostics() {
            let is_warning = diagnostic.severity == Severity::Warning;
            assert_eq!(is_warning, diagnostic.code == Code::UnusedUpstream, "{}", file.display());
            seen.insert(diagnostic.code.as_str());
        }
    }
    // `build` comes from the assembler, and files with the other two are not for reading; `arbitrary` has them.
    let elsewhere = ["build", "too-large", "too-many-errors"];
    for code in Code::ALL {
        let expected = !elsewhere.contains(&code.as_str());
        assert_eq!(seen.contains(code.as_str()), expected, "a golden file for `{code}`");
    }
}
