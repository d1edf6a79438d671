//! The same requests to nginx with `gzip on` and to Headwall in front of the same files. Two differences are on purpose and
//! not asked about here: nginx takes `*` for nothing that it knows, and its answer to `HEAD` does not tell of gzip.

use headwall_testkit::{Client, Gateway};

use super::{decoded, page};
use crate::nginx::Nginx;

#[tokio::test]
async fn gzip_is_chosen_as_by_nginx() {
    let fill = |dir: &std::path::Path| {
        for (name, text) in [
            ("page.html", page()),
            ("data.json", page()),
            ("short.html", "short".to_owned()),
            ("image.png", page()),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
    };
    let types = "types { text/html html; application/json json; image/png png; }";
    let compressing =
        format!("{types} gzip on; gzip_vary on; gzip_min_length 1000; gzip_types application/json;");
    let Some(theirs) = Nginx::start("", &compressing, fill).await else { return };
    let Some(files) = Nginx::start("", types, fill).await else { return };
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ filters: [{ compress: { encodings: [gzip] } }], api: { upstream: files } }] }]
        upstreams: { files: { servers: ["${FILES}"] } }
        "#,
    )
    .variable("FILES", format!("127.0.0.1:{}", files.address().port()))
    .start()
    .await;
    let nginx = Client::to(format!("127.0.0.1:{}", theirs.address().port()).parse().unwrap());
    for path in ["/page.html", "/data.json", "/short.html", "/image.png", "/missing"] {
        for accept in [None, Some("gzip"), Some("gzip;q=0"), Some("br"), Some("br, gzip;q=0.1")] {
            let ask = async |client: &Client| {
                let call = client.get(path);
                match accept {
                    Some(accept) => call.header("accept-encoding", accept),
                    None => call,
                }
                .send()
                .await
            };
            let (a, b) = (ask(&gateway.client()).await, ask(&nginx).await);
            let row = format!("{path} {accept:?}");
            assert_eq!(a.status, b.status, "{row}");
            for name in ["content-encoding", "vary", "content-type", "accept-ranges"] {
                assert_eq!(a.header(name), b.header(name), "{name} of {row}");
            }
            let is_weak = |tag: Option<&str>| tag.map(|tag| tag.starts_with("W/"));
            assert_eq!(is_weak(a.header("etag")), is_weak(b.header("etag")), "etag of {row}");
            assert_eq!(decoded(&a), decoded(&b), "{row}");
        }
    }
}
