//! Compression: who gets what, what is left alone, and that nothing is held back.

mod choice;
mod nginx;
mod streams;

use std::io::Read as _;
use std::net::SocketAddr;

use headwall_testkit::{Gateway, Reply};

/// A page that is long enough, with something to save.
fn page() -> String {
    (0..300).map(|line| format!("<p>line {line} of a page that is long enough</p>\n")).collect()
}

/// One route with these settings of the filter, on an upstream and beside it a page made here.
async fn compressing(app: SocketAddr, settings: &str) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: site
            filters: [{ compress: ${SETTINGS} }]
            routes:
              - match: { path: /local }
                respond: { content_type: text/html, body: "${PAGE}" }
              - api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#
        .replace("${SETTINGS}", settings)
        .as_str(),
    )
    .variable("APP", app)
    .variable("PAGE", page())
    .start()
    .await
}

/// What a body says once it is decoded by what its head says.
fn decoded(reply: &Reply) -> String {
    decode(reply.header("content-encoding"), &reply.body)
}

fn decode(coding: Option<&str>, body: &[u8]) -> String {
    let mut text = String::new();
    let read = match coding {
        Some("zstd") => zstd::stream::read::Decoder::new(body).unwrap().read_to_string(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some(other) => panic!("{other} is no coding of ours"),
        None => { body }.read_to_string(&mut text),
    };
    assert_eq!(read.unwrap(), text.len());
    text
}
