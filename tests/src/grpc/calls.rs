//! Calls of every kind, their trailers and their deadlines.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{iter, poll_fn};
use tonic::{Code, Request};

use super::peers::Talk;
use super::{caller, gateway};

#[tokio::test]
async fn a_call_and_its_answer_pass() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", "").await;
    let mut caller = caller(&gateway).await;
    let large = "a".repeat(1 << 20);
    for text in ["", "hello", &large] {
        assert_eq!(caller.call("/test.Talk/Echo", text).await.unwrap().into_inner(), text);
    }
}

#[tokio::test]
async fn a_status_and_what_else_is_in_the_trailers_pass() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", "").await;
    let status = caller(&gateway).await.call("/test.Talk/Fail", "not like this").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not like this"));
    assert_eq!(status.metadata().get("x-detail").unwrap(), "in the trailers");
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn streams_pass_in_each_direction() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", "").await;
    let mut caller = caller(&gateway).await;
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();

    let mut sum = caller.talk("/test.Talk/Sum", iter(texts(&["a", "b", "c"]))).await.unwrap();
    assert_eq!(sum.message().await.unwrap().as_deref(), Some("abc"), "to the server");

    let mut counted = caller.talk("/test.Talk/Count", iter(texts(&["500"]))).await.unwrap();
    for number in 0..500 {
        assert_eq!(counted.message().await.unwrap(), Some(number.to_string()), "to the client");
    }
    assert_eq!(counted.message().await.unwrap(), None);
    assert!(counted.trailers().await.unwrap().is_some(), "the trailers have come");

    let (say, mut said) = tokio::sync::mpsc::channel(1);
    let mut chat = caller.talk("/test.Talk/Chat", poll_fn(move |cx| said.poll_recv(cx))).await.unwrap();
    for (text, answer) in [("one", "ONE"), ("two", "TWO"), ("three", "THREE")] {
        say.send(text.to_owned()).await.unwrap();
        assert_eq!(chat.message().await.unwrap().as_deref(), Some(answer), "each before the next is said");
    }
    drop(say);
    assert_eq!(chat.message().await.unwrap(), None);
}

#[tokio::test]
async fn many_calls_share_a_connection_to_the_server() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", "").await;
    let caller = caller(&gateway).await;
    caller.clone().call("/test.Talk/Echo", "first").await.unwrap();
    let calls = (0..100).map(|number| {
        let mut caller = caller.clone();
        async move { caller.call("/test.Talk/Echo", &number.to_string()).await.unwrap().into_inner() }
    });
    for (number, answer) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer, number.to_string());
    }
    // A call that comes while another is taking the connection out of the pool opens one more.
    assert!(server.connections() <= 16, "{} connections", server.connections());
}

#[tokio::test]
async fn a_deadline_goes_on_to_the_server_and_is_kept_here_too() {
    let server = Talk::start().await;
    let gateway = gateway(server.address, "", "").await;
    let mut caller = caller(&gateway).await;
    let request = |text: &str, timeout: &str| {
        let mut request = Request::new(text.to_owned());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request
    };
    let response = caller.ask("/test.Talk/Echo", request("hello", "20S")).await.unwrap();
    assert!(response.metadata().get("x-timeout").is_some(), "the server has been told");
    // tonic's client keeps the deadline too, and would be first; so this one is another client.
    let client = gateway.client().http2();
    let call = client.post("/test.Talk/Wait", vec![0; 5]).header("content-type", "application/grpc");
    let since = Instant::now();
    let reply = call.header("te", "trailers").header("grpc-timeout", "400m").send().await;
    reply.assert_status(200).assert_header("grpc-status", "4");
    assert!(since.elapsed() >= Duration::from_millis(390), "not before its time");
    let log = gateway.stop().await;
    assert_eq!(log[1]["reason"], "upstream_total_timeout");
}
