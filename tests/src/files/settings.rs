//! Settings that nothing can be served by are refused at their place.

use headwall_testkit::Gateway;

#[tokio::test]
async fn what_cannot_be_served_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let rows = [
        ("files: { root: \"{dir}/missing\" }", "`root` has to be a directory that can be read"),
        ("files: { root: \"{dir}/file\" }", "Not a directory"),
        ("files: {}", "the key `root` is missing"),
        ("files: { root: \"{dir}\", indx: [a] }", "index"),
        ("files: { root: \"{dir}\", try: [\"fallback.html\"] }", "such as `{path}`"),
        ("files: { root: \"{dir}\", try: [] }", "try"),
        ("files: { root: \"{dir}\", index: [a/b.html] }", "such as index.html"),
        ("files: { root: \"{dir}\", types: { txt: plain } }", "such as text/plain"),
        ("files: { root: \"{dir}\", immutable: \"(\" }", "regular expression"),
        ("files: { root: \"{dir}\", cache_control: \"a\\nb\" }", "the value of a header"),
        ("files: { root: \"{dir}\", strip_prefix: static }", "such as /static"),
        ("files: { root: \"{dir}\", precompressed: [deflate] }", "gzip"),
        ("files: { root: \"{dir}\", memory: { file_size: 2m } }", "at most 1m"),
        ("spa: { root: \"{dir}\" }", "there is no index.html in"),
        ("spa: { root: \"{dir}\", shell: ../x }", "such as index.html"),
    ];
    for (service, expected) in rows {
        let service = service.replace("{dir}", &dir.path().display().to_string());
        let why = Gateway::config(&format!("sites: [{{ routes: [{{ {service} }}] }}]")).try_start().await;
        let why = why.err().unwrap_or_else(|| panic!("{service} is taken"));
        assert!(why.contains(expected), "{service}: {why}");
        assert!(why.contains("test.yaml:6:"), "at its place: {why}");
    }
}
