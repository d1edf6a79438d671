//! A connection of HTTP/1, one request after the other.
//!
//! Pingora has this loop too, and waits in it for the next request with everything that a request takes: its future, its
//! session, a buffer for its head, some 22 KB. Here all of that is made when there is something to read.

use std::sync::Arc;

use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use tokio::sync::watch;

/// That a connection is kept at all. For how long is known to the stream, and told to the client by the gateway.
const KEPT_FOR: u64 = 60;

/// Serves requests until the connection ends, or `rested` says so while none has begun.
pub(crate) async fn serve<A>(
    mut stream: Stream,
    app: Arc<A>,
    draining: watch::Receiver<bool>,
    mut rested: watch::Receiver<bool>,
) where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut settings = None;
    loop {
        let has_come = tokio::select! {
            // A request that is there already is answered.
            biased;
            peeked = stream.try_peek(&mut []) => peeked.unwrap_or(false),
            // Without a sender the server is gone.
            _ = rested.wait_for(|rested| *rested) => false,
        };
        if !has_come {
            return;
        }
        let Some(reused) = answer(&app, stream, settings, &draining).await else { return };
        (stream, settings) = reused.consume();
    }
}

/// Reads one request and answers it. A function of its own, so that the future above has no room for a session.
fn answer<'a, A: HttpServerApp>(
    app: &'a Arc<A>,
    stream: Stream,
    settings: Option<HttpPersistentSettings>,
    draining: &'a watch::Receiver<bool>,
) -> impl Future<Output = Option<ReusedHttpStream>> + Send + 'a {
    let mut session = ServerSession::new_http1(stream);
    match settings {
        Some(settings) => settings.apply_to_session(&mut session),
        None => session.set_keepalive(Some(KEPT_FOR)),
    }
    app.process_new_http(session, draining)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use headwall_core::Metrics;
    use headwall_core::connection::{Connection, Phase};
    use headwall_core::front::{Refusals, Refused};
    use pingora_core::server::ShutdownWatch;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::{Conn, Connections, Limits, Socket};

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Reads a request and answers with one letter.
    #[derive(Default)]
    struct App {
        /// How many it has answered.
        answered: AtomicUsize,
        /// Whether it is at it, or waits for one.
        busy: AtomicBool,
        connection: parking_lot::Mutex<Option<Arc<Connection>>>,
    }

    #[async_trait]
    impl HttpServerApp for App {
        async fn process_new_http(
            self: &Arc<Self>,
            mut session: ServerSession,
            _: &ShutdownWatch,
        ) -> Option<ReusedHttpStream> {
            self.busy.store(true, Ordering::SeqCst);
            let connection = self.connection.lock().clone().expect("a connection");
            if !session.read_request().await.expect("a request, or the end") {
                return None;
            }
            connection.enter(Phase::Exchange);
            let mut head = pingora_http::ResponseHeader::build(200, None).expect("a head");
            head.insert_header("content-length", "1").expect("a length");
            session.write_response_header(Box::new(head)).await.expect("written");
            session.write_response_body("x".into(), true).await.expect("written");
            let settings = HttpPersistentSettings::for_session(&session);
            connection.enter(Phase::Idle);
            let reusable = session.finish().await.ok().flatten()?;
            self.answered.fetch_add(1, Ordering::SeqCst);
            self.busy.store(false, Ordering::SeqCst);
            Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
        }
    }

    #[derive(Debug)]
    struct Nothing;

    impl Refusals for Nothing {
        fn answer(&self, _: &Refused<'_>) -> Vec<u8> {
            Vec::new()
        }
    }

    /// A client's end, the task that serves the other, and what tells it that there was time enough.
    async fn served(app: &Arc<App>, limits: Limits) -> (TcpStream, JoinHandle<()>, Connections) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        let connections = Connections::new(Metrics::new().unwrap().connections());
        let permit = connections.admit(1).unwrap();
        let conn = Conn::new(Socket::Tcp(socket), Connection::new(peer), limits, Arc::new(Nothing), permit);
        let stream: Stream = Box::new(conn);
        *app.connection.lock() = Connection::behind(&stream);
        let (_, draining) = watch::channel(false);
        let serving = tokio::spawn(serve(stream, Arc::clone(app), draining, connections.rested()));
        (client, serving, connections)
    }

    async fn answered(client: &mut TcpStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"x") {
            assert!(timeout(PATIENCE, client.read_buf(&mut answer)).await.unwrap().unwrap() > 0, "an answer");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    }

    #[tokio::test]
    async fn nobody_waits_in_the_app_for_the_next_request() {
        let app = Arc::new(App::default());
        let (mut client, serving, _connections) = served(&app, Limits::default()).await;
        for done in 1..=3 {
            client.write_all(GET).await.unwrap();
            answered(&mut client).await;
            let rests = async {
                while app.busy.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, rests).await.expect("the app is left alone");
            assert_eq!(app.answered.load(Ordering::SeqCst), done);
        }
        client.write_all(&[GET, GET].concat()).await.unwrap();
        answered(&mut client).await;
        drop(client);
        timeout(PATIENCE, serving).await.unwrap().unwrap();
        assert_eq!(app.answered.load(Ordering::SeqCst), 5, "one that was sent ahead is answered too");
    }

    #[tokio::test]
    async fn a_connection_that_waits_is_closed_when_it_has_had_its_time() {
        let app = Arc::new(App::default());
        let (mut client, serving, connections) = served(&app, Limits::default()).await;
        client.write_all(GET).await.unwrap();
        answered(&mut client).await;
        connections.close_idle();
        timeout(PATIENCE, serving).await.unwrap().unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_comes_is_closed_in_time() {
        let short = Duration::from_millis(20);
        let limits = Limits { header_timeout: short, keepalive_timeout: short, ..Limits::default() };
        for has_asked in [false, true] {
            let app = Arc::new(App::default());
            let (mut client, serving, _connections) = served(&app, limits).await;
            if has_asked {
                client.write_all(GET).await.unwrap();
                answered(&mut client).await;
            }
            timeout(PATIENCE, serving).await.unwrap().unwrap();
            assert_eq!(app.answered.load(Ordering::SeqCst), usize::from(has_asked));
        }
    }
}
