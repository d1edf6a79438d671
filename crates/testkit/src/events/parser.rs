//! The event stream format, line by line. Pieces of a body end anywhere, in the middle of a line ending too.

use std::collections::VecDeque;

use super::Event;

/// Reads pieces of an event stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// A carriage return ended the last line; a line feed that follows belongs to it.
    after_return: bool,
    /// A byte order mark may stand before the first line only.
    begun: bool,
    event: Event,
    data_lines: usize,
}

impl Parser {
    /// Reads one piece and appends the events that it completes.
    pub(super) fn read(&mut self, piece: &[u8], events: &mut VecDeque<Event>) {
        for &byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(events),
                _ => self.line.push(byte),
            }
        }
    }

    fn end_line(&mut self, events: &mut VecDeque<Event>) {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let line = if self.begun { &*text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
        self.begun = true;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.data_lines) > 0 {
                events.push_back(event);
            }
            return;
        }
        // A line without a colon is a field with an empty value; one that begins with a colon is a comment.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.data_lines > 0 {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.data_lines += 1;
            }
            "event" => self.event.event = Some(value.to_owned()),
            "id" => self.event.id = Some(value.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = VecDeque::new();
        for piece in pieces {
            parser.read(piece, &mut events);
        }
        events.into()
    }

    fn data(lines: &[&str]) -> Vec<Event> {
        lines.iter().map(|data| Event { data: (*data).into(), ..Event::default() }).collect()
    }

    #[test]
    fn the_format() {
        let table: &[(&str, &str, Vec<Event>)] = &[
            ("one event", "data: a\n\n", data(&["a"])),
            ("two events", "data: a\n\ndata: b\n\n", data(&["a", "b"])),
            ("several lines", "data: a\ndata:\ndata: b\n\n", data(&["a\n\nb"])),
            ("one space is taken away", "data:  a\n\ndata:b\n\n", data(&[" a", "b"])),
            ("carriage returns", "data: a\r\rdata: b\r\n\r\n", data(&["a", "b"])),
            ("a comment", ": still here\n\ndata: a\n\n", data(&["a"])),
            ("a byte order mark", "\u{feff}data: a\n\n", data(&["a"])),
            ("an empty event", "data\n\n", data(&[""])),
            ("no data, no event", "event: ping\n\ndata: a\n\n", data(&["a"])),
            ("an unknown field", "colour: red\ndata: a\n\n", data(&["a"])),
            ("no empty line at the end", "data: a\n\ndata: b\n", data(&["a"])),
            (
                "all fields",
                "id: 7\nevent: tick\ndata: a\n\n",
                vec![Event { data: "a".into(), event: Some("tick".into()), id: Some("7".into()) }],
            ),
        ];
        for (what, stream, expected) in table {
            assert_eq!(&read(&[stream.as_bytes()]), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn where_the_pieces_end_does_not_matter(stream in "(data: ?é?|id|:|\n|\r|\r\n|x){0,30}", cut in 0..60_usize) {
            let bytes = stream.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(read(&[left, right]), read(&[bytes]));
        }
    }
}
