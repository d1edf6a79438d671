//! What is wrong with a configuration, all of it at once, for people (`Display`, [`Report::render`]) and for
//! programs ([`Report::to_json`]).

mod code;
mod redact;
mod render;

pub use self::code::Code;
pub(crate) use self::redact::{Redaction, as_written};
use crate::source::{Place, Source};
use serde::Serialize;

/// The errors and warnings of one file, in order of place.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    source: Source,
    diagnostics: Vec<Diagnostic>,
}

/// One thing that is wrong, or worth a warning, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the configuration is refused because of it.
    pub severity: Severity,
    /// A stable name of the kind of mistake, for scripts and for looking it up.
    pub code: Code,
    /// One sentence, without a full stop.
    pub message: String,
    /// Where in the file.
    pub place: Place,
    /// What to do about it, when there is something to say.
    pub help: Option<String>,
}

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, and probably not what was meant.
    Warning,
}

/// Whether a rendered report has terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coloring {
    /// Text alone, for files and logs.
    Plain,
    /// ANSI escape sequences, for terminals.
    Ansi,
}

// === impl Report ===

impl Report {
    /// Puts the diagnostics in order of place, drops repetitions (an aliased node is typed more than once), and
    /// takes out every value that came from the environment.
    pub(crate) fn new(source: Source, mut diagnostics: Vec<Diagnostic>, redaction: &Redaction) -> Self {
        for diagnostic in &mut diagnostics {
            redaction.apply(&mut diagnostic.message);
            if let Some(help) = &mut diagnostic.help {
                redaction.apply(help);
            }
        }
        diagnostics.sort_by_key(|diagnostic| (diagnostic.place.start, diagnostic.place.end));
        diagnostics.dedup();
        Self { source, diagnostics }
    }

    /// All findings, in order of place.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Whether any finding is an error, so that the configuration is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The name of the file, as it was given to the reader.
    pub fn source_name(&self) -> &str {
        self.source.name()
    }

    /// The report as text: per finding its code, `file:line:column`, the source line with a caret, and help.
    pub fn render(&self, coloring: Coloring) -> String {
        render::render(&self.source, &self.diagnostics, coloring)
    }

    /// The report as a JSON object `{"source", "diagnostics": [{severity, code, message, place, help}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "source": self.source.name(), "diagnostics": self.diagnostics })
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(Coloring::Plain))
    }
}

impl std::fmt::Debug for Report {
    /// The same as `Display`, so that a test that unwraps a report shows it readably.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Report {}
