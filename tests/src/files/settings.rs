//! Settings that nothing can be served by are refused at their place, and what may not be read is.

use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use headwall_testkit::Gateway;

use crate::command_line::process::{Process, dir_with, headwall};

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

#[tokio::test]
async fn a_check_finds_a_root_that_is_missing() {
    let config = "sites: [{ routes: [{ spa: { root: ./dist } }] }]\n";
    let dir = dir_with("headwall.yaml", config);
    let check = async || headwall(dir.path(), &["check", "headwall.yaml"]).await;
    let missing = check().await;
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("headwall.yaml:1:") && missing.err.contains("./dist: No such file"),
        "{}",
        missing.err
    );
    create_dir(dir.path().join("dist")).unwrap();
    assert!(check().await.err.contains("there is no index.html in ./dist"));
    write(dir.path().join("dist/index.html"), "").unwrap();
    assert_eq!(check().await.code, Some(0));
    let explained =
        headwall(dir.path(), &["explain", "--config", "headwall.yaml", "GET", "http://a/x"]).await.out;
    assert!(explained.contains("the files below ./dist, and index.html for navigations"), "{explained}");
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_forbidden() {
    let config = "listeners: [{ address: \"127.0.0.1:0\" }]\nadmin: { address: \"127.0.0.1:0\" }\n\
        sites: [{ routes: [{ files: { root: files } }] }]\n";
    let dir = dir_with("headwall.yaml", config);
    let allow =
        |name: &str, mode| set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
    create_dir(dir.path().join("files")).unwrap();
    create_dir(dir.path().join("files/closed")).unwrap();
    for name in ["files/open.txt", "files/shut.txt", "files/closed/a.txt"] {
        write(dir.path().join(name), "text").unwrap();
    }
    for (name, mode) in [("", 0o755), ("files", 0o755), ("files/shut.txt", 0), ("files/closed", 0)] {
        allow(name, mode);
    }
    let may_do_everything = std::fs::read(dir.path().join("files/shut.txt")).is_ok();
    let args = ["run", "--config", "headwall.yaml"];
    let mut server =
        if may_do_everything { Process::start_as_nobody(&args, dir) } else { Process::start(&args, dir) };
    server.hears(" is serving").await;
    for (path, status) in [("/open.txt", 200), ("/shut.txt", 403), ("/closed/a.txt", 403), ("/closed/", 403)]
    {
        let reply = server.client().get(path).send().await;
        assert_eq!(reply.status, status, "{path}");
        assert!(
            !reply.text().contains("shut") && !reply.text().contains("closed"),
            "nothing from the inside"
        );
    }
    // So that the directory can be removed.
    set_permissions(server.path("files/closed"), Permissions::from_mode(0o755)).unwrap();
}
