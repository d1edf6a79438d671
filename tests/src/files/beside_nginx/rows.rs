//! The requests, and why some are answered differently.

use std::fmt;

/// A request to both.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    /// `{tag}` is the entity tag that the server itself has told.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Why the answers differ. They are the same where nothing is said.
    pub(super) why: Option<&'static str>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, "; {name}: {value}"))
    }
}

type Headers = &'static [(&'static str, &'static str)];

const fn get(target: &'static str) -> Row {
    Row { method: "GET", target, headers: &[], why: None }
}

const fn with(target: &'static str, headers: Headers) -> Row {
    Row { method: "GET", target, headers, why: None }
}

impl Row {
    const fn but(self, why: &'static str) -> Self {
        Self { why: Some(why), ..self }
    }

    const fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }
}

const EXACT: &str = "nginx takes only the very date; RFC 9110, 13.1.3 has a later one mean the same";
const METHODS: &str = "a 405 says which methods there are (RFC 9110, 15.5.6)";
const FIRST: &str = "a HEAD has no ranges (RFC 9110, 14.2)";

/// The date of every file is Sun, 06 Nov 1994 08:49:37 GMT.
pub(super) const ROWS: &[Row] = &[
    // What is there.
    get("/"),
    get("/index.html"),
    get("/alpha.txt"),
    get("/empty.txt"),
    get("/style.css"),
    get("/data.json"),
    get("/logo.svg"),
    get("/UPPER.TXT"),
    get("/unheard.of"),
    get("/noextension"),
    get("/large.txt"),
    get("/alpha.txt?v=1"),
    get("/a%20b.txt"),
    get("/%61lpha.txt"),
    get("/100%25.txt"),
    get("/q%3F.txt"),
    get("/a%5Cb.txt"),
    get("/%C3%A9.txt"),
    get("/%FF.txt"),
    get("/.well-known/security.txt"),
    get("/only.js.gz"),
    get("/").by("HEAD"),
    get("/alpha.txt").by("HEAD"),
    get("/large.txt").by("HEAD"),
    get("/missing").by("HEAD"),
    // Other methods.
    get("/alpha.txt").by("POST").but(METHODS),
    get("/alpha.txt").by("PUT").but(METHODS),
    get("/alpha.txt").by("DELETE").but(METHODS),
    get("/alpha.txt").by("OPTIONS").but("OPTIONS is answered, as RFC 9110, 9.3.7 has it"),
    // Directories.
    get("/sub/"),
    get("/sub"),
    get("/sub?x=1&y=2"),
    get("/linked"),
    get("/linked/"),
    get("/noindex/").but("a directory without an index is not there; 403 would say that it is"),
    get("/noindex").but("nor is anybody sent there"),
    get("/alpha.txt/"),
    get("/alpha.txt/x"),
    get("/missing/"),
    get("/listing/").but("the pages look different; Headwall has one for programs too"),
    get("/listing"),
    get("//sub"),
    get("/sub//a.txt"),
    get("/sub/./a.txt"),
    get("/x/../sub/a.txt"),
    get("/sub/../alpha.txt"),
    // What is not there, or is not for everybody.
    get("/missing.txt"),
    get("/.env").but("hidden files are served by nginx unless a location forbids it"),
    get("/link.txt"),
    get("/out.txt").but("a link that leaves the root is followed by nginx"),
    get("/absolute.txt").but("an absolute link leaves the root, wherever it leads"),
    get("/dangling.txt"),
    get("/../secret.txt").but("nginx refuses a path that climbs above the root; here the climb ends at the root, and there is no such file"),
    get("/%2e%2e/secret.txt").but("the same"),
    get("/..%2fsecret.txt").but("nginx decodes the slash and refuses; to Headwall it is a character that no name can have"),
    get("/sub%2Fa.txt").but("an escaped slash does not part names: what was matched is what is served"),
    get("/alpha.txt%00"),
    get("/%"),
    get("/%252e%252e/secret.txt"),
    // Candidates.
    get("/try/page"),
    get("/try/page.html"),
    get("/try/missing"),
    get("/try/dir/").but("`$uri` alone does not try a directory; a candidate does, for its index"),
    get("/try/empty/"),
    // Conditions.
    with("/alpha.txt", &[("If-None-Match", "{tag}")]),
    with("/alpha.txt", &[("If-None-Match", "W/{tag}")]),
    with("/alpha.txt", &[("If-None-Match", "\"other\", {tag}")]),
    with("/alpha.txt", &[("If-None-Match", "\"other\"")]),
    with("/alpha.txt", &[("If-None-Match", "*")]),
    with("/alpha.txt", &[("If-None-Match", "{tag}")]).by("HEAD"),
    with("/alpha.txt", &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    with("/alpha.txt", &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")]),
    with("/alpha.txt", &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:38 GMT")]).but(EXACT),
    with("/alpha.txt", &[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")]),
    with("/alpha.txt", &[("If-Modified-Since", "never")]),
    with("/alpha.txt", &[("If-None-Match", "\"other\""), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    with("/alpha.txt", &[("If-None-Match", "{tag}"), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")])
        .but("a tag makes the condition on the date void (RFC 9110, 13.2.2); nginx wants both"),
    with("/alpha.txt", &[("If-Match", "{tag}")]),
    with("/alpha.txt", &[("If-Match", "\"other\"")]),
    with("/alpha.txt", &[("If-Match", "W/{tag}")]),
    with("/alpha.txt", &[("If-Match", "*")]),
    with("/alpha.txt", &[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    with("/alpha.txt", &[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")]),
    with("/alpha.txt", &[("If-Match", "\"other\""), ("If-None-Match", "{tag}")]),
    // Ranges.
    with("/alpha.txt", &[("Range", "bytes=0-4")]),
    with("/alpha.txt", &[("Range", "bytes=20-")]),
    with("/alpha.txt", &[("Range", "bytes=-3")]),
    with("/alpha.txt", &[("Range", "bytes=0-0")]),
    with("/alpha.txt", &[("Range", "bytes=0-1000")]),
    with("/alpha.txt", &[("Range", "bytes=26-")]),
    with("/alpha.txt", &[("Range", "bytes=-0")]),
    with("/alpha.txt", &[("Range", "bytes=5-1")]).but("a Range that is none is ignored, as RFC 9110, 14.2 lets a server do"),
    with("/alpha.txt", &[("Range", "bytes=x")]).but("the same"),
    with("/alpha.txt", &[("Range", "lines=0-1")]),
    with("/alpha.txt", &[("Range", "bytes=0-4")]).by("HEAD").but(FIRST),
    with("/empty.txt", &[("Range", "bytes=0-")]),
    with("/large.txt", &[("Range", "bytes=299990-")]),
    with("/large.txt", &[("Range", "bytes=0-4,1000-1004")]),
    with("/large.txt", &[("Range", "bytes=1000-1004,0-4")]),
    with("/large.txt", &[("Range", "bytes=0-4,2-6")]).but("ranges that overlap are sent as one (RFC 9110, 15.3.7.2)"),
    with("/large.txt", &[("Range", "bytes=0-4,900000-")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-Range", "{tag}")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-Range", "\"other\"")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-Range", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-Range", "Sun, 06 Nov 1994 08:49:38 GMT")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-None-Match", "{tag}")]),
    with("/alpha.txt", &[("Range", "bytes=0-4"), ("If-Match", "\"other\"")]),
    // Compressed beforehand.
    get("/app.js"),
    with("/app.js", &[("Accept-Encoding", "gzip")]),
    with("/app.js", &[("Accept-Encoding", "gzip")]).by("HEAD"),
    with("/app.js", &[("Accept-Encoding", "gzip, deflate, br")]),
    with("/app.js", &[("Accept-Encoding", "gzip;q=0")]),
    with("/app.js", &[("Accept-Encoding", "gzip;q=0.5")]),
    with("/app.js", &[("Accept-Encoding", "identity, gzip;q=0.5")]).but("the client prefers the file as it is; nginx knows only whether gzip is allowed"),
    with("/app.js", &[("Accept-Encoding", "*")]).but("anything is wanted, so the shortest is sent"),
    with("/app.js", &[("Accept-Encoding", "br")]),
    with("/app.js", &[("Accept-Encoding", "gzip"), ("Range", "bytes=0-2")]).but("the compressed form has ranges like any other"),
    with("/alpha.txt", &[("Accept-Encoding", "gzip")]),
    get("/only.js"),
];
