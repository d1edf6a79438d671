//! What is in a directory, for people and for programs.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use headwall_core::semantics::preferences;
use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{AtFlags, Dir, FileType, Stat, fstat, statat};
use serde::Serialize;

use crate::finder::{Finder, below};
use crate::path::is_hidden;
use crate::stamp::Stamp;
use crate::tree::{Closed, Opened};

/// The most entries that are listed.
const MOST: usize = 10_000;
/// What has to be escaped in a name within a URL: all but the unreserved characters (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a directory is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Json,
}

/// Something in a directory.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// For reading: what is no UTF-8 is replaced.
    name: String,
    /// For following: what it is called, whatever that is.
    href: String,
    #[serde(rename = "type")]
    kind: Kind,
    /// Bytes. A directory has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Seconds since 1970.
    modified: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Directory,
    File,
}

/// Reads a directory: what would be served from it, directories first, by name.
pub(crate) fn read(
    finder: &Finder,
    root: &OwnedFd,
    directory: &OwnedFd,
    path: &[u8],
) -> Result<Vec<Entry>, Closed> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || (is_hidden(name) && !finder.hidden) {
            continue;
        }
        let name_text = std::ffi::OsStr::from_bytes(name);
        let Ok(stat) = statat(directory, name_text, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        // A link is shown as what it leads to, if that is something that would be served.
        let is_link = FileType::from_raw_mode(stat.st_mode).is_symlink();
        let target = if is_link { target(finder, root, &below(path, name)) } else { Some(stat) };
        entries.extend(target.and_then(|stat| Entry::of(name, &stat)));
        if entries.len() == MOST {
            break;
        }
    }
    entries.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(entries)
}

fn target(finder: &Finder, root: &OwnedFd, path: &[u8]) -> Option<Stat> {
    match finder.tree.open(root, path).ok()? {
        Opened::File(_, stat) => Some(stat),
        Opened::Directory(directory) => fstat(directory).ok(),
    }
}

// === impl Entry ===

impl Entry {
    fn of(name: &[u8], stat: &Stat) -> Option<Self> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !kind.is_dir() && !kind.is_file() {
            return None;
        }
        let kind = if kind.is_dir() { Kind::Directory } else { Kind::File };
        let slash = if kind == Kind::Directory { "/" } else { "" };
        let stamp = Stamp::of(stat);
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            // With a dot in front, a name such as `javascript:x` is not taken for a scheme.
            href: format!("./{}{slash}", percent_encode(name, ESCAPED)),
            kind,
            size: (kind == Kind::File).then_some(stamp.size),
            modified: stamp.modified().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        })
    }
}

// === impl Form ===

impl Form {
    /// JSON for those who prefer it to HTML.
    pub(crate) fn preferred(headers: &HeaderMap) -> Self {
        let (mut html, mut json) = (None, None);
        for kind in preferences(headers, header::ACCEPT) {
            if kind.is("application/json") {
                json = Some(kind.quality);
            } else if kind.is("text/html") {
                html = Some(kind.quality);
            }
        }
        if json > html { Self::Json } else { Self::Html }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        })
    }

    pub(crate) fn write(self, entries: &[Entry]) -> Bytes {
        match self {
            Self::Json => Bytes::from(serde_json::to_vec(entries).unwrap_or_default()),
            Self::Html => Bytes::from(page(entries)),
        }
    }
}

/// A page without a title of its own: its address says where one is, and is not ours to repeat.
fn page(entries: &[Entry]) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Files</title>\n\
         <style>body{font:1rem/1.6 system-ui,sans-serif;margin:2rem}td+td{text-align:right;padding-left:2rem}</style>\n\
         <table>\n<tr><td><a href=\"../\">../</a></td></tr>\n",
    );
    for Entry { name, href, kind, size, .. } in entries {
        let slash = if *kind == Kind::Directory { "/" } else { "" };
        let size = size.map(|size| size.to_string()).unwrap_or_default();
        let name = escape(name);
        page.push_str(&format!("<tr><td><a href=\"{href}\">{name}{slash}</a></td><td>{size}</td></tr>\n"));
    }
    page.push_str("</table>\n</html>\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], mode: u32) -> Entry {
        let dir = tempfile::tempdir().unwrap();
        let mut stat = fstat(std::fs::File::open(dir.path()).unwrap()).unwrap();
        (stat.st_mode, stat.st_size, stat.st_mtime) = (mode, 7, 12);
        Entry::of(name, &stat).unwrap()
    }

    #[test]
    fn no_name_gets_out_of_its_place() {
        let odd = entry(b"<script>\"&'.html", 0o100_644);
        let page = String::from_utf8(Form::Html.write(&[odd]).to_vec()).unwrap();
        assert!(page.contains(">&lt;script&gt;&quot;&amp;'.html</a>"), "{page}");
        assert!(page.contains("href=\"./%3Cscript%3E%22%26%27.html\""), "{page}");
        assert_eq!(entry(b"javascript:x", 0o100_644).href, "./javascript%3Ax");
        assert_eq!(entry(b"\xff", 0o040_755).href, "./%FF/");
    }

    #[test]
    fn programs_get_json() {
        let entries = [entry(b"dir", 0o040_755), entry(b"a b", 0o100_644)];
        let json = String::from_utf8(Form::Json.write(&entries).to_vec()).unwrap();
        let expected = concat!(
            r#"[{"name":"dir","href":"./dir/","type":"directory","modified":12},"#,
            r#"{"name":"a b","href":"./a%20b","type":"file","size":7,"modified":12}]"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn the_form_is_the_clients_choice() {
        let rows = [
            (None, Form::Html, "nothing was said"),
            (Some("*/*"), Form::Html, "anything"),
            (Some("text/html,application/json;q=0.9"), Form::Html, "a browser"),
            (Some("application/json"), Form::Json, "a program"),
            (Some("text/html;q=0.1, application/json;q=0.2"), Form::Json, "rather"),
        ];
        for (accept, expected, row) in rows {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Form::preferred(&headers), expected, "{row}");
        }
    }
}
