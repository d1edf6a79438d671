//! A server that does one thing wrong once, in HTTP/1.1 or HTTP/2.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Refuses,
    ClosesUnread,
    Silent,
    Resets,
    RefusesStream,
    ResetsInHead,
    ResetsInBody,
    SlowHead,
    SlowBody,
    Garbage,
    HalfCloses,
    Restarts,
    Flaps,
}

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http {
    One,
    Two,
}

/// The server.
pub(super) struct Faulty {
    address: SocketAddr,
    state: Arc<State>,
    /// Holds the port while nobody listens.
    bound: Mutex<Option<TcpSocket>>,
    serving: Mutex<Option<AbortHandle>>,
}

struct State {
    http: Http,
    fault: Fault,
    /// Whether the next request is the one that is treated badly.
    is_armed: AtomicBool,
    seen: AtomicUsize,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    GoOn,
    Close,
}

const PAUSE: Duration = Duration::from_millis(20);

impl Http {
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::One => "http1",
            Self::Two => "http2",
        }
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "1.1",
            Self::Two => "2",
        })
    }
}

impl Faulty {
    pub(super) async fn start(http: Http, fault: Fault) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Otherwise its old connections would keep the port for a minute after it has closed them.
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let state = State { http, fault, is_armed: AtomicBool::new(false), seen: AtomicUsize::new(0) };
        let faulty =
            Self { address, state: Arc::new(state), bound: Mutex::new(None), serving: Mutex::new(None) };
        faulty.listen(socket);
        faulty
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn fault(&self) -> Fault {
        self.state.fault
    }

    pub(super) fn http(&self) -> Http {
        self.state.http
    }

    /// How many requests were read.
    pub(super) fn seen(&self) -> usize {
        self.state.seen.load(Ordering::Relaxed)
    }

    /// From now on it is faulty.
    pub(super) async fn begin(&self) {
        self.state.is_armed.store(true, Ordering::Relaxed);
        if matches!(self.state.fault, Fault::Refuses | Fault::Restarts) {
            if let Some(serving) = self.serving.lock().take() {
                serving.abort();
            }
            // The listener closes when its task is dropped, which is when the runtime comes to it.
            let socket = loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                if socket.bind(self.address).is_ok() && TcpStream::connect(self.address).await.is_err() {
                    break socket;
                }
                tokio::task::yield_now().await;
            };
            if self.state.fault == Fault::Restarts {
                self.listen(socket);
            } else {
                *self.bound.lock() = Some(socket);
            }
        }
    }

    fn listen(&self, socket: TcpSocket) {
        let (listener, state) = (socket.listen(64).unwrap(), self.state.clone());
        *self.serving.lock() = Some(tokio::spawn(accept(listener, state)).abort_handle());
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.lock().take() {
            serving.abort();
        }
    }
}

/// The connections end with the task.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move {
            match state.http {
                Http::One => state.serve_http1(stream).await,
                Http::Two => state.serve_http2(stream).await,
            }
        });
    }
}

impl State {
    /// Whether this is the request that is treated badly.
    fn strikes(&self) -> bool {
        self.is_armed.swap(false, Ordering::Relaxed)
    }

    async fn serve_http1(&self, mut stream: TcpStream) {
        loop {
            if self.fault == Fault::ClosesUnread
                && matches!(stream.peek(&mut [0]).await, Ok(1))
                && self.strikes()
            {
                return;
            }
            if !read_request(&mut stream).await {
                return;
            }
            self.seen.fetch_add(1, Ordering::Relaxed);
            let is_struck = self.strikes();
            if self.fault == Fault::Flaps && !is_struck {
                self.is_armed.store(self.seen.load(Ordering::Relaxed) > 1, Ordering::Relaxed);
            }
            let fault = is_struck.then_some(self.fault);
            if self.answer_http1(&mut stream, fault).await == After::Close {
                return;
            }
        }
    }

    async fn answer_http1(&self, stream: &mut TcpStream, fault: Option<Fault>) -> After {
        let said: &[&str] = match fault {
            None | Some(Fault::Refuses | Fault::Restarts | Fault::ClosesUnread | Fault::RefusesStream) => {
                &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"]
            }
            Some(Fault::Silent | Fault::Resets | Fault::HalfCloses | Fault::Flaps) => &[],
            Some(Fault::ResetsInHead) => &["HTTP/1.1 200 OK\r\ncontent-le"],
            Some(Fault::ResetsInBody) => &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"],
            Some(Fault::SlowHead) => &["HTTP/1.1 2", "00 OK\r\nconte", "nt-length: 5\r\n\r", "\nhello"],
            Some(Fault::SlowBody) => &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "he", "l", "lo"],
            Some(Fault::Garbage) => &["I am no HTTP\r\n\r\n"],
        };
        for piece in said {
            if stream.write_all(piece.as_bytes()).await.is_err() {
                return After::Close;
            }
            if said.len() > 1 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let Some(fault) = fault else { return After::GoOn };
        if matches!(fault, Fault::ResetsInHead | Fault::ResetsInBody) {
            // What was said has to arrive before the reset, which overtakes it otherwise.
            tokio::time::sleep(PAUSE).await;
        }
        if matches!(fault, Fault::ResetsInHead | Fault::ResetsInBody | Fault::Resets | Fault::Flaps) {
            stream.set_zero_linger().unwrap();
            return After::Close;
        }
        if fault == Fault::Silent {
            std::future::pending::<()>().await;
        }
        if fault == Fault::HalfCloses {
            drop(stream.shutdown().await);
            drop(stream.read(&mut [0]).await);
            return After::Close;
        }
        After::GoOn
    }

    async fn serve_http2(self: &Arc<Self>, stream: TcpStream) {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let ended = Arc::new(Notify::new());
        let mut streams = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = connection.accept() => accepted,
                () = ended.notified() => return,
            };
            let Some(Ok((request, respond))) = accepted else { return };
            let (state, ended) = (self.clone(), ended.clone());
            streams.spawn(async move {
                if state.answer_http2(request, respond).await == After::Close {
                    ended.notify_one();
                }
            });
        }
    }

    async fn answer_http2(
        &self,
        request: Request<h2::RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> After {
        let mut body = request.into_body();
        while let Some(Ok(piece)) = body.data().await {
            drop(body.flow_control().release_capacity(piece.len()));
        }
        self.seen.fetch_add(1, Ordering::Relaxed);
        let fault = self.strikes().then_some(self.fault);
        let refusal = match fault {
            Some(Fault::Resets) => Some(Reason::INTERNAL_ERROR),
            Some(Fault::RefusesStream) => Some(Reason::REFUSED_STREAM),
            Some(_) | None => None,
        };
        if let Some(reason) = refusal {
            respond.send_reset(reason);
            return After::GoOn;
        }
        if fault == Some(Fault::HalfCloses) {
            return After::Close;
        }
        if fault == Some(Fault::Silent) {
            std::future::pending::<()>().await;
        }
        let pieces: &[&'static str] = match fault {
            Some(Fault::ResetsInBody) => &["he"],
            Some(Fault::SlowBody) => &["he", "l", "lo"],
            Some(_) | None => &["hello"],
        };
        let Ok(mut send) = respond.send_response(Response::new(()), false) else { return After::Close };
        for piece in pieces {
            drop(send.send_data(Bytes::from_static(piece.as_bytes()), false));
            if fault.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if fault == Some(Fault::ResetsInBody) {
            send.send_reset(Reason::INTERNAL_ERROR);
        } else {
            drop(send.send_data(Bytes::new(), true));
        }
        After::GoOn
    }
}

/// Reads one request, its body included. No: the connection has ended.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        match stream.read_buf(&mut read).await {
            Ok(length) if length > 0 => {}
            _ => return false,
        }
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return true;
        }
    }
}
