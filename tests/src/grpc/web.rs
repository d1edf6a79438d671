//! gRPC-Web: a browser's calls, for a server that knows gRPC alone.

mod browser;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{iter, poll_fn};
use headwall_testkit::{Client, Echo, Gateway, Origin, RawOrigin, Wire, deaf_address};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tonic::Code;
use tonic_web::{GrpcWebCall, GrpcWebClientService};

use super::peers::{Caller, Talk};
use super::{caller, gateway};

const FILTER: &str = "{ grpc_web: {} }";
const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";

type Http = legacy::Client<HttpConnector, GrpcWebCall<tonic::body::Body>>;

/// tonic's client of gRPC-Web, over either version of HTTP.
fn web_caller(gateway: &Gateway, http2: bool) -> Caller<GrpcWebClientService<Http>> {
    let http = legacy::Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let origin = format!("http://{}", gateway.address()).parse().unwrap();
    Caller::to(origin, GrpcWebClientService::new(http))
}

/// A client of HTTP/1.1 or HTTP/2.
fn client(gateway: &Gateway, http2: bool) -> Client {
    if http2 { gateway.client().http2() } else { gateway.client() }
}

/// A message as a frame.
fn message(text: &str) -> Vec<u8> {
    [&[0][..], &u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// Reads base64 as a client has to: each group of four may be padded.
fn read_text(text: &[u8]) -> Vec<u8> {
    assert_eq!(text.len() % 4, 0, "whole groups");
    text.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap()).collect()
}

/// The frames of a body: messages, and the lines of the trailers.
fn frames(mut body: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut messages, mut trailers) = (Vec::new(), Vec::new());
    while let Some((head, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let text = String::from_utf8(rest[..length].to_vec()).unwrap();
        match head[0] {
            0 => messages.push(text),
            0x80 => trailers.extend(text.lines().map(str::to_owned)),
            flag => panic!("a frame with the flag {flag}"),
        }
        body = &rest[length..];
    }
    assert!(body.is_empty(), "the rest of a frame: {body:?}");
    (messages, trailers)
}

#[tokio::test]
async fn a_browsers_calls_are_calls_for_the_server() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    let large = "a".repeat(1 << 20);
    for http2 in [false, true] {
        let mut caller = web_caller(&gateway, http2);
        for text in ["", "hello", &large] {
            assert_eq!(caller.call("/test.Talk/Echo", text).await.unwrap().into_inner(), text);
        }
        let mut counted = caller.talk("/test.Talk/Count", iter(["500".to_owned()])).await.unwrap();
        for number in 0..500 {
            assert_eq!(counted.message().await.unwrap(), Some(number.to_string()), "HTTP/2: {http2}");
        }
        assert_eq!(counted.message().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_status_comes_with_what_else_is_in_the_trailers() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    for http2 in [false, true] {
        let mut caller = web_caller(&gateway, http2);
        // tonic says what fails at once in the head of its response.
        let status = caller.call("/test.Talk/Fail", "not like this").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not like this"));
        assert_eq!(status.metadata().get("x-detail").unwrap(), "in the trailers");

        let mut broken = caller.talk("/test.Talk/Break", iter(["hello".to_owned()])).await.unwrap();
        assert_eq!(broken.message().await.unwrap().as_deref(), Some("hello"));
        let status = broken.message().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Aborted, "that was all"), "HTTP/2: {http2}");
        assert_eq!(status.metadata().get("x-detail").unwrap(), "behind a message");
    }
}

#[tokio::test]
async fn each_message_arrives_before_the_next_is_said() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    for http2 in [false, true] {
        let (say, mut said) = tokio::sync::mpsc::channel(1);
        say.send("one".to_owned()).await.unwrap();
        let mut caller = web_caller(&gateway, http2);
        let mut chat = caller.talk("/test.Talk/Chat", poll_fn(move |cx| said.poll_recv(cx))).await.unwrap();
        assert_eq!(chat.message().await.unwrap().as_deref(), Some("ONE"), "HTTP/2: {http2}");
        for (text, answer) in [("two", "TWO"), ("three", "THREE")] {
            say.send(text.to_owned()).await.unwrap();
            assert_eq!(chat.message().await.unwrap().as_deref(), Some(answer), "HTTP/2: {http2}");
        }
        drop(say);
        assert_eq!(chat.message().await.unwrap(), None);
    }
}

#[tokio::test]
async fn text_is_read_and_written_as_it_comes() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    for http2 in [false, true] {
        let client = client(&gateway, http2).keep().await;
        let (feed, call) = client.post("/test.Talk/Chat", "").header("content-type", TEXT).streamed();
        let first = STANDARD.encode(message("one"));
        feed.send(first).await.unwrap();
        let mut chat = call.open().await;
        chat.assert_status(200).assert_header("content-type", TEXT);
        let mut heard = Vec::new();
        for (text, answer) in [("two", "ONE"), ("three", "TWO"), ("four", "THREE")] {
            while frames(&heard).0.is_empty() {
                heard.extend(read_text(&chat.chunk().await.expect("a message")));
            }
            assert_eq!(frames(&std::mem::take(&mut heard)).0, [answer], "HTTP/2: {http2}");
            // Cut where no group ends.
            let text = STANDARD.encode(message(text));
            let (a, b) = text.split_at(text.len() / 2 + 1);
            feed.send(a.to_owned()).await.unwrap();
            feed.send(b.to_owned()).await.unwrap();
        }
        feed.end();
        let rest = chat.whole().await.unwrap();
        let (messages, trailers) = frames(&read_text(&rest.body));
        assert_eq!(messages, ["FOUR"], "HTTP/2: {http2}");
        assert_eq!(trailers, ["grpc-status:0"], "HTTP/2: {http2}");
        assert!(rest.trailers.is_empty(), "they are in the body: {:?}", rest.trailers);
    }
}

#[tokio::test]
async fn the_client_says_in_which_form_it_is_answered() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    let client = client(&gateway, false).keep().await;
    let text = STANDARD.encode(message("hello")).into_bytes();
    let rows = [
        (TEXT, text.clone(), "*/*", TEXT, "as it asks"),
        (TEXT, text, "application/grpc-web", BINARY, "text is answered in binary"),
        (BINARY, message("hello"), "application/grpc-web-text", TEXT, "binary is answered in text"),
    ];
    for (asked, body, accept, answered, row) in rows {
        let call = client.post("/test.Talk/Echo", body).header("content-type", asked);
        let reply = call.header("accept", accept).send().await;
        reply.assert_status(200).assert_header("content-type", answered);
        let body = if answered == TEXT { read_text(&reply.body).into() } else { reply.body };
        assert_eq!(frames(&body), (vec!["hello".to_owned()], vec!["grpc-status:0".to_owned()]), "{row}");
    }
}

/// What the server sees is a call of gRPC, of the length that it has.
#[tokio::test]
async fn the_server_sees_grpc() {
    for protocol in ["http1", "http2"] {
        let origin = Origin::builder().route("/a.Service/Method", Echo);
        let origin = if protocol == "http2" { origin.http2() } else { origin }.start().await;
        let gateway = Gateway::start(&format!(
            "
            sites: [{{ routes: [{{ filters: [{FILTER}], api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"{}\"], protocol: {protocol} }} }}
            ",
            origin.address()
        ))
        .await;
        let client = client(&gateway, false).keep().await;
        for text in ["hello", "a longer one", ""] {
            let body = STANDARD.encode(message(text));
            let reply = client.post("/a.Service/Method", body).header("content-type", TEXT).send().await;
            reply.assert_status(200).assert_header("content-type", "application/json");
            let seen = origin.requests().pop().unwrap();
            assert_eq!(seen.body, message(text), "{protocol}: {text:?}");
            assert_eq!(seen.header("content-type"), Some("application/grpc+proto"));
            assert_eq!(seen.header("te"), (protocol == "http2").then_some("trailers"), "{protocol}");
            let length = seen.header("content-length").map(|length| length.parse::<usize>().unwrap());
            assert!(length.is_none_or(|length| length == seen.body.len()), "{protocol}: {length:?}");
        }
    }
}

#[tokio::test]
async fn errors_made_here_are_errors_of_grpc_web() {
    let (server, refusing) = (Talk::start().await, deaf_address());
    let tight = "{ rate_limit: { rate: 1r/m } }";
    let (before, behind) = (format!("{tight}, {FILTER}"), format!("{FILTER}, {tight}"));
    let rows = [
        (refusing, FILTER, "/test.Talk/Echo", "14", "upstream_connect_refused"),
        (server.address, &before, "/test.Talk/Echo", "8", "rate_limited"),
        (server.address, &behind, "/test.Talk/Echo", "8", "rate_limited"),
        (server.address, FILTER, "/test.Talk/Wait", "4", "upstream_total_timeout"),
        (refusing, "", "/test.Talk/Echo", "14", "upstream_connect_refused"),
    ];
    for (server, filters, path, code, reason) in rows {
        for (http2, content_type) in [(false, BINARY), (false, TEXT), (true, BINARY), (true, TEXT)] {
            let gateway = gateway(server, "", filters).await;
            let client = client(&gateway, http2);
            let mut reply = None;
            for _ in 0..if reason == "rate_limited" { 2 } else { 1 } {
                let body = message("hello");
                let body =
                    if content_type == TEXT { STANDARD.encode(body).into() } else { Bytes::from(body) };
                let call = client.post(path, body).header("content-type", content_type);
                reply = Some(call.header("grpc-timeout", "300m").send().await);
            }
            let reply = reply.unwrap();
            let row = format!("{reason}, {content_type}, HTTP/2: {http2}");
            assert_eq!((reply.status.as_u16(), reply.header("grpc-status")), (200, Some(code)), "{row}");
            assert!(
                reply.header("content-type").unwrap().starts_with(content_type.trim_end_matches("+proto")),
                "{row}"
            );
            assert!(reply.header("grpc-message").is_some() && reply.body.is_empty(), "{row}");
            let line = gateway.stop().await.pop().unwrap();
            assert_eq!((&line["status"], &line["reason"]), (&200.into(), &reason.into()), "{row}");
        }
    }
}

/// As the handbook has it.
#[tokio::test]
async fn a_page_of_another_origin_may_call_and_read_the_status() {
    let (server, refusing) = (Talk::start().await, deaf_address());
    let cors = "{ cors: { origins: [https://app.example.com], \
                headers: [content-type, x-grpc-web, x-user-agent, grpc-timeout], expose: [grpc-status, grpc-message] } }";
    for (server, status) in [(server.address, None), (refusing, Some("14"))] {
        let gateway = gateway(server, "", &format!("{cors}, {FILTER}")).await;
        let client = gateway.client();
        let asks = |method, path| client.request(method, path).header("origin", "https://app.example.com");
        let preflight = asks(http::Method::OPTIONS, "/test.Talk/Echo")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-grpc-web,x-user-agent")
            .send()
            .await;
        preflight.assert_status(204).assert_header("access-control-allow-origin", "https://app.example.com");
        let allowed = preflight.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("x-grpc-web"), "{allowed}");

        let call = asks(http::Method::POST, "/test.Talk/Echo").body(message("hello"));
        let reply = call.header("content-type", BINARY).header("x-grpc-web", "1").send().await;
        reply.assert_status(200).assert_header("access-control-allow-origin", "https://app.example.com");
        reply.assert_header("access-control-expose-headers", "grpc-status, grpc-message");
        assert_eq!(reply.header("grpc-status"), status);
    }
}

#[tokio::test]
async fn text_that_is_no_base64_is_refused() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    for http2 in [false, true] {
        for body in ["AAAA!AAA", "AAAAAAVoZWxsb"] {
            let client = client(&gateway, http2);
            let reply = client.post("/test.Talk/Echo", body).header("content-type", TEXT).send().await;
            reply.assert_status(200).assert_header("grpc-status", "3").assert_header("content-type", TEXT);
            let message = reply.header("grpc-message").unwrap();
            assert!(message.contains("expected base64"), "{message}");
        }
    }
    for line in gateway.stop().await {
        assert_eq!(line["reason"], "invalid_grpc_web", "{line}");
    }
}

#[tokio::test]
async fn a_call_that_the_server_refuses_to_see_is_read_again_from_its_beginning() {
    let server = RawOrigin::start(async |wire: Wire| {
        let mut connection = h2::server::handshake(wire.into_parts().0).await.unwrap();
        let mut calls = 0;
        while let Some(Ok((mut req, mut answer))) = connection.accept().await {
            calls += 1;
            let is_first = calls == 1;
            tokio::spawn(async move {
                let mut body = Vec::new();
                while let Some(piece) = req.body_mut().data().await {
                    body.extend_from_slice(&piece.unwrap());
                }
                if is_first {
                    return answer.send_reset(h2::Reason::REFUSED_STREAM);
                }
                let res = http::Response::builder().header("content-type", "application/grpc");
                let mut out = answer.send_response(res.body(()).unwrap(), false).unwrap();
                out.send_data(body.into(), false).unwrap();
                out.send_trailers(
                    [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect(),
                )
                .unwrap();
            });
        }
    })
    .await;
    let gateway = gateway(server.address(), "", FILTER).await;
    let body = STANDARD.encode(message("hello"));
    let reply = gateway.client().post("/a.Service/Method", body).header("content-type", TEXT).send().await;
    let (messages, trailers) = frames(&read_text(&reply.assert_status(200).body));
    assert_eq!((messages, trailers), (vec!["hello".to_owned()], vec!["grpc-status:0".to_owned()]));
    assert_eq!(gateway.stop().await[0]["attempts"], 2);
}

#[tokio::test]
async fn grpc_passes_the_filter_as_it_is() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", FILTER).await;
    let mut caller = caller(&gateway).await;
    assert_eq!(caller.call("/test.Talk/Echo", "hello").await.unwrap().into_inner(), "hello");
    let mut broken = caller.talk("/test.Talk/Break", iter(["hello".to_owned()])).await.unwrap();
    assert_eq!(broken.message().await.unwrap().as_deref(), Some("hello"));
    assert_eq!(broken.message().await.unwrap_err().code(), Code::Aborted);
}
