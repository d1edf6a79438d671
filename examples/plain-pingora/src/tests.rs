//! All four doors of a running Pingora server.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use headwall_testkit::{Client, Message, Origin, Reply, WebSocketEcho};
use pingora_core::server::{RunArgs, ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Notify;
use tokio::time::{Duration, timeout};

use super::*;

/// What the application says.
const HELLO: &str = "hello from behind a plain Pingora server";

/// A Pingora server on a thread of its own, as its `run` blocks. It is stopped and awaited when dropped.
struct Running {
    doors: Doors,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

struct WhenTold(Arc<Notify>);

#[async_trait::async_trait]
impl ShutdownSignalWatch for WhenTold {
    async fn recv(&self) -> ShutdownSignal {
        self.0.notified().await;
        ShutdownSignal::FastShutdown
    }
}

impl Running {
    /// Pingora cannot choose ports itself, so they are chosen here, and others when these have been taken since.
    async fn start(app: SocketAddr) -> Self {
        for _ in 0..5 {
            let running = Self::on(app, free_doors());
            if timeout(Duration::from_secs(5), running.is_open()).await.is_ok() {
                return running;
            }
        }
        panic!("five times in a row, ports that had been free were taken a moment later");
    }

    fn on(app: SocketAddr, doors: Doors) -> Self {
        let stop = Arc::new(Notify::new());
        let signal = Box::new(WhenTold(stop.clone()));
        let server = server(app, &doors).unwrap();
        let thread = thread::spawn(move || server.run(RunArgs { shutdown_signal: signal }));
        Self { doors, stop, thread: Some(thread) }
    }

    /// Returns when every door is open, and is ours: a stranger's answers would be other ones.
    async fn is_open(&self) {
        let Doors { api, socket, login, all } = self.doors;
        for (door, status) in [(api, 200), (socket, 426), (login, 200), (all, 200)] {
            let is_ours = |reply: Reply| reply.status == status && (status != 200 || reply.text() == HELLO);
            while !Client::to(door).get("/api/hello").try_send().await.is_ok_and(is_ours) {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.notify_one();
        let stopped = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(stopped, Some(Ok(()))), "the server did not stop cleanly");
    }
}

/// Free ports, held together until all are chosen, so that they differ. They are on a loopback address of this process's
/// own (all of 127.0.0.0/8 is local, as on Linux): on 127.0.0.1 every other test would be after them, too.
fn free_doors() -> Doors {
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 83, high, low.clamp(1, 254));
    let held = [(); 4].map(|()| TcpListener::bind((own, 0)).unwrap());
    let [api, socket, login, all] = held.each_ref().map(|listener| listener.local_addr().unwrap());
    Doors { api, socket, login, all }
}

async fn app() -> Origin {
    let app = Origin::builder().route("/api/health", "well").route("/ws", WebSocketEcho::new());
    app.otherwise(HELLO).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_service_is_complete_by_itself_and_all_of_them_together() {
    let app = app().await;
    let running = Running::start(app.address()).await;
    assert!(app.hits_of("/api/health") > 0, "the doors opened after the first look");
    let Doors { api, socket, login, all } = running.doors;

    for (door, row) in [(api, "alone"), (all, "together")] {
        let reply = Client::to(door).get("/api/users").send().await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, HELLO), "{row}: {reply}");
    }
    for door in [socket, all] {
        let mut socket = Client::to(door).websocket("/ws").open().await;
        socket.send("ping").await;
        assert!(matches!(socket.next().await, Ok(Message::Text(text)) if text.as_str() == "ping"));
        socket.close(1000, "").await;
    }
    Client::to(socket).get("/ws").send().await.assert_status(426);
    Client::to(all).get("/elsewhere").send().await.assert_status(404);
    assert_eq!(app.hits_of("/elsewhere"), 0);

    // The same limit at both doors: one request and two early ones are let through, and one has found the door open.
    for (door, status) in [(all, 200), (login, 200), (all, 429), (login, 429)] {
        let reply = Client::to(door).post("/api/login", "{}").send().await;
        reply.assert_status(status);
        assert_eq!(reply.header("retry-after").is_some(), status == 429, "{reply}");
    }
}
