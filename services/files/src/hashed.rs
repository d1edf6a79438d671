//! Files whose name has a hash of their content in it.
//!
//! Such a file never changes: another content has another name. So a browser may keep it for a year and never ask. What is
//! taken for a hash by mistake is kept just as long, and a hash that is not seen costs a question that is answered with
//! 304; so in doubt a name has none.

use regex::bytes::Regex;

/// Directories that a build tool puts nothing into but files that never change.
const BUILT: [&[u8]; 2] = [b"_next/static/", b"_app/immutable/"];

/// Tells which files have a hash in their name.
#[derive(Debug)]
pub(crate) enum Hashed {
    /// By the looks of what Vite, webpack, Create React App, Next.js and others write.
    ByLooks,
    /// By a pattern of the operator's, against the path with its first slash.
    Pattern(Regex),
    /// None.
    Never,
}

impl Hashed {
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::ByLooks => looks_hashed(path),
            Self::Pattern(pattern) => {
                let mut rooted = Vec::with_capacity(path.len() + 1);
                rooted.push(b'/');
                rooted.extend_from_slice(path);
                pattern.is_match(&rooted)
            }
            Self::Never => false,
        }
    }
}

fn looks_hashed(path: &[u8]) -> bool {
    if BUILT.iter().any(|directory| path.starts_with(directory)) {
        return true;
    }
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    // `main.8e5b2c3f.chunk.js`: any part may be one, but not the extension.
    let mut parts = name.split(|byte| *byte == b'.').collect::<Vec<_>>();
    parts.pop();
    parts.into_iter().any(|part| is_hexadecimal(part) || last_eight(part).is_some_and(jumps_about))
}

/// Eight digits or more behind the last hyphen, of both kinds: `20260101` is a date and `defaced` a word.
fn is_hexadecimal(part: &[u8]) -> bool {
    let digits = part.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    digits.len() >= 8
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && digits.iter().any(u8::is_ascii_digit)
        && digits.iter().any(u8::is_ascii_lowercase)
}

/// The eight characters behind a hyphen at the end, or all eight where there are no more.
fn last_eight(part: &[u8]) -> Option<&[u8; 8]> {
    let (front, hash) = part.split_last_chunk()?;
    (front.is_empty() || front.ends_with(b"-")).then_some(hash)
}

/// `BhX3a9_k` of Vite and `JX5QZ3YV` of esbuild, in base64url and in base32, change between letters, digits and signs as no
/// word does. About one of ten in base64url does not, and a third of those in base32.
fn jumps_about(hash: &[u8; 8]) -> bool {
    let is_base64 = hash.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let is_base32 = hash.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    let jumps = hash.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    (is_base32 && jumps >= 2) || (is_base64 && jumps >= 3 && !is_camel_case(hash))
}

#[derive(PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Digit,
    Sign,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' => Kind::Lower,
        b'A'..=b'Z' => Kind::Upper,
        b'0'..=b'9' => Kind::Digit,
        _ => Kind::Sign,
    }
}

/// `UserView` jumps about too.
fn is_camel_case(text: &[u8]) -> bool {
    let is_word = |pair: &[u8]| !pair[0].is_ascii_uppercase() || pair[1].is_ascii_lowercase();
    let ends_well = text.last().is_some_and(u8::is_ascii_lowercase);
    text.iter().all(u8::is_ascii_alphabetic) && text.windows(2).all(is_word) && ends_well
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_tools_are_recognised_by_their_names() {
        let rows = [
            ("assets/index-BhX3a9_k.js", "Vite"),
            ("assets/index-D1-x9Qab.css", "Vite, with a hyphen in it"),
            ("assets/logo-JX5QZ3YV.svg", "esbuild"),
            ("chunk-ABC4DEFG.js", "esbuild, with one digit"),
            ("main.3f2a1b9c8d7e6f5a4b3c.js", "webpack"),
            ("static/js/main.8e5b2c3f.chunk.js", "Create React App"),
            ("static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", "Create React App's media"),
            ("static/js/main.8e5b2c3f.js.map", "a source map"),
            ("_next/static/chunks/pages/_app-0ecb9ccfcb6c9b24.js", "Next.js"),
            ("_next/static/Xy12abcd/_buildManifest.js", "all that Next.js builds"),
            ("_app/immutable/entry/start.js", "all that SvelteKit builds"),
            ("_astro/hoisted.DkS0x_2c.js", "Astro"),
            ("_nuxt/DcHh3Xy2.js", "Nuxt, with nothing but the hash"),
            ("main-5f2b1c3d4e5f6a7b.css", "Angular"),
        ];
        for (path, row) in rows {
            assert!(Hashed::ByLooks.matches(path.as_bytes()), "{row}: {path}");
        }
    }

    #[test]
    fn names_of_people_are_not_hashes() {
        let names = [
            "index.html",
            "service-worker.js",
            "jquery-3.6.0.min.js",
            "report-20260101.json",
            "my-component.js",
            "font-awesome.css",
            "chapter-Section2.html",
            "views/app-UserView.js",
            "DashView.js",
            "logo-variant2.svg",
            "notes-VERSION2.txt",
            "notes-DOCUMENT.txt",
            "a.defaced1",
            "deadbeef.txt",
            "12345678.jpg",
            "_next/data/x.json",
            "x_next/static/a.js",
            "",
        ];
        for name in names {
            assert!(!Hashed::ByLooks.matches(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_pattern_sees_the_path_from_its_first_slash() {
        let pattern = Hashed::Pattern(Regex::new("^/build/").unwrap());
        assert!(pattern.matches(b"build/app.js"));
        assert!(!pattern.matches(b"x/build/app.js"));
        assert!(!Hashed::Never.matches(b"assets/index-BhX3a9_k.js"));
    }
}
