//! Code blocks, links and tables of a Markdown text.

use crate::tidy::files::{self, File};

/// A fenced block of code.
pub(super) struct Block {
    /// File and line, for messages.
    pub(super) place: String,
    /// The language and what else stands behind the fence: `yaml`, `yaml,compose`.
    pub(super) info: String,
    pub(super) text: String,
}

/// Every document of the repository.
pub(super) fn documents() -> Vec<File> {
    files::ending_in(".md")
}

/// The blocks of all documents.
pub(super) fn blocks() -> Vec<Block> {
    documents().iter().flat_map(|file| blocks_of(&file.path, &file.text)).collect()
}

/// The blocks in the doc comments of all Rust files.
pub(super) fn doc_comment_blocks() -> Vec<Block> {
    let of_file = |file: File| {
        // Other lines become empty, so that the numbers stay right.
        let comment = |line: &str| {
            let line = line.trim_start();
            let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).unwrap_or_default();
            format!("{}\n", text.strip_prefix(' ').unwrap_or(text))
        };
        blocks_of(&file.path, &file.text.lines().map(comment).collect::<String>())
    };
    files::product().into_iter().flat_map(of_file).collect()
}

/// The blocks of one text.
pub(super) fn blocks_of(path: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let place = format!("{path}:{number}");
                open = Some(Block { place, info: info.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{path}: a code block is not closed");
    blocks
}

/// A text without its code blocks.
pub(super) fn prose(text: &str) -> String {
    let mut inside = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(is_prose).map(|line| format!("{line}\n")).collect()
}

/// The targets of a text's links.
pub(super) fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The rows of the table under a heading: the cells of each, without the backticks around them.
pub(super) fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("there is no heading `{heading}`"));
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    // The first two are the head and the line below it.
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<_> = lines.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "there is a table under `{heading}`");
    rows
}

/// The words in backticks of a table's cell.
pub(super) fn words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What can be linked to: headings, and what has an id.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let heading =
        |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let prose = prose(text);
    let named = prose.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    prose.lines().filter_map(heading).map(anchor).chain(named).collect()
}

#[test]
fn markdown_is_taken_apart() {
    let text = "# A `b` c\n[x](y.md)\n```yaml,compose\nk: [1](2)\n```\n| a | b |\n|---|---|\n| `c` | d |\n";
    let blocks = blocks_of("x.md", text);
    assert_eq!((blocks[0].place.as_str(), blocks[0].info.as_str()), ("x.md:3", "yaml,compose"));
    assert_eq!(blocks[0].text, "k: [1](2)\n");
    assert_eq!(links(text), ["y.md"], "not those inside a block");
    assert_eq!(table(text, "# A"), [["`c`", "d"]]);
    assert_eq!(words("`a` and `b`"), ["a", "b"]);
    assert_eq!(anchors(text), ["a-b-c"]);
}
