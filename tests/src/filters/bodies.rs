//! Body access: only for a filter that declares it, piece by piece, and with the right to refuse.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::iter;
use headwall::{
    Action, Attempt, BoxError, Build, Context, Filter, Flow, Forward, LocalReply, Metrics, Module,
    NamedUpstream, Outcome, Peer, Phases, RequestHead, ResponseHead, Route, Server, Service, Unavailable,
    Upstream, async_trait,
};
use headwall_testkit::{Client, Drain, Feeds, Gateway, Origin, Reply, Response, Seen, in_memory, within};
use http::{HeaderValue, StatusCode};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// One call of a hook.
#[derive(Debug, PartialEq)]
enum Called {
    Request,
    RequestBody(String),
    RequestEnd,
    Response(u16),
    ResponseBody(String),
    ResponseEnd,
    Log { received: u64, sent: u64 },
}

/// Tells the test of every call.
struct Recorder {
    phases: Phases,
    calls: UnboundedSender<Called>,
}

/// The whole of an upstream of one's own.
struct One(SocketAddr);

/// The whole of a service of one's own that forwards.
struct ToOne(Arc<Forward>);

/// Adds to a whole body, when the test allows it.
struct Patient {
    seen: UnboundedSender<String>,
    permits: Arc<Semaphore>,
}
/// The whole of a service of one's own that answers by itself.
struct Answers(fn() -> LocalReply);

/// A filter that cannot stand bodies.
struct Choker;

/// Refuses bodies that are longer than this.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
struct MaxBody {
    bytes: usize,
}

struct MaxBodyFilter(usize);

/// What a request's body has come to so far.
#[derive(Clone, Copy, Default)]
struct Length(usize);

// === impl Recorder ===

impl Recorder {
    fn tell(&self, call: Called) {
        // A test that has seen enough does not listen any more.
        drop(self.calls.send(call));
    }
}

fn text(piece: Option<&Bytes>) -> String {
    piece.map(|piece| String::from_utf8_lossy(piece).into_owned()).unwrap_or_default()
}

#[async_trait]
impl Filter for Recorder {
    fn phases(&self) -> Phases {
        self.phases
    }

    async fn request(&self, _: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        self.tell(Called::Request);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, _: &mut Context) -> Result<(), BoxError> {
        self.tell(Called::Response(res.status.as_u16()));
        Ok(())
    }

    fn request_body(&self, piece: &mut Option<Bytes>, end: bool, _: &mut Context) -> Result<Flow, BoxError> {
        if piece.as_ref().is_some_and(|piece| !piece.is_empty()) {
            self.tell(Called::RequestBody(text(piece.as_ref())));
        }
        if end {
            self.tell(Called::RequestEnd);
        }
        Ok(Flow::Continue)
    }

    fn response_body(&self, piece: &mut Option<Bytes>, end: bool, _: &mut Context) -> Result<(), BoxError> {
        if piece.as_ref().is_some_and(|piece| !piece.is_empty()) {
            self.tell(Called::ResponseBody(text(piece.as_ref())));
        }
        if end {
            self.tell(Called::ResponseEnd);
        }
        Ok(())
    }

    fn log(&self, outcome: &Outcome, _: &Context) {
        self.tell(Called::Log { received: outcome.bytes_received, sent: outcome.bytes_sent });
    }
}

// === impl One ===

#[async_trait]
impl Upstream for One {
    async fn peer(&self, _: &RequestHead, _: &mut Context) -> Result<Peer, Unavailable> {
        Ok(Peer::plain(self.0))
    }

    fn finished(&self, attempt: &Attempt<'_>) {
        assert_eq!(&**attempt.server, self.0.to_string(), "the server that was picked");
    }
}

// === impl ToOne ===

#[async_trait]
impl Service for ToOne {
    async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(Action::Forward(self.0.clone()))
    }
}

// === impl Answers ===

#[async_trait]
impl Service for Answers {
    async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(Action::Reply((self.0)()))
    }
}

// === impl Choker ===

impl Filter for Choker {
    fn phases(&self) -> Phases {
        Phases::RESPONSE_BODY
    }

    fn response_body(&self, _: &mut Option<Bytes>, _: bool, _: &mut Context) -> Result<(), BoxError> {
        Err("no more".into())
    }
}

/// A client of a route that ends at the origin and has a recorder with these hooks.
async fn recorded(origin: &Origin, phases: Phases) -> (Client, UnboundedReceiver<Called>) {
    let metrics = Metrics::new().unwrap_or_else(|error| panic!("metrics: {error}"));
    let upstream = NamedUpstream::new("one", Arc::new(One(origin.address())), &metrics);
    let service = ToOne(Arc::new(Forward::to(Arc::new(upstream))));
    let (calls, called) = unbounded_channel();
    let route = Route::builder("recorded", service).filter("recorder", Recorder { phases, calls }).build();
    (in_memory(route).await, called)
}

async fn next(called: &mut UnboundedReceiver<Called>) -> Called {
    within(10, called.recv()).await.unwrap_or_else(|| panic!("the recorder is gone"))
}

/// All calls up to the log hook, which is the last one.
async fn calls(called: &mut UnboundedReceiver<Called>) -> Vec<Called> {
    let mut calls = Vec::new();
    while !matches!(calls.last(), Some(Called::Log { .. })) {
        calls.push(next(called).await);
    }
    calls
}

#[tokio::test]
async fn a_filter_that_declares_bodies_sees_them_both_ways() {
    let origin = Origin::fixed("answer").await;
    let bodies = Phases::REQUEST_BODY | Phases::RESPONSE_BODY | Phases::HEADS;
    let (client, mut called) = recorded(&origin, bodies).await;
    client.post("/", "question").send().await.assert_text("answer");
    assert_eq!(
        calls(&mut called).await,
        [
            Called::Request,
            Called::RequestBody("question".into()),
            Called::RequestEnd,
            Called::Response(200),
            Called::ResponseBody("answer".into()),
            Called::ResponseEnd,
            Called::Log { received: 8, sent: 6 },
        ]
    );
}

#[tokio::test]
async fn a_body_that_is_made_here_is_seen_too() {
    type Row = (&'static str, fn() -> LocalReply, Vec<Called>, u64);
    let piece = |text: &str| Called::ResponseBody(text.into());
    let rows: [Row; 4] = [
        ("in memory", || LocalReply::text(StatusCode::OK, "answer"), vec![piece("answer")], 6),
        (
            "an error",
            || LocalReply::error(StatusCode::OK, "odd").message("No."),
            vec![piece(r#"{"error":"No."}"#)],
            15,
        ),
        ("nothing", || LocalReply::new(StatusCode::OK), vec![], 0),
        (
            "a stream",
            || {
                let pieces = ["one", "", "two"].map(|text| Ok(Bytes::from(text)));
                LocalReply::stream(StatusCode::OK, HeaderValue::from_static("text/plain"), iter(pieces))
            },
            vec![piece("one"), piece("two")],
            6,
        ),
    ];
    for (row, reply, pieces, sent) in rows {
        let (calls_made, mut called) = unbounded_channel();
        let phases = Phases::RESPONSE_BODY | Phases::LOG;
        let recorder = Recorder { phases, calls: calls_made };
        let client =
            in_memory(Route::builder("own", Answers(reply)).filter("recorder", recorder).build()).await;
        client.get("/").send().await.assert_status(200);
        let mut expected = pieces;
        expected.extend([Called::ResponseEnd, Called::Log { received: 0, sent }]);
        assert_eq!(calls(&mut called).await, expected, "{row}");
    }
}

#[tokio::test]
async fn a_filter_that_fails_on_a_body_in_memory_is_an_error_that_can_be_told() {
    let service = Answers(|| LocalReply::text(StatusCode::OK, "answer"));
    let client = in_memory(Route::builder("own", service).filter("choker", Choker).build()).await;
    client.get("/").send().await.assert_status(500).assert_header("content-type", "application/json");
}

#[tokio::test]
async fn a_filter_that_does_not_declare_bodies_is_never_shown_one() {
    let origin = Origin::fixed("answer").await;
    let (client, mut called) = recorded(&origin, Phases::HEADS).await;
    client.post("/", "question").send().await.assert_text("answer");
    let expected = [Called::Request, Called::Response(200), Called::Log { received: 8, sent: 6 }];
    assert_eq!(calls(&mut called).await, expected);
}

#[tokio::test]
async fn a_filter_is_called_for_the_hooks_it_names_and_no_others() {
    let origin = Origin::fixed("answer").await;
    let (client, mut called) = recorded(&origin, Phases::RESPONSE_BODY | Phases::LOG).await;
    client.post("/", "question").send().await;
    assert_eq!(
        calls(&mut called).await,
        [Called::ResponseBody("answer".into()), Called::ResponseEnd, Called::Log { received: 8, sent: 6 }]
    );
}

#[tokio::test]
async fn pieces_are_seen_as_they_come() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let (client, mut called) = recorded(&origin, Phases::REQUEST_BODY | Phases::RESPONSE_BODY).await;
    let (up, call) = client.post("/", "").streamed();
    let reply = tokio::spawn(call.open());
    for piece in ["one", "two"] {
        up.send(piece).await.unwrap();
        assert_eq!(next(&mut called).await, Called::RequestBody(piece.into()), "on the way up");
    }
    up.end();
    assert_eq!(next(&mut called).await, Called::RequestEnd);
    let mut reply = reply.await.unwrap();
    let down = feeds.next().await;
    for piece in ["three", "four"] {
        down.send(piece).await.unwrap();
        assert_eq!(next(&mut called).await, Called::ResponseBody(piece.into()), "on the way down");
        assert_eq!(reply.chunk().await.as_deref(), Some(piece.as_bytes()));
    }
}

// === impl Patient ===

#[async_trait]
impl Filter for Patient {
    fn phases(&self) -> Phases {
        Phases::WHOLE_REQUEST_BODY
    }

    async fn whole_request_body(&self, body: &mut Bytes, _: &mut Context) -> Result<Flow, BoxError> {
        drop(self.seen.send(text(Some(body))));
        self.permits.acquire().await?.forget();
        *body = [body, &b", sent on"[..]].concat().into();
        Ok(Flow::Continue)
    }
}

#[tokio::test]
async fn a_filter_may_wait_with_the_whole_body_and_change_it_before_the_upstream_hears_of_it() {
    let echo = async |seen: Seen| Response::text(seen.body);
    let origin = Origin::builder().otherwise(echo).start().await;
    let upstream = NamedUpstream::new("one", Arc::new(One(origin.address())), &Metrics::new().unwrap());
    let (seen, mut seeing) = unbounded_channel();
    let (calls, mut called) = unbounded_channel();
    let permits = Arc::new(Semaphore::new(0));
    let route = Route::builder("patient", ToOne(Arc::new(Forward::to(Arc::new(upstream)))))
        .filter("patient", Patient { seen, permits: permits.clone() })
        .filter("recorder", Recorder { phases: Phases::REQUEST_BODY, calls })
        .build();
    let client = in_memory(route).await;
    let (up, streamed) = client.post("/", "").streamed();
    let streamed = tokio::spawn(streamed.send());
    up.send("one, ").await.unwrap();
    up.send("two").await.unwrap();
    up.end();
    let mut heard = 0;
    let mut passes_on = async |reply: JoinHandle<Reply>, body: &str| {
        assert_eq!(within(10, seeing.recv()).await.as_deref(), Some(body), "all of it at once");
        assert_eq!(origin.hits(), heard, "the upstream has not heard of it");
        permits.add_permits(1);
        let sent_on = format!("{body}, sent on");
        within(10, reply).await.unwrap().assert_text(&sent_on);
        let piece = next(&mut called).await;
        assert_eq!(
            piece,
            Called::RequestBody(sent_on),
            "a filter behind it sees what it has made, in one piece"
        );
        assert_eq!(next(&mut called).await, Called::RequestEnd);
        heard += 1;
    };
    passes_on(streamed, "one, two").await;
    passes_on(tokio::spawn(client.post("/", "three").send()), "three").await;
}

// === impl MaxBody ===

impl Module for MaxBody {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(MaxBodyFilter(self.bytes)))
    }
}

impl Filter for MaxBodyFilter {
    fn phases(&self) -> Phases {
        Phases::REQUEST_BODY
    }

    fn request_body(&self, piece: &mut Option<Bytes>, _: bool, cx: &mut Context) -> Result<Flow, BoxError> {
        let Length(before) = cx.extensions().get().copied().unwrap_or_default();
        let length = before + piece.as_ref().map_or(0, Bytes::len);
        cx.extensions_mut().insert(Length(length));
        if length > self.0 {
            return Ok(Flow::Reply(LocalReply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")));
        }
        Ok(Flow::Continue)
    }
}

#[tokio::test]
async fn a_filter_can_refuse_in_the_middle_of_an_upload() {
    let drain = Drain::new();
    let origin = Origin::builder().route("/upload", drain.clone()).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - routes:
              - filters: [{ max_body: { bytes: 1000 } }]
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .server(Server::new().filter::<MaxBody>("max_body"))
    .start()
    .await;
    gateway.client().post("/upload", vec![b'.'; 1000]).send().await.assert_status(200);

    let (feed, call) = gateway.client().post("/upload", "").streamed();
    let reply = tokio::spawn(call.send());
    feed.send(vec![b'.'; 600]).await.unwrap();
    drain.reached(1600).await;
    assert!(!reply.is_finished(), "so far it was allowed");
    feed.send(vec![b'.'; 600]).await.unwrap();
    let reply = reply.await.unwrap();
    reply.assert_status(413).assert_header("content-type", "application/json");
    assert_eq!(reply.json()["error"], "The request body is too large.");
    assert_eq!(drain.received(), 1600, "the piece that was too much did not go through");
    drop(feed);
    let log = gateway.stop().await;
    assert_eq!((&log[1]["status"], &log[1]["reason"]), (&413.into(), &"body_too_large".into()));
}
