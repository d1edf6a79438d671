//! gRPC-Web from a page of another origin, in a browser that shows scripts no trailers and few headers.

use headwall_testkit::{Fixed, Gateway, Origin};
use tempfile::tempdir;

use crate::chromium::Chromium;
use crate::grpc::peers::Talk;

/// Calls in both forms, and writes what it gets: the status of the head, then messages and trailers.
const PAGE: &str = r#"<!doctype html><title>calls</title><p id="calls">none</p><script type="module">
const server = location.hash.slice(1);
const frame = (text) => {
  const bytes = [...new TextEncoder().encode(text)];
  return [0, 0, 0, bytes.length >> 8, bytes.length & 255, ...bytes];
};
const call = async (path, type, text) => {
  const bytes = Uint8Array.from(frame(text));
  const isText = type.includes("text");
  const body = isText ? btoa(String.fromCharCode(...bytes)) : bytes;
  const headers = { "content-type": type, "x-grpc-web": "1" };
  const reply = await fetch(server + path, { method: "POST", headers, body });
  let rest = isText
    ? (await reply.text()).match(/.{4}/g).map(atob).join("")
    : String.fromCharCode(...new Uint8Array(await reply.arrayBuffer()));
  let told = `[${reply.headers.get("grpc-status") ?? ""}`;
  while (rest.length) {
    const length = (rest.charCodeAt(3) << 8) + rest.charCodeAt(4);
    told += ` ${rest.slice(5, 5 + length).trim()}`;
    rest = rest.slice(5 + length);
  }
  return told + "]";
};
const told = [
  await call("/test.Talk/Echo", "application/grpc-web+proto", "hello"),
  await call("/test.Talk/Count", "application/grpc-web-text", "3"),
].concat(await fetch(server + "/test.Talk/Fail", {
  method: "POST",
  headers: { "content-type": "application/grpc-web", "x-grpc-web": "1" },
  body: Uint8Array.from(frame("no")),
}).then((reply) => `[${reply.headers.get("grpc-status")} ${reply.headers.get("grpc-message")}]`));
document.getElementById("calls").textContent = told.join("");
</script>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_calls_a_server_of_grpc_from_another_origin() {
    let server = Talk::start().await;
    let html = Fixed::status(200).header("content-type", "text/html").body(PAGE);
    let pages = Origin::builder().otherwise(html).start().await;
    let gateway = Gateway::start(&format!(
        "
        sites:
          - routes:
              - filters:
                  - cors:
                      origins: [\"http://{}\"]
                      headers: [content-type, x-grpc-web]
                      expose: [grpc-status, grpc-message]
                  - grpc_web: {{}}
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"{}\"], protocol: http2 }} }}
        ",
        pages.address(),
        server.address
    ))
    .await;
    let Some(mut browser) = Chromium::start("grpc::web::browser", tempdir().unwrap()).await else { return };
    browser.goes_to(&format!("http://{}/#http://{}", pages.address(), gateway.address())).await;
    let told = "document.getElementById('calls').textContent";
    browser.until(&format!("{told} !== 'none'")).await;
    assert_eq!(browser.evaluate(told).await, "[ hello grpc-status:0][ 0 1 2 grpc-status:0][9 no]");
}
