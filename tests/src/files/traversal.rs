//! Nothing but the files below the root, however it is asked for.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use headwall_testkit::Wire;

use super::{Site, write};

/// What people have talked servers out of their roots with.
const ATTEMPTS: [&str; 40] = [
    "/../secret.txt",
    "/../../../../../../etc/passwd",
    "/a/../../secret.txt",
    "/a/b/../../../secret.txt",
    "/..;/secret.txt",
    "/.../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/.%2e/secret.txt",
    "/%2e./secret.txt",
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/a%2f..%2f..%2fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/a\\..\\..\\secret.txt",
    "/%2e%2e%5csecret.txt",
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/..%252fsecret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%ae%c0%ae%c0%afsecret.txt",
    "/..%c0%afsecret.txt",
    "/..%ef%bc%8fsecret.txt",
    "/%uff0e%uff0e/secret.txt",
    "//../secret.txt",
    "///../../secret.txt",
    "/./../secret.txt",
    "/a/./../../secret.txt",
    "/a/..//../secret.txt",
    "/leaves/secret.txt",
    "/leaves-absolutely/secret.txt",
    "/link-to-secret",
    "/secret.txt%00.html",
    "/..%00/secret.txt",
    "/a/%00/../../secret.txt",
    "http://x/../secret.txt",
    "/proc/self/cwd/etc/passwd",
    "/.hidden/secret.txt",
];

fn trap(root: &std::path::Path) {
    write(
        root,
        &[("index.html", "home"), ("a/b/c.txt", "c"), (".hidden/secret.txt", "SECRET"), (".env", "SECRET")],
    );
    std::fs::write(root.join("../secret.txt"), "SECRET").unwrap();
    symlink("..", root.join("leaves")).unwrap();
    symlink(root.parent().unwrap(), root.join("leaves-absolutely")).unwrap();
    symlink("../secret.txt", root.join("link-to-secret")).unwrap();
}

/// Status and body of a raw request.
async fn ask(site: &Site, target: &[u8]) -> (u16, String) {
    let mut wire = Wire::connect(site.gateway.address()).await;
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat();
    wire.write(request).await;
    let reply = wire.read_to_end().await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    (head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
}

#[tokio::test]
async fn nothing_leaves_the_root() {
    for settings in ["files: { root: \"{root}\", listing: true }", "spa: { root: \"{root}\" }"] {
        let site = Site::with(settings, trap).await;
        for attempt in ATTEMPTS {
            let (status, body) = ask(&site, attempt.as_bytes()).await;
            assert!(matches!(status, 400 | 404), "{settings}: {attempt}: {status} {body}");
            assert!(!body.contains("SECRET") && !body.contains("root:"), "{settings}: {attempt}: {body}");
        }
        assert_eq!(ask(&site, b"/a/b/c.txt").await, (200, "c".to_owned()), "what is there is there");
    }
}

#[tokio::test]
async fn a_link_that_stays_below_the_root_is_followed() {
    let site = Site::with("files: { root: \"{root}\" }", |root| {
        trap(root);
        symlink("b/c.txt", root.join("a/link")).unwrap();
        symlink("a/b", root.join("short")).unwrap();
    })
    .await;
    assert_eq!(ask(&site, b"/a/link").await, (200, "c".to_owned()));
    assert_eq!(ask(&site, b"/short/c.txt").await, (200, "c".to_owned()));
}

#[tokio::test]
async fn hidden_files_are_there_for_those_who_ask_for_them_in_the_config() {
    let well_known = |root: &std::path::Path| {
        trap(root);
        write(root, &[(".well-known/security.txt", "Contact:")]);
    };
    let site = Site::with("files: { root: \"{root}\" }", well_known).await;
    for path in ["/.env", "/.hidden/secret.txt", "/.hidden/", "/%2Eenv"] {
        site.client().get(path).send().await.assert_status(404);
    }
    site.client().get("/.well-known/security.txt").send().await.assert_status(200);
    let site = Site::with("files: { root: \"{root}\", hidden: true }", trap).await;
    site.client().get("/.env").send().await.assert_status(200);
}

#[tokio::test]
async fn names_are_bytes() {
    let site = Site::with("files: { root: \"{root}\" }", |root| {
        for name in [
            b"\xff.txt".as_slice(),
            b"100%.txt",
            b"a\\b.txt",
            b"q?#.txt",
            "\u{e9}.txt".as_bytes(),
            b"new\nline.txt",
        ] {
            std::fs::write(root.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
        }
    })
    .await;
    for (target, name) in [
        ("/%FF.txt", b"\xff.txt".as_slice()),
        ("/100%25.txt", b"100%.txt"),
        ("/a%5Cb.txt", b"a\\b.txt"),
        ("/q%3F%23.txt", b"q?#.txt"),
        ("/%C3%A9.txt", "\u{e9}.txt".as_bytes()),
        ("/new%0Aline.txt", b"new\nline.txt"),
    ] {
        let reply = site.client().get(target).send().await;
        assert_eq!(reply.assert_status(200).body, name, "{target}");
    }
}

#[tokio::test]
async fn what_is_no_name_is_answered() {
    let site = Site::with("files: { root: \"{root}\" }", trap).await;
    let long = format!("/{}", "x".repeat(300));
    let deep = "/x".repeat(3000);
    for (target, status) in
        [(long.as_str(), 404), (&deep, 404), ("/a%00b", 400), ("/%", 400), ("/a\x01b", 400)]
    {
        assert_eq!(ask(&site, target.as_bytes()).await.0, status, "{target:.20}");
    }
}
