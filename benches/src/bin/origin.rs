//! The origin of the comparison: the least that can answer, so that the machine's time goes to the proxies.
//!
//! It knows no HTTP beyond where a head ends. `GET /N` is answered with N bytes (64, 65536 or 1048576, prepared before the
//! first request), and a path that begins with `/ws` with a 101, after which every byte comes back as it went.
//! `/ws-first` has its first frame in the 101's segment, as servers that greet their clients do.
//!
//! `origin` prints the address that it listens on. It has three more, 127.0.0.2 to 127.0.0.4 at the same port; the last one is slow.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwall_benches::websocket::GREETING;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The GUID of RFC 6455, 1.3.
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// More than the head of any request that a peer makes.
const LARGEST_HEAD: usize = 16 * 1024;

/// How long the slow one of four servers takes.
const SLOW: Duration = Duration::from_millis(20);

/// The prepared answers.
struct Answers {
    by_path: Vec<(String, Vec<u8>)>,
    not_found: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let by_path = [64, 64 << 10, 1 << 20].map(|size| (format!("/{size}"), answer("200 OK", size)));
        Self { by_path: by_path.into(), not_found: answer("404 Not Found", 0) }
    }

    fn to(&self, path: &str) -> &[u8] {
        self.by_path.iter().find(|(known, _)| known == path).map_or(&self.not_found, |(_, answer)| answer)
    }
}

fn answer(status: &str, size: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + size, b'x');
    answer
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let port = listener.local_addr()?.port();
    let answers = Arc::new(Answers::new());
    for (address, delay) in [("127.0.0.2", None), ("127.0.0.3", None), ("127.0.0.4", Some(SLOW))] {
        let listener = TcpListener::bind((address, port)).await?;
        tokio::spawn(listen(listener, answers.clone(), delay));
    }
    listen(listener, answers, None).await
}

async fn listen(
    listener: TcpListener,
    answers: Arc<Answers>,
    delay: Option<Duration>,
) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let answers = answers.clone();
        // How a connection ends is known to whoever measures at the other end.
        tokio::spawn(async move { drop(serve(stream, &answers, delay).await) });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers, delay: Option<Duration>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") else {
            if buffer.len() > LARGEST_HEAD || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/ws") {
            let upgraded = switching(&head, path == "/ws-first");
            stream.write_all(&upgraded).await?;
            stream.write_all(&buffer[end + 4..]).await?;
            drop(buffer);
            return echo(stream).await;
        }
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(answers.to(path)).await?;
        buffer.drain(..end + 4);
    }
}

/// The 101 of RFC 6455, 4.2.2.
fn switching(head: &str, greet: bool) -> Vec<u8> {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let digest = sha1_smol::Sha1::from(format!("{}{WEBSOCKET_GUID}", key.unwrap_or_default())).digest();
    let accept = STANDARD.encode(digest.bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    if greet {
        answer.extend_from_slice(GREETING);
    }
    answer
}

/// Frames come back masked as they went. No proxy here looks into them, and a second pass over the bytes would be the
/// origin's cost.
async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    // Small at first: thousands of idle tunnels end here.
    let mut buffer = vec![0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read]).await?,
        }
    }
}
