//! The everyday: a page, its assets, a download.

use headwall_testkit::Client;
use http::Method;

use super::{Site, write};

const FILES: &str = "files: { root: \"{root}\", cache_control: \"max-age=60\" }";

fn page(root: &std::path::Path) {
    write(
        root,
        &[
            ("index.html", "<p>hello"),
            ("app.js", "let a"),
            ("docs/index.html", "docs"),
            ("docs/a b.txt", "a b"),
        ],
    );
    write(root, &[("app.js.br", "as br"), ("app.js.gz", "as gz"), ("app.js.zst", "as zst")]);
}

#[tokio::test]
async fn a_file_is_what_it_is_and_says_so() {
    let site = Site::with(FILES, page).await;
    let reply = site.client().get("/").send().await;
    reply
        .assert_status(200)
        .assert_text("<p>hello")
        .assert_header("content-type", "text/html; charset=utf-8")
        .assert_header("content-length", "8")
        .assert_header("accept-ranges", "bytes")
        .assert_header("cache-control", "max-age=60")
        .assert_header("x-content-type-options", "nosniff")
        .assert_no_header("vary");
    assert!(reply.header("etag").is_some_and(|tag| tag.starts_with('"')), "a strong tag");
    let head = site.client().head("/docs/a%20b.txt").send().await;
    head.assert_status(200).assert_text("").assert_header("content-length", "3");
    head.assert_header("content-type", "text/plain; charset=utf-8");
    let log = site.gateway.stop().await;
    assert_eq!(
        (&log[0]["status"], &log[0]["bytes_sent"], &log[0]["reason"]),
        (&200.into(), &8.into(), &().into())
    );
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let site = Site::with(FILES, page).await;
    let first = site.client().get("/app.js").send().await;
    let again =
        site.client().get("/app.js").header("if-none-match", first.header("etag").unwrap()).send().await;
    again
        .assert_status(304)
        .assert_text("")
        .assert_header("cache-control", "max-age=60")
        .assert_header("vary", "Accept-Encoding");
    again.assert_header("etag", first.header("etag").unwrap()).assert_no_header("content-length");
    again.assert_no_header("content-type").assert_no_header("content-encoding");
    let since =
        site.client().get("/app.js").header("if-modified-since", first.header("last-modified").unwrap());
    since.send().await.assert_status(304);
}

#[tokio::test]
async fn the_compressed_form_that_the_client_prefers_is_sent() {
    let site = Site::with(FILES, page).await;
    let mut tags = Vec::new();
    for (accept, encoding, text) in [
        ("gzip, deflate, br, zstd", Some("br"), "as br"),
        ("gzip, zstd", Some("zstd"), "as zst"),
        ("gzip, br;q=0.5", Some("gzip"), "as gz"),
        ("br;q=0", None, "let a"),
        ("deflate", None, "let a"),
    ] {
        let reply = site.client().get("/app.js").header("accept-encoding", accept).send().await;
        reply.assert_status(200).assert_text(text).assert_header("vary", "Accept-Encoding");
        reply.assert_header("content-type", "text/javascript; charset=utf-8");
        assert_eq!(reply.header("content-encoding"), encoding, "{accept}");
        tags.push(reply.header("etag").unwrap().to_owned());
        let known = site
            .client()
            .get("/app.js")
            .header("accept-encoding", accept)
            .header("if-none-match", &tags[0])
            .send();
        assert_eq!(known.await.status == 304, text == "as br", "each form has a tag of its own: {accept}");
    }
    let range = site
        .client()
        .get("/app.js")
        .header("accept-encoding", "gzip")
        .header("range", "bytes=3-")
        .send()
        .await;
    range.assert_status(206).assert_text("gz").assert_header("content-encoding", "gzip");
}

#[tokio::test]
async fn a_part_of_a_file_can_be_had() {
    let letters = "abcdefghijklmnopqrstuvwxyz".repeat(20_000);
    let large = letters.clone();
    let site =
        Site::with(FILES, move |root| write(root, &[("large.txt", &large), ("small.txt", &large[..260])]))
            .await;
    for (path, size) in [("/large.txt", 520_000), ("/small.txt", 260)] {
        let get = |range: &str| site.client().get(path).header("range", range).send();
        let one = get("bytes=26-51").await;
        one.assert_status(206)
            .assert_text("abcdefghijklmnopqrstuvwxyz")
            .assert_header("content-length", "26");
        one.assert_header("content-range", &format!("bytes 26-51/{size}"));
        get("bytes=-2").await.assert_status(206).assert_text("yz");
        let several = get("bytes=0-1,130-131").await;
        let kind = several.assert_status(206).header("content-type").unwrap().to_owned();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range: &str, text: &str| {
            format!(
                "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/{size}\r\n\r\n{text}"
            )
        };
        several.assert_text(&format!("{}{}\r\n--{boundary}--\r\n", part("0-1", "ab"), part("130-131", "ab")));
        several.assert_header("content-length", &several.body.len().to_string());
        let beyond = get("bytes=1000000-").await;
        beyond.assert_status(416).assert_header("content-range", &format!("bytes */{size}"));
        let many: Vec<_> = (0..100).map(|n| format!("{n}-{n}")).collect();
        get(&format!("bytes={}", many.join(","))).await.assert_status(200);
    }
    let whole = site.client().get("/large.txt").send().await;
    assert!(whole.text() == letters, "every byte, in order");
    let http2 = site.client().http2().get("/large.txt").send().await;
    assert!(http2.assert_header("content-length", "520000").text() == letters, "over HTTP/2 too");
    let range = site
        .client()
        .get("/large.txt")
        .header("range", "bytes=0-")
        .header("if-range", "\"other\"")
        .send()
        .await;
    range.assert_status(200).assert_header("content-length", "520000");
}

#[tokio::test]
async fn a_directory_is_sent_to_with_its_slash_and_nowhere_else() {
    let site = Site::with(FILES, page).await;
    for (path, location) in [
        ("/docs", "/docs/"),
        ("/docs?x=1&y", "/docs/?x=1&y"),
        ("/%64ocs", "/docs/"),
        ("//docs", "/docs/"),
        ("/x/..//docs", "/docs/"),
    ] {
        site.client().get(path).send().await.assert_status(301).assert_header("location", location);
    }
    site.client().get("/docs/").send().await.assert_status(200).assert_text("docs");
    site.client().get("/app.js/").send().await.assert_status(404);
}

#[tokio::test]
async fn a_prefix_is_taken_off() {
    let route = "match: { path_prefix: /static }, files: { root: \"{root}\", strip_prefix: /static }";
    let site = Site::with(route, page).await;
    site.client().get("/static/app.js").send().await.assert_status(200).assert_text("let a");
    site.client().get("/static").send().await.assert_status(301).assert_header("location", "/static/");
    site.client().get("/static/").send().await.assert_status(200).assert_text("<p>hello");
    site.client()
        .get("/static/docs")
        .send()
        .await
        .assert_status(301)
        .assert_header("location", "/static/docs/");
}

#[tokio::test]
async fn candidates_are_tried_in_order() {
    let settings = "files: { root: \"{root}\", try: [\"{path}\", \"{path}.html\", /fallback.html] }";
    let site = Site::with(settings, |root| {
        write(
            root,
            &[
                ("about.html", "about"),
                ("both", "itself"),
                ("both.html", "page"),
                ("fallback.html", "fallback"),
            ],
        );
        std::fs::create_dir(root.join("empty")).unwrap();
    })
    .await;
    for (path, text) in [
        ("/about", "about"),
        ("/both", "itself"),
        ("/nothing", "fallback"),
        ("/empty/", "fallback"),
        ("/", "fallback"),
    ] {
        // Twice: from the disk, and from memory.
        for _ in 0..2 {
            site.client().get(path).send().await.assert_status(200).assert_text(text);
        }
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let site = Site::with(FILES, page).await;
    for (method, path, status) in [
        (Method::POST, "/app.js", 405),
        (Method::PUT, "/new.txt", 405),
        (Method::DELETE, "/app.js", 405),
        (Method::OPTIONS, "/app.js", 204),
    ] {
        let reply = site.client().request(method, path).send().await;
        reply.assert_status(status).assert_header("allow", "GET, HEAD, OPTIONS");
    }
    assert!(site.root().join("app.js").exists());
    let log = site.gateway.stop().await;
    assert_eq!(log[0]["reason"], "method_not_allowed");
}

#[tokio::test]
async fn a_directory_can_be_listed() {
    let site = Site::with("files: { root: \"{root}\", listing: true }", |root| {
        write(root, &[("dir/b.txt", "bb"), ("dir/<i>.txt", ""), ("dir/sub/x", ""), ("dir/.env", "secret")]);
        std::os::unix::fs::symlink("/etc/passwd", root.join("dir/leaves")).unwrap();
    })
    .await;
    site.client().get("/dir").send().await.assert_status(301).assert_header("location", "/dir/");
    let page = site.client().get("/dir/").header("accept", "text/html").send().await;
    page.assert_status(200)
        .assert_header("content-type", "text/html; charset=utf-8")
        .assert_header("cache-control", "no-cache");
    let text = page.text();
    assert!(
        text.contains("<a href=\"./%3Ci%3E.txt\">&lt;i&gt;.txt</a>") && text.contains("./sub/"),
        "{text}"
    );
    assert!(!text.contains(".env") && !text.contains("leaves"), "only what would be served: {text}");
    let json = site.client().get("/dir/").header("accept", "application/json").send().await;
    let json = json.assert_status(200).assert_header("vary", "Accept").json();
    let names: Vec<_> =
        json.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sub", "<i>.txt", "b.txt"]);
    assert_eq!((&json[2]["type"], &json[2]["size"]), (&"file".into(), &2.into()));
}

#[tokio::test]
async fn old_clients_get_files_without_chunks() {
    let large = "x".repeat(300_000);
    let site = Site::with(FILES, |root| write(root, &[("large.txt", &large)])).await;
    let mut wire = headwall_testkit::Wire::connect(site.gateway.address()).await;
    wire.write("GET /large.txt HTTP/1.0\r\n\r\n").await;
    let head = wire.read_head().await.to_ascii_lowercase();
    assert!(head.contains("content-length: 300000") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(wire.read_to_end().await, large);
}

#[tokio::test]
async fn many_files_go_over_one_connection() {
    let site = Site::with(FILES, page).await;
    let client = Client::connect(site.gateway.address()).await;
    for _ in 0..3 {
        client.get("/app.js").send().await.assert_text("let a");
        client.get("/missing").send().await.assert_status(404);
        client.head("/app.js").send().await.assert_status(200);
        client.get("/app.js").header("range", "bytes=0-1").send().await.assert_text("le");
    }
    assert_eq!(site.gateway.metric("headwall_connections_accepted_total"), Some(1.0));
}
