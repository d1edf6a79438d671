//! What a client of gRPC is told when the answer is Headwall's own.

use headwall_testkit::{RawOrigin, deaf_address};
use tonic::Code;

use super::peers::Talk;
use super::{caller, gateway};

#[tokio::test]
async fn errors_are_told_in_words_of_grpc() {
    let (server, refusing, silent) = (Talk::start().await, deaf_address(), RawOrigin::silent().await);
    let tight = "{ rate_limit: { rate: 1r/m } }";
    let slow = ", timeouts: { first_byte: 300ms, read: 300ms }";
    let rows = [
        (refusing, "", "", Code::Unavailable, "upstream_connect_refused"),
        (silent.address(), slow, "", Code::DeadlineExceeded, "upstream_read_timeout"),
        (server.address, "", tight, Code::ResourceExhausted, "rate_limited"),
    ];
    for (server, route, filters, code, reason) in rows {
        let gateway = gateway(server, route, filters).await;
        let mut caller = caller(&gateway).await;
        let mut status = None;
        for _ in 0..3 {
            status = caller.call("/test.Talk/Echo", "hello").await.err();
        }
        let status = status.unwrap();
        assert_eq!(status.code(), code, "{status}");
        assert!(!status.message().is_empty(), "a sentence comes with it");
        let line = gateway.stop().await.pop().unwrap();
        assert_eq!((&line["status"], &line["reason"]), (&200.into(), &reason.into()), "{line}");
    }
}
