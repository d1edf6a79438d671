//! The same requests for the same files, to Headwall and to nginx.
//!
//! Where the two answer alike there is nothing to say; where they do not, the row says why. The table is a part of the
//! handbook, with both answers (`UPDATE_EXPECT=1` writes it anew).

mod answer;
mod rows;

use std::fs::{File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use headwall_testkit::Gateway;

use self::answer::{Answer, ask};
use self::rows::{ROWS, Row};
use super::write;
use crate::nginx::Nginx;
use crate::tidy::files;

const PAGE: &str = "docs/src/reference/beside-nginx.md";
const HEAD: &str = "# Files: beside nginx

<!-- Written by the test `files::beside_nginx`; UPDATE_EXPECT=1 writes it anew. -->

The same requests for the same files, to Headwall and to nginx 1.22 with `gzip_static` and a charset. Compared are the status,
the fields that say something about the file, which validators there are (`tag`, `date`), and the body. The date of every
file is Sun, 06 Nov 1994 08:49:37 GMT; `{tag}` stands for the entity tag that each server has told before. Pages of errors are
each server's own.

";

/// What nginx needs to be told to do what Headwall does anyway.
const SERVER: &str = r#"
    types {
        text/html html; text/css css; text/javascript js; application/json json; text/plain txt; image/svg+xml svg;
        image/png png; application/gzip gz;
    }
    default_type application/octet-stream;
    charset utf-8; charset_types text/css text/plain text/javascript image/svg+xml;
    gzip_static on; gzip_vary on;
    location /listing/ { autoindex on; }
    location /try/ { try_files $uri $uri.html /fallback.html; }
"#;
const CONFIG: &str = r#"
    sites:
      - routes:
          - match: { path_prefix: /listing }
            files: { root: "${ROOT}", listing: true }
          - match: { path_prefix: /try }
            files: { root: "${ROOT}", try: ["{path}", "{path}.html", /fallback.html] }
          - files: { root: "${ROOT}" }
"#;

/// When every file was changed: Sun, 06 Nov 1994 08:49:37 GMT.
const CHANGED: u64 = 784_111_777;

fn tree(root: &Path) {
    write(
        root,
        &[
            ("index.html", "<p>home"),
            ("alpha.txt", "abcdefghijklmnopqrstuvwxyz"),
            ("empty.txt", ""),
            ("app.js", "let app"),
            ("app.js.gz", "app as gz"),
            ("only.js.gz", "no plain one"),
            ("style.css", "p{}"),
            ("data.json", "{}"),
            ("logo.svg", "<svg/>"),
            ("UPPER.TXT", "upper"),
            ("unheard.of", "?"),
            ("noextension", "?"),
            ("sub/index.html", "<p>sub"),
            ("sub/a.txt", "a"),
            ("noindex/a.txt", "a"),
            ("listing/a.txt", "a"),
            ("try/page.html", "<p>page"),
            ("try/dir/index.html", "<p>dir"),
            ("try/empty/x", ""),
            ("fallback.html", "<p>fallback"),
            (".env", "secret"),
            (".well-known/security.txt", "Contact:"),
            ("a b.txt", "a b"),
            ("100%.txt", "100%"),
            ("q?.txt", "q?"),
            ("a\\b.txt", "a\\b"),
            ("é.txt", "é"),
            ("../secret.txt", "secret"),
        ],
    );
    write(root, &[("large.txt", &"0123456789".repeat(30_000))]);
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff.txt")), "no UTF-8").unwrap();
    for path in below(root) {
        let changed = UNIX_EPOCH + Duration::from_secs(CHANGED);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(FileTimes::new().set_modified(changed))
            .unwrap();
    }
    symlink("alpha.txt", root.join("link.txt")).unwrap();
    symlink("sub", root.join("linked")).unwrap();
    symlink("../secret.txt", root.join("out.txt")).unwrap();
    symlink(root.join("alpha.txt"), root.join("absolute.txt")).unwrap();
    symlink("nowhere", root.join("dangling.txt")).unwrap();
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_nginxs_or_the_table_says_why_it_is_not() {
    let Some(nginx) = Nginx::start("", SERVER, tree).await else { return };
    let gateway = Gateway::config(CONFIG).variable("ROOT", nginx.files().display()).start().await;
    assert!(ROWS.len() >= 80, "{} rows", ROWS.len());
    let mut table = String::from("| request | nginx | Headwall | why |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for row in ROWS {
        let theirs = ask(nginx.address(), row).await;
        let ours = ask(gateway.address(), row).await;
        match (ours == theirs, row.why) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(why)) => wrong.push(format!("{row}: both say {ours}, although {why}")),
            (false, None) => wrong.push(format!("{row}\n  nginx    {theirs}\n  Headwall {ours}")),
        }
        table.push_str(&line(row, &theirs, &ours));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let page = format!("{HEAD}{table}");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(files::root().join(PAGE), page).unwrap();
    } else {
        assert!(
            files::read(PAGE) == page,
            "{PAGE} has other answers; UPDATE_EXPECT=1 writes it anew:\n{page}"
        );
    }
}

fn line(row: &Row, theirs: &Answer, ours: &Answer) -> String {
    let code = |text: String| format!("`{}`", text.replace('|', "\\|"));
    let ours = if ours == theirs { "the same".to_owned() } else { code(ours.to_string()) };
    format!(
        "| {} | {} | {ours} | {} |\n",
        code(row.to_string()),
        code(theirs.to_string()),
        row.why.unwrap_or_default()
    )
}
