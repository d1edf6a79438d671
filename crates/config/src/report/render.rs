//! Draws findings the way rustc does, through annotate-snippets, which owns the layout.

use super::{Coloring, Diagnostic, Severity};
use crate::source::Source;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Renders all findings, with an empty line between two.
pub(super) fn render(source: &Source, diagnostics: &[Diagnostic], coloring: Coloring) -> String {
    let renderer = match coloring {
        Coloring::Plain => Renderer::plain(),
        Coloring::Ansi => Renderer::styled(),
    };
    let drawn: Vec<String> =
        diagnostics.iter().map(|diagnostic| draw(&renderer, source, diagnostic)).collect();
    drawn.join("\n\n")
}

fn draw(renderer: &Renderer, source: &Source, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // The renderer gets the one line it shows, so its cost does not grow with the file. A place of several
    // lines, such as a block of text, is marked on its first.
    let place = diagnostic.place;
    let line = source.line_text(place.line);
    let line_start = source.line_start(place.line);
    let start = place.start.saturating_sub(line_start).min(line.len());
    let end = place.end.saturating_sub(line_start).clamp(start, line.len());
    let snippet = Snippet::source(line)
        .path(source.name())
        .line_start(place.line)
        .annotation(AnnotationKind::Primary.span(start..end));
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}
