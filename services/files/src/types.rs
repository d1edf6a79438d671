//! What kind of thing a file is, by its extension.
//!
//! The list is short on purpose: what the web is made of, and what people download. Text says that it is UTF-8, because
//! a browser guesses otherwise; JSON is UTF-8 by definition and says nothing (RFC 8259, 8.1).

use std::collections::BTreeMap;
use std::collections::HashMap;

use http::HeaderValue;

use crate::path::extension;

/// What nobody knows is bytes, which a browser saves instead of running it.
const UNKNOWN: &str = "application/octet-stream";

/// Extensions, and the type of each.
const KNOWN: [(&str, &str); 78] = [
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apk", "application/vnd.android.package-archive"),
    ("apng", "image/apng"),
    ("atom", "application/atom+xml"),
    ("avif", "image/avif"),
    ("bin", UNKNOWN),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("cjs", "text/javascript; charset=utf-8"),
    ("conf", "text/plain; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("deb", "application/vnd.debian.binary-package"),
    ("dmg", "application/x-apple-diskimage"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("iso", "application/x-iso9660-image"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("jxl", "image/jxl"),
    ("log", "text/plain; charset=utf-8"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml; charset=utf-8"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml; charset=utf-8"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "text/xml; charset=utf-8"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Types by extension: those that are known, and those that the config has added.
#[derive(Debug)]
pub(crate) struct Types {
    by_extension: HashMap<Box<str>, HeaderValue>,
    unknown: HeaderValue,
}

/// A type of the config's that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "`types` has to name a type such as text/plain for each extension such as txt, was `{extension}: {kind}`"
)]
pub(crate) struct InvalidType {
    extension: String,
    kind: String,
}

impl Types {
    pub(crate) fn new(added: &BTreeMap<String, String>) -> Result<Self, InvalidType> {
        let known =
            KNOWN.iter().map(|(extension, kind)| ((*extension).into(), HeaderValue::from_static(kind)));
        let mut by_extension: HashMap<Box<str>, HeaderValue> = known.collect();
        for (extension, kind) in added {
            let invalid = || InvalidType { extension: extension.clone(), kind: kind.clone() };
            let is_extension = !extension.is_empty() && !extension.contains(['.', '/']);
            let value =
                kind.parse().ok().filter(|_| is_extension && kind.contains('/')).ok_or_else(invalid)?;
            by_extension.insert(extension.to_ascii_lowercase().into(), value);
        }
        Ok(Self { by_extension, unknown: HeaderValue::from_static(UNKNOWN) })
    }

    /// The type of a file.
    pub(crate) fn of(&self, path: &[u8]) -> &HeaderValue {
        self.known(path).unwrap_or(&self.unknown)
    }

    /// The type of a file whose extension is known.
    pub(crate) fn known(&self, path: &[u8]) -> Option<&HeaderValue> {
        let extension = std::str::from_utf8(extension(path)?).ok()?;
        if extension.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.by_extension.get(extension.to_ascii_lowercase().as_str());
        }
        self.by_extension.get(extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_tells_the_type() {
        let types = Types::new(&BTreeMap::from([
            ("FOO".to_owned(), "text/x-foo".to_owned()),
            ("html".to_owned(), "text/html; charset=iso-8859-1".to_owned()),
        ]))
        .unwrap();
        let rows = [
            ("a.js", "text/javascript; charset=utf-8"),
            ("dir/a.JSON", "application/json"),
            ("a.tar.gz", "application/gzip"),
            ("a.foo", "text/x-foo"),
            ("a.html", "text/html; charset=iso-8859-1"),
            ("Makefile", UNKNOWN),
            ("a.", UNKNOWN),
            ("a.unheard-of", UNKNOWN),
        ];
        for (path, expected) in rows {
            assert_eq!(types.of(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(types.of(b"a.\xff"), UNKNOWN);
    }

    #[test]
    fn the_list_is_sorted_and_says_which_text_is_utf_8() {
        assert!(KNOWN.is_sorted(), "so that an extension is found, and stands once");
        for (extension, kind) in KNOWN {
            let is_text = kind.starts_with("text/");
            assert!(!is_text || kind.ends_with("; charset=utf-8"), "{extension}: {kind}");
        }
    }

    #[test]
    fn a_type_that_is_none_is_refused() {
        for (extension, kind) in
            [("txt", "plain"), (".txt", "text/plain"), ("", "text/plain"), ("txt", "text/\nplain")]
        {
            let added = BTreeMap::from([(extension.to_owned(), kind.to_owned())]);
            let error = Types::new(&added).unwrap_err().to_string();
            assert!(error.contains("such as text/plain"), "{error}");
        }
    }
}
