//! The files that may stand for a path: `{path}`, `{path}.html`, `/fallback.html`.

/// The place of the path in a candidate.
const PATH: &str = "{path}";

/// A file to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// The path with something around it.
    Around { before: Vec<u8>, after: Vec<u8> },
    /// The same file for every path.
    Fixed(Vec<u8>),
}

/// A candidate that can never be found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`try` has to list files such as `{{path}}`, `{{path}}.html` or `/fallback.html`, was `{0}`")]
pub(crate) struct InvalidCandidate(String);

impl Candidate {
    /// The path itself.
    pub(crate) fn path() -> Self {
        Self::Around { before: Vec::new(), after: Vec::new() }
    }

    pub(crate) fn read(text: &str) -> Result<Self, InvalidCandidate> {
        let invalid = || InvalidCandidate(text.to_owned());
        let below = |text: &str| text.trim_start_matches('/').as_bytes().to_vec();
        let climbs = text.split('/').any(|name| matches!(name, "." | ".."));
        if climbs || text.contains("//") || text.contains('\0') {
            return Err(invalid());
        }
        match text.split_once(PATH) {
            Some((before, after)) if !after.contains(['{', '}']) && !before.contains(['{', '}']) => {
                // The path brings its own slash along.
                let before = before.strip_suffix('/').unwrap_or(before);
                let is_rooted = before.is_empty() || before.starts_with('/');
                is_rooted
                    .then(|| Self::Around { before: below(before), after: after.as_bytes().to_vec() })
                    .ok_or_else(invalid)
            }
            None if text.starts_with('/') && text.len() > 1 && !text.contains(['{', '}']) => {
                Ok(Self::Fixed(below(text)))
            }
            Some(_) | None => Err(invalid()),
        }
    }

    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// The file for a path. There is none where nothing would be left of a name but what stands behind it.
    pub(crate) fn fill(&self, path: &[u8]) -> Option<Vec<u8>> {
        let (before, after) = match self {
            Self::Fixed(path) => return Some(path.clone()),
            Self::Around { before, after } => (before, after),
        };
        let path = match path {
            path if after.is_empty() => path,
            [name @ .., b'/'] => name,
            path => path,
        };
        if path.is_empty() && !after.is_empty() && !after.starts_with(b"/") {
            return None;
        }
        let slash: &[u8] = if before.is_empty() { b"" } else { b"/" };
        let filled = [before.as_slice(), slash, path, after].concat();
        Some(filled.strip_prefix(b"/").map(<[u8]>::to_vec).unwrap_or(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_into_its_place() {
        let rows = [
            ("{path}", "a/b", Some("a/b"), "as it is"),
            ("{path}", "a/", Some("a/"), "a directory"),
            ("{path}", "", Some(""), "the root"),
            ("/{path}", "a", Some("a"), "with a slash that it has anyway"),
            ("{path}.html", "a/b", Some("a/b.html"), "an ending"),
            ("{path}.html", "a/", Some("a.html"), "the ending of a directory's name"),
            ("{path}.html", "", None, "the root has no name"),
            ("{path}/page.html", "a", Some("a/page.html"), "a file in a directory"),
            ("{path}/page.html", "", Some("page.html"), "a file in the root"),
            ("{path}/", "a", Some("a/"), "only a directory"),
            ("/pages{path}.html", "a", Some("pages/a.html"), "below another directory"),
            ("/pages/{path}", "a", Some("pages/a"), "the same with a slash"),
            ("/fallback.html", "a", Some("fallback.html"), "always the same"),
        ];
        for (text, path, expected, row) in rows {
            let filled = Candidate::read(text).unwrap().fill(path.as_bytes());
            assert_eq!(filled.as_deref(), expected.map(str::as_bytes), "{row}: {text} for {path:?}");
        }
    }

    #[test]
    fn what_is_no_candidate_is_refused() {
        for text in
            ["", "/", "fallback.html", "{file}", "{path}{path}", "pages{path}", "/../x", "=404", "@app"]
        {
            let error = Candidate::read(text).unwrap_err().to_string();
            assert!(error.contains("such as `{path}`"), "{error}");
        }
    }
}
