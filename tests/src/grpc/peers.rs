//! A service of gRPC and its caller, written by hand: no code is generated, so that nothing has to be installed for it.
//!
//! Messages are texts. `/test.Talk/Echo` gives one back, `/test.Talk/Chat` each as it comes, `/test.Talk/Sum` one in the end,
//! `/test.Talk/Count` as many as asked for, `/test.Talk/Fail` a status, `/test.Talk/Break` one behind a message,
//! `/test.Talk/Wait` nothing ever.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::client::GrpcService;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body, BoxFuture, BoxStream, Service, StdError};
use tonic::{Request, Response, Status, Streaming};

/// Messages that are texts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The server. It ends when it is dropped.
pub(super) struct Talk {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Talk {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let service = hyper::service::service_fn(answer);
                serving.spawn(http2.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, connections, task }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(req: http::Request<Incoming>) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let mut server = tonic::server::Grpc::new(Text);
    Ok(match req.uri().path() {
        "/test.Talk/Echo" => server.unary(Echo, req).await,
        "/test.Talk/Fail" => server.unary(Fail, req).await,
        "/test.Talk/Wait" => server.unary(Wait, req).await,
        "/test.Talk/Sum" => server.client_streaming(Sum, req).await,
        "/test.Talk/Count" => server.server_streaming(Count, req).await,
        "/test.Talk/Break" => server.server_streaming(Break, req).await,
        _ => server.streaming(Chat, req).await,
    })
}

/// One method: what it takes, what it gives, and how.
macro_rules! method {
    ($name:ident, $takes:ty, $gives:ty, $body:expr) => {
        struct $name;

        impl Service<Request<$takes>> for $name {
            type Response = Response<$gives>;
            type Error = Status;
            type Future = BoxFuture<Response<$gives>, Status>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<$takes>) -> Self::Future {
                Box::pin(async move { $body(request).await })
            }
        }
    };
}

method!(Echo, String, String, async |request: Request<String>| {
    let timeout = request.metadata().get("grpc-timeout").cloned();
    let mut response = Response::new(request.into_inner());
    if let Some(timeout) = timeout {
        response.metadata_mut().insert("x-timeout", timeout);
    }
    Ok(response)
});
method!(Fail, String, String, async |request: Request<String>| {
    let mut status = Status::failed_precondition(request.into_inner());
    status.metadata_mut().insert("x-detail", "in the trailers".parse().unwrap());
    Err(status)
});
method!(Wait, String, String, async |_: Request<String>| std::future::pending().await);
method!(Sum, Streaming<String>, String, async |request: Request<Streaming<String>>| {
    let mut heard = request.into_inner();
    let mut sum = String::new();
    while let Some(text) = heard.message().await? {
        sum += &text;
    }
    Ok(Response::new(sum))
});
method!(Count, String, BoxStream<String>, async |request: Request<String>| {
    let until: u32 = request.into_inner().parse().map_err(|_| Status::invalid_argument("no number"))?;
    let counted = futures_util::stream::iter((0..until).map(|number| Ok(number.to_string())));
    Ok(Response::new(Box::pin(counted) as BoxStream<String>))
});
method!(Break, String, BoxStream<String>, async |request: Request<String>| {
    let mut status = Status::aborted("that was all");
    status.metadata_mut().insert("x-detail", "behind a message".parse().unwrap());
    let said = futures_util::stream::iter([Ok(request.into_inner()), Err(status)]);
    Ok(Response::new(Box::pin(said) as BoxStream<String>))
});
method!(Chat, Streaming<String>, BoxStream<String>, async |request: Request<Streaming<String>>| {
    let heard = request.into_inner().map(|text| text.map(|text| text.to_uppercase()));
    Ok(Response::new(Box::pin(heard) as BoxStream<String>))
});

/// The client.
#[derive(Clone)]
pub(super) struct Caller<T>(tonic::client::Grpc<T>);

impl<T> Caller<T>
where
    T: GrpcService<tonic::body::Body>,
    T::ResponseBody: Body + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError>,
{
    pub(super) fn over(channel: T) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    /// For what connects by itself, and has to be told where to.
    pub(super) fn to(origin: http::Uri, channel: T) -> Self {
        Self(tonic::client::Grpc::with_origin(channel, origin))
    }

    /// Calls a method that takes one message and gives one.
    pub(super) async fn call(
        &mut self,
        method: &'static str,
        text: &str,
    ) -> Result<Response<String>, Status> {
        self.ask(method, Request::new(text.to_owned())).await
    }

    /// The same with more than the message.
    pub(super) async fn ask(
        &mut self,
        method: &'static str,
        request: Request<String>,
    ) -> Result<Response<String>, Status> {
        self.0.ready().await.map_err(Into::into).unwrap();
        self.0.unary(request, http::uri::PathAndQuery::from_static(method), Text).await
    }

    /// Calls a method that takes a stream and gives one.
    pub(super) async fn talk(
        &mut self,
        method: &'static str,
        said: impl futures_util::Stream<Item = String> + Send + 'static,
    ) -> Result<Streaming<String>, Status> {
        self.0.ready().await.map_err(Into::into).unwrap();
        let path = http::uri::PathAndQuery::from_static(method);
        Ok(self.0.streaming(Request::new(said), path, Text).await?.into_inner())
    }
}
