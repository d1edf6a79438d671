//! The files of the repository, and which lines of a Rust file are code.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is not part of the repository, or not written by hand.
const SKIPPED: [&str; 3] = [".git", "target", "docs/book"];

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Where the repository is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file, in order of path.
pub(crate) fn all() -> Vec<File> {
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 100, "the repository has been found: {} files", found.len());
    found
}

/// The files whose path ends like this.
pub(crate) fn ending_in(ending: &str) -> Vec<File> {
    all().into_iter().filter(|file| file.path.ends_with(ending)).collect()
}

/// One file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust files of the product: no tests, no benchmarks, nothing that is only there for tests.
pub(crate) fn product() -> Vec<File> {
    let rust = ending_in(".rs");
    let for_tests: HashSet<_> = rust.iter().flat_map(test_modules).collect();
    let is_product = |file: &File| {
        let in_product = file.path.starts_with("crates/") || file.path.starts_with("services/");
        in_product
            && !file.path.starts_with("crates/testkit/")
            && !file.path.contains("/tests/")
            && !for_tests.iter().any(|module| file.path.starts_with(module.as_str()))
    };
    let files: Vec<_> = rust.into_iter().filter(is_product).collect();
    assert!(files.len() > 80, "the sources have been found: {} files", files.len());
    files
}

impl File {
    /// The lines of code with their numbers: without comments, and without the tests at the foot of the file.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.above_tests().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The lines above the tests at the foot of the file.
    pub(crate) fn above_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<_> = self.text.lines().collect();
        let foot = lines.windows(2).position(|pair| {
            let module = pair[1].trim_start_matches("pub(crate) ");
            pair[0] == "#[cfg(test)]" && module.starts_with("mod ") && module.ends_with('{')
        });
        let end = foot.unwrap_or(lines.len());
        (1..).zip(self.text.lines()).take(end)
    }
}

/// Where the modules are that a file declares for tests alone, as beginnings of their paths.
fn test_modules(file: &File) -> Vec<String> {
    let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    let inside = if ["lib", "main"].contains(&stem) { dir.to_owned() } else { format!("{dir}/{stem}") };
    let lines: Vec<_> = file.text.lines().collect();
    let declared = |pair: &[&str]| {
        let name = pair[1].trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')?;
        (pair[0] == "#[cfg(test)]").then(|| [format!("{inside}/{name}.rs"), format!("{inside}/{name}/")])
    };
    lines.windows(2).filter_map(declared).flatten().collect()
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        if SKIPPED.contains(&relative.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            // What is not UTF-8 is no text.
            found.push(File { path: relative, text });
        }
    }
}
