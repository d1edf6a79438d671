//! The commands that documents show.

use std::fs;

use super::markdown::{Block, blocks, blocks_of, documents};
use super::program::{headwall, words};
use crate::tidy::files;

/// Programs that documents may show and that are not run here.
const FOREIGN: [&str; 13] = [
    "cargo",
    "certbot",
    "chgrp",
    "chmod",
    "curl",
    "docker",
    "git",
    "grep",
    "journalctl",
    "kill",
    "mdbook",
    "openssl",
    "systemctl",
];
/// Names that stand for the reader's own config.
const READERS_CONFIG: [&str; 2] = ["headwall.yaml", "/etc/headwall/headwall.yaml"];

/// The command lines of a block: continued lines joined, comments and empty lines left out.
fn lines(block: &Block) -> Vec<String> {
    let joined = block.text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// The arguments of a line that calls Headwall.
fn arguments(line: &str) -> Option<Vec<String>> {
    let mut words = words(line.trim_end_matches(" &"));
    let is_headwall = words.first().is_some_and(|word| word == "headwall" || word.ends_with("/headwall"));
    // What a shell does with the output is not Headwall's.
    let end = words.iter().position(|word| [">", "|"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    is_headwall.then(|| words.split_off(1))
}

#[test]
fn commands_can_be_typed_as_they_stand() {
    let makefile = files::read("Makefile");
    let mut tried = 0;
    for block in blocks().iter().filter(|block| block.info == "sh") {
        for line in lines(block) {
            tried += 1;
            let first = line.split_whitespace().next().unwrap_or_default();
            if let Some(mut args) = arguments(&line) {
                try_headwall(&block.place, &line, &mut args);
            } else if first == "make" {
                let target = line.split_whitespace().nth(1).unwrap_or("help");
                assert!(
                    makefile.contains(&format!("\n{target}: ")),
                    "{}: the Makefile has no `{target}`",
                    block.place
                );
            } else {
                assert!(FOREIGN.contains(&first), "{}: nobody knows whether this works: {line}", block.place);
            }
        }
    }
    assert!(tried > 10, "commands were found: {tried}");
}

fn try_headwall(place: &str, line: &str, args: &mut Vec<String>) {
    for arg in args.iter_mut().filter(|arg| READERS_CONFIG.contains(&arg.as_str())) {
        *arg = "conf/quickstart.yaml".to_owned();
    }
    match args.first().map(String::as_str) {
        // The sample app takes an address and nothing else.
        Some("demo") => assert!(args.len() <= 2, "{place}: {line}"),
        first => {
            if matches!(first, Some("run" | "trust" | "untrust")) {
                // Read like any other arguments, and then neither served nor done to this machine.
                args.push("--help".to_owned());
            }
            let output = headwall(args);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{place}: `{line}` fails:\n{said}");
        }
    }
}

#[test]
fn transcripts_show_what_the_program_says() {
    let mut transcripts = 0;
    for file in documents() {
        let mut text = file.text.clone();
        for block in blocks_of(&file.path, &file.text).iter().filter(|block| block.info == "console") {
            transcripts += 1;
            text = text.replace(&block.text, &replayed(block));
        }
        if text != file.text {
            assert!(
                std::env::var_os("UPDATE_EXPECT").is_some(),
                "{}: the program says something else now; UPDATE_EXPECT=1 writes it down:\n{text}",
                file.path
            );
            fs::write(files::root().join(&file.path), text).unwrap();
        }
    }
    assert!(transcripts > 5, "transcripts were found: {transcripts}");
}

/// The block's commands with what they print now.
fn replayed(block: &Block) -> String {
    let mut text = String::new();
    for line in block.text.lines() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let args =
            arguments(command).unwrap_or_else(|| panic!("{}: only Headwall is run: {command}", block.place));
        let output = headwall(&args);
        text.extend(["$ ", command, "\n"]);
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    // A line that ends in spaces would be cut by editors.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
