//! The app behind `headwall demo`: the few endpoints that make a reverse proxy visible. Their page is `conf/demo`, which
//! Headwall serves itself.
//!
//! Someone who tries Headwall for the first time has no app at hand that shows what it does. This one answers API calls
//! with what it saw of the forwarded request, refuses wrong logins so that a rate limit has something to protect, streams
//! events, and echoes a WebSocket. It is an origin like any other: plain HTTP/1.1, no knowledge of the proxy before it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/hello` | `{message, time, headers}`, see [`api::hello`] |
//! | `GET /api/health` | `{"status":"ok"}` |
//! | `POST /api/cloud/login` | 200 for the password `correct horse`, else 401 |
//! | `GET /api/events?count=10&every=100ms` | server-sent events, for ever and one a second unless told otherwise |
//! | `GET /api/slow?wait=2s` | an answer after a while |
//! | `GET /api/big?size=1m` | so many bytes |
//! | `GET /ws` | a WebSocket that echoes |
//! | anything else | 404 with `{"error": …}` |

mod api;
mod query;
mod reply;
mod socket;
mod stop;
mod stream;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use self::reply::Body;
use self::stop::Stop;

/// How long a client that does not read may hold up the end.
const GRACE: Duration = Duration::from_secs(5);

/// Serves the demo app until `stop` is done. Then it accepts no more, ends its streams and WebSockets, finishes what else
/// is under way, and returns when that is done or after five seconds.
///
/// # Errors
///
/// When the listener fails for good.
pub(crate) async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
    let stopping = watch::Sender::new(false);
    let outcome = tokio::select! {
        () = stop => Ok(()),
        error = accept(&listener, &stopping) => Err(error),
    };
    drop(listener);
    stopping.send_replace(true);
    // Every connection and WebSocket holds a receiver; one that is still there after this ends with the process.
    drop(timeout(GRACE, stopping.closed()).await);
    outcome
}

/// Accepts until the listener fails.
async fn accept(listener: &TcpListener, stopping: &watch::Sender<bool>) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Stop::new(stopping)))),
            // One that left before it was accepted says nothing about the next.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return error,
        }
    }
}

async fn connection(stream: TcpStream, mut stop: Stop) {
    let answers = stop.clone();
    let service = service_fn(move |request| {
        let stop = answers.clone();
        async { Ok::<_, Infallible>(answer(request, stop).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut serving = pin!(serving);
    // How a connection ends is the client's to know; a demo has nobody to tell.
    tokio::select! {
        ended = serving.as_mut() => return drop(ended),
        () = stop.requested() => serving.as_mut().graceful_shutdown(),
    }
    drop(serving.await);
}

async fn answer(request: Request<Incoming>, stop: Stop) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    // A HEAD is a GET whose body hyper leaves out.
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = request.method() == Method::POST;
    match request.uri().path() {
        "/api/hello" if get => api::hello(request.headers()),
        "/api/health" if get => api::health(),
        "/api/cloud/login" if post => api::login(request.into_body()).await,
        "/api/events" if get => stream::events(&query, stop),
        "/api/slow" if get => stream::slow(&query, stop).await,
        "/api/big" if get => stream::big(&query),
        "/ws" if get => socket::accept(request, stop),
        _ => reply::error(StatusCode::NOT_FOUND, "there is nothing here"),
    }
}

#[cfg(test)]
mod tests;
