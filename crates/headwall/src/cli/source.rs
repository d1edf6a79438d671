//! Reads a config file.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use headwall_config::{Coloring, Config, Report};

use crate::Server;

/// Why there is no config.
pub(super) enum Unreadable {
    File(String),
    Config(Report),
}

/// Reads a file; `-` is standard input.
pub(super) fn read(server: &Server, path: &Path) -> Result<Config, Unreadable> {
    let name = path.display().to_string();
    let text = if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Unreadable::File(format!("cannot read {name}: {error}")))?;
    server.read(&name, &text, &|variable| std::env::var(variable).ok()).map_err(Unreadable::Config)
}

/// The report for a person at a terminal, or for a log.
pub(super) fn rendered(report: &Report) -> String {
    let coloring = if std::io::stderr().is_terminal() { Coloring::Ansi } else { Coloring::Plain };
    report.render(coloring)
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(why) => write!(f, "error: {why}"),
            Self::Config(report) => f.write_str(&rendered(report)),
        }
    }
}
