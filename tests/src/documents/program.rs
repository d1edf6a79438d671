//! The program, as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use crate::tidy::files;

/// Runs `headwall` in the root of the repository.
pub(super) fn headwall(args: &[String]) -> Output {
    headwall_with(args, &[])
}

/// Runs it with these variables in its environment.
pub(super) fn headwall_with(args: &[String], variables: &[(&str, &Path)]) -> Output {
    let program = program();
    Command::new(&program)
        .args(args)
        .envs(variables.iter().copied())
        .current_dir(files::root())
        // Help is wrapped to a width and would otherwise depend on the terminal.
        .env("COLUMNS", "100")
        .env_remove("HEADWALL_CONFIG")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Cargo hands binaries only to tests of their own package, so this one is looked for beside the test's own and built
/// when it is not there or older than its sources.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let dir = test.ancestors().nth(2).unwrap();
    let program = dir.join("headwall");
    if !is_fresh(&program) {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "headwall-server"])
            .current_dir(files::root())
            .status();
        assert!(built.unwrap().success(), "headwall is built");
    }
    program
}

/// Whether no source of a binary is newer. Cargo writes the list of them beside it.
fn is_fresh(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let (Ok(built), Ok(list)) = (changed(program), std::fs::read_to_string(program.with_extension("d")))
    else {
        return false;
    };
    let sources = list.split_once(':').map_or("", |(_, sources)| sources);
    let older = |source: &str| changed(Path::new(source)).is_ok_and(|changed: SystemTime| changed <= built);
    sources.split_whitespace().all(older)
}

/// The words of a command line, with quotes as a shell has them.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            Some(_) | None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_line_is_split_as_a_shell_would() {
    assert_eq!(words("explain  -H 'X-Beta: 1' \"a b\"c ''"), ["explain", "-H", "X-Beta: 1", "a bc", ""]);
}
