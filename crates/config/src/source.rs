//! The text of a configuration file and places in it: every error message of this crate ends at a [`Place`].

use serde::Serialize;

/// A stretch of a configuration file.
///
/// Lines and columns are what editors show: both count from 1, columns in characters. `start` and `end` are
/// byte offsets into the text, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Byte offset of the first character.
    pub start: usize,
    /// Byte offset after the last character; equal to `start` when the place is a point.
    pub end: usize,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
}

/// A named text with an index of its lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    name: String,
    text: String,
    /// Byte offset of the first character of each line. Never empty.
    line_starts: Vec<usize>,
}

// === impl Source ===

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text between two byte offsets; empty when they do not fall on characters.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The place between two byte offsets, which are moved to the nearest characters inside the text.
    pub(crate) fn place(&self, start: usize, end: usize) -> Place {
        let start = self.text.floor_char_boundary(start);
        let end = self.text.ceil_char_boundary(end.max(start));
        let line = self.line_starts.partition_point(|line_start| *line_start <= start);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        Place { start, end, line, column: self.slice(line_start, start).chars().count() + 1 }
    }

    /// The one-character place at a line and a column, both from 1, as parsers report them.
    pub(crate) fn point(&self, line: usize, column: usize) -> Place {
        let line = line.clamp(1, self.line_starts.len());
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let rest = self.line_text(line);
        let offset = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
        let length = rest.get(offset..).and_then(|tail| tail.chars().next()).map_or(0, char::len_utf8);
        self.place(start + offset, start + offset + length)
    }

    /// Byte offset of the first character of a line, which counts from 1.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// A line, which counts from 1, without its line break.
    pub(crate) fn line_text(&self, line: usize) -> &str {
        let line = self.slice(self.line_start(line), self.line_start(line + 1));
        line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
    }
}

impl std::fmt::Debug for Source {
    /// Shows the name alone: a configuration is long, and its `Debug` output is for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let source = Source::new("x", "a: é\r\nbb: cc\n");
        let place = source.place(4, 5);
        assert_eq!((place.start, place.end), (3, 5), "offsets inside a character move out of it");
        assert_eq!((place.line, place.column), (1, 4), "columns are characters, not bytes");
        let place = source.place(11, 13);
        assert_eq!((place.line, place.column), (2, 5), "the second line counts from its own start");
        assert_eq!(source.line_text(1), "a: é", "a line has no line break");
    }

    #[test]
    fn a_point_beyond_the_text_is_its_end() {
        let source = Source::new("x", "ab\n");
        for (line, column, expected) in [(1, 2, (1, 2)), (1, 9, (2, 2)), (7, 1, (3, 3)), (0, 0, (0, 1))] {
            let place = source.point(line, column);
            assert_eq!((place.start, place.end), expected, "line {line}, column {column}");
        }
    }
}
