//! What documents point to is there.

use std::collections::BTreeSet;

use super::markdown::{anchors, blocks, documents, links, prose, words};
use crate::tidy::files;

#[test]
fn links_lead_somewhere() {
    let root = files::root();
    let mut broken = Vec::new();
    for file in documents() {
        let dir = root.join(&file.path).parent().unwrap().to_owned();
        for link in links(&file.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { root.join(&file.path) } else { dir.join(path) };
            let found = target.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&target).unwrap_or_default())
                        .contains(&anchor.to_owned()));
            if !found {
                broken.push(format!("{}: {link}", file.path));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_handbook_has_every_page_in_its_contents() {
    let listed: BTreeSet<_> =
        links(&files::read("docs/src/SUMMARY.md")).iter().map(|link| format!("docs/src/{link}")).collect();
    let pages = documents().into_iter().map(|file| file.path);
    let pages: BTreeSet<_> =
        pages.filter(|path| path.starts_with("docs/src/") && !path.ends_with("SUMMARY.md")).collect();
    assert_eq!(listed, pages);
}

/// Rust in a document is copied from a file that the compiler sees.
#[test]
fn rust_is_compiled() {
    let sources: Vec<_> = files::ending_in(".rs").into_iter().map(|file| squeezed(&file.text)).collect();
    let rust: Vec<_> = blocks().into_iter().filter(|block| block.info.starts_with("rust")).collect();
    assert!(rust.len() > 4, "Rust was found: {}", rust.len());
    for block in rust {
        let text = squeezed(&block.text);
        assert!(
            sources.iter().any(|source| source.contains(&text)),
            "{}: no file of the workspace has these lines; keep it and the document the same",
            block.place
        );
    }
}

/// Without what rustfmt decides, and without the marks of doc comments, whose examples are compiled too.
fn squeezed(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !["//!", "///"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

/// ARCHITECTURE.md says of each invariant which test keeps it.
#[test]
fn the_tests_that_documents_name_are_there() {
    let sources: String = files::ending_in(".rs").into_iter().map(|file| file.text).collect();
    let text = prose(&files::read("ARCHITECTURE.md"));
    let (_, invariants) = text.split_once("## Invariants").expect("there are invariants");
    let (invariants, _) = invariants.split_once("\n## ").expect("a section follows");
    let tests: Vec<_> = words(invariants).into_iter().filter(|word| word.contains("::")).collect();
    assert!(tests.len() > 10, "tests are named: {tests:?}");
    for test in tests {
        let name = test.rsplit("::").next().unwrap_or_default();
        assert!(
            sources.contains(&format!("fn {name}(")),
            "ARCHITECTURE.md names a test that is not there: {test}"
        );
    }
}

/// Paths of the repository that documents name in backticks.
#[test]
fn the_files_that_documents_name_are_there() {
    let root = files::root();
    let kept =
        ["crates/", "services/", "conf/", "docs/", "scripts/", "tests/", "examples/", "benches/", ".ci/"];
    for file in documents() {
        for word in words(&prose(&file.text)) {
            let is_path =
                kept.iter().any(|dir| word.starts_with(dir)) && !word.contains(['*', '<', '{', ' ']);
            assert!(!is_path || root.join(&word).exists(), "{}: there is no `{word}`", file.path);
        }
    }
}
