//! What is compressed, for whom, and what its head says.

use std::process::Stdio;

use headwall_testkit::{Fixed, Gateway, Origin, Response, Seen, Wire};
use tokio::io::AsyncReadExt as _;

use super::{compressing, decoded, page};
use crate::metrics::metric_is;

fn html() -> Fixed {
    Fixed::status(200).header("content-type", "text/html; charset=utf-8").body(page())
}

#[tokio::test]
async fn each_client_gets_the_coding_it_likes_best() {
    let origin = Origin::builder().otherwise(html()).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    let client = gateway.client();
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, br", Some("br")),
        ("gzip", Some("gzip")),
        ("gzip;q=1, br;q=0.9, zstd;q=0", Some("gzip")),
        ("gzip;q=0", None),
        ("identity", None),
    ] {
        for path in ["/app", "/local"] {
            let reply = client.get(path).header("accept-encoding", accept).send().await;
            reply.assert_status(200).assert_header("vary", "Accept-Encoding");
            assert_eq!(reply.header("content-encoding"), expected, "{path} {accept}");
            assert_eq!(decoded(&reply), page(), "{path} {accept}");
            assert_eq!(expected.is_some(), reply.body.len() < page().len() / 4, "{path} {accept}");
        }
    }
    let plain = client.get("/app").send().await;
    plain.assert_no_header("content-encoding").assert_header("vary", "Accept-Encoding");
    metric_is(&gateway, "headwall_compress_responses_total{encoding=\"gzip\",place=\"site\"}", 4.0).await;
}

#[tokio::test]
async fn what_is_not_to_be_compressed_goes_through_untouched() {
    let origin = Origin::builder()
        .otherwise(async |seen: Seen| {
            let typed = |kind: &'static str| Response::new(200).body(kind, page()).header("etag", "\"a\"");
            match seen.path() {
                "/image" => typed("image/png"),
                "/encoded" => typed("text/html").header("content-encoding", "br"),
                "/no-transform" => typed("text/html").header("cache-control", "no-transform"),
                "/part" => typed("text/html").status(206).header("content-range", "bytes 0-1/2"),
                "/events" => typed("text/event-stream"),
                "/grpc" => typed("application/grpc"),
                "/short" => Response::new(200).body("text/html", "short").header("etag", "\"a\""),
                _ => Response::new(304).header("etag", "\"a\""),
            }
        })
        .start()
        .await;
    let gateway = compressing(origin.address(), "{ types: [\"text/*\", \"application/*\"] }").await;
    for path in
        ["/image", "/encoded", "/no-transform", "/part", "/events", "/grpc", "/short", "/not-modified"]
    {
        let (through, direct) = (gateway.client(), headwall_testkit::Client::to(origin.address()));
        let ours = through.get(path).header("accept-encoding", "gzip").send().await;
        let theirs = direct.get(path).header("accept-encoding", "gzip").send().await;
        for name in ["content-encoding", "content-length", "etag", "vary", "accept-ranges"] {
            assert_eq!(ours.header(name), theirs.header(name), "{name} of {path}");
        }
        assert_eq!((ours.status, &ours.body), (theirs.status, &theirs.body), "{path}");
    }
}

#[tokio::test]
async fn the_head_tells_of_the_other_representation() {
    let tagged = html().header("etag", "\"a\"").header("accept-ranges", "bytes");
    let origin = Origin::builder().otherwise(tagged).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    let reply = gateway.client().get("/").header("accept-encoding", "gzip").send().await;
    reply
        .assert_header("etag", "W/\"a\"")
        .assert_no_header("accept-ranges")
        .assert_no_header("content-length");
    let head = gateway.client().head("/").header("accept-encoding", "gzip").send().await;
    for name in ["content-encoding", "etag", "vary", "content-type", "accept-ranges", "content-length"] {
        assert_eq!(head.header(name), reply.header(name), "HEAD has the {name} of GET");
    }
    let plain = gateway.client().get("/").send().await;
    plain.assert_header("etag", "\"a\"").assert_header("accept-ranges", "bytes");
}

#[tokio::test]
async fn what_a_client_has_stored_is_found_again() {
    let origin = Origin::builder().otherwise(Fixed::status(304).header("etag", "\"a\"")).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    let ask = |stored: &'static str| {
        gateway.client().get("/").header("accept-encoding", "gzip").header("if-none-match", stored)
    };
    let reply = ask("W/\"a\"").send().await;
    reply.assert_status(304).assert_header("etag", "W/\"a\"").assert_header("vary", "Accept-Encoding");
    ask("\"a\"").send().await.assert_status(304).assert_header("etag", "\"a\"").assert_no_header("vary");
}

#[tokio::test]
async fn error_pages_and_other_local_replies_have_their_length() {
    let origin = Origin::fixed("unused").await;
    let gateway = compressing(origin.address(), "{ min_size: 1 }").await;
    origin.stop().await;
    let reply = gateway.client().get("/").header("accept-encoding", "gzip").send().await;
    reply.assert_status(502).assert_header("content-encoding", "gzip");
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    assert!(decoded(&reply).starts_with("{\"error\":"), "{}", decoded(&reply));
}

/// RFC 9112, 6.1: nothing comes in chunks. What was made here has its length; the rest ends with the connection.
#[tokio::test]
async fn a_client_of_http_1_0_gets_it_without_chunks() {
    let origin = Origin::builder().otherwise(html()).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    for path in ["/app", "/local"] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("GET {path} HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")).await;
        let head = wire.read_head().await.to_lowercase();
        assert!(head.contains("content-encoding: gzip"), "{path}: {head}");
        assert!(!head.contains("transfer-encoding"), "{path}: {head}");
        let (mut stream, read_ahead) = wire.into_parts();
        let mut body = read_ahead.to_vec();
        stream.read_to_end(&mut body).await.unwrap();
        assert_eq!(super::decode(Some("gzip"), &body), page(), "{path}");
    }
}

#[tokio::test]
async fn a_client_of_http_2_gets_it_too() {
    let origin = Origin::builder().otherwise(html()).start().await;
    let gateway = Gateway::config(
        r#"
        listeners: [{ address: "127.0.0.1:0", http2: true }]
        sites: [{ routes: [{ filters: [{ compress: {} }], api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let reply = gateway.client().http2().get("/").header("accept-encoding", "br").send().await;
    reply.assert_header("content-encoding", "br").assert_no_header("transfer-encoding");
    assert_eq!((reply.version, decoded(&reply)), (http::Version::HTTP_2, page()));
}

#[tokio::test]
async fn a_route_decides_instead_of_its_site() {
    let origin = Origin::builder().otherwise(html()).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - filters: [{ compress: {} }]
            routes:
              - match: { path: /plain }
                filters: [{ compress: { encodings: [] } }]
                api: { upstream: app }
              - match: { path: /gzip }
                filters: [{ compress: { encodings: [gzip] } }]
                api: { upstream: app }
              - api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    for (path, expected) in [("/plain", None), ("/gzip", Some("gzip")), ("/", Some("zstd"))] {
        let reply = gateway.client().get(path).header("accept-encoding", "gzip, zstd").send().await;
        assert_eq!(reply.header("content-encoding"), expected, "{path}");
        assert_eq!(decoded(&reply), page(), "{path}: once and not twice");
    }
}

#[tokio::test]
async fn more_than_may_be_at_once_go_out_as_they_are() {
    let mut feeds = headwall_testkit::Feeds::of("text/plain");
    let origin = Origin::builder().route("/slow", feeds.route()).otherwise(html()).start().await;
    let gateway = compressing(origin.address(), "{ max_active: 1 }").await;
    let slow = gateway.client().get("/slow").header("accept-encoding", "gzip").open().await;
    slow.assert_header("content-encoding", "gzip");
    let feed = feeds.next().await;
    let ask = async || gateway.client().get("/").header("accept-encoding", "gzip").send().await;
    let crowded_out = ask().await;
    crowded_out.assert_no_header("content-encoding").assert_header("vary", "Accept-Encoding");
    assert_eq!(decoded(&crowded_out), page());
    metric_is(&gateway, "headwall_compress_crowded_out_total{place=\"site\"}", 1.0).await;
    feed.end();
    slow.whole().await.unwrap();
    headwall_testkit::eventually(10, async || {
        let reply = ask().await;
        reply.header("content-encoding").map(str::to_owned)
    })
    .await;
}

#[tokio::test]
async fn a_slip_in_the_settings_is_told_with_its_place() {
    for (settings, expected) in [
        ("{ types: [text] }", "was `text`"),
        ("{ encodings: [gzip, gzip] }", "`gzip` is named twice"),
        ("{ levels: { br: 11 } }", "6"),
        ("{ encodings: [deflate] }", "deflate"),
    ] {
        let config =
            format!("sites: [{{ routes: [{{ filters: [{{ compress: {settings} }}], respond: {{}} }}] }}]");
        let error = Gateway::config(&config).try_start().await.unwrap_err();
        assert!(error.contains(expected) && error.contains("--> test.yaml:"), "{settings}: {error}");
    }
}

/// curl has decoders of its own for all three.
#[tokio::test]
async fn curl_understands_all_of_it() {
    let known = std::process::Command::new("curl").arg("--version").stderr(Stdio::null()).output();
    let Ok(known) = known else {
        crate::real_peers::skip("curl is not installed");
        return;
    };
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let origin = Origin::builder().otherwise(html()).start().await;
    for (coding, feature) in [("gzip", "libz"), ("br", "brotli"), ("zstd", "zstd")] {
        if !known.contains(feature) {
            crate::real_peers::skip(&format!("this curl has no {feature}"));
            continue;
        }
        let gateway = compressing(origin.address(), &format!("{{ encodings: [{coding}] }}")).await;
        for path in ["/app", "/local"] {
            let url = format!("http://{}{path}", gateway.address());
            let shown = crate::real_peers::curl(&["--compressed", "--include", &url]).await;
            assert!(shown.to_lowercase().contains(&format!("content-encoding: {coding}")), "{shown}");
            assert!(shown.ends_with(&page()), "{coding} of {path}");
        }
    }
}
