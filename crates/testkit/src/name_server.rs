//! A name server whose answers the test changes.
//!
//! It speaks as much of DNS (RFC 1035) as a resolver that asks for addresses and services needs: one question in one datagram,
//! and an answer with A, AAAA or SRV records, or none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::net::UdpSocket;

use crate::tasks::Tasks;

/// A name server on a port of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Zone>,
    tasks: Tasks,
}

/// What it knows.
#[derive(Debug, Default)]
struct Zone {
    hosts: Mutex<HashMap<String, Records<IpAddr>>>,
    services: Mutex<HashMap<String, Records<Service>>>,
    is_ill: Mutex<bool>,
    questions: AtomicUsize,
}

/// Records of one name.
#[derive(Debug, Clone)]
struct Records<T> {
    ttl: u32,
    data: Vec<T>,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone)]
pub struct Service {
    /// A lower one is asked first.
    pub priority: u16,
    /// In proportion to others of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: String,
}

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
/// A pointer to the name in the question, which is the name of every answer.
const SAME_NAME: [u8; 2] = [0xc0, 12];

// === impl NameServer ===

impl NameServer {
    /// Starts one that knows nothing.
    ///
    /// # Panics
    ///
    /// If no socket can be had.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let socket = socket.unwrap_or_else(|error| panic!("no socket for a name server: {error}"));
        let address = socket.local_addr().unwrap_or_else(|error| panic!("a socket without address: {error}"));
        let (zone, tasks) = (Arc::new(Zone::default()), Tasks::new());
        tasks.spawn(serve(socket, zone.clone()));
        Self { address, zone, tasks }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on `name` has these addresses, for `ttl` seconds. Without any it exists and is nowhere.
    pub fn host(&self, name: &str, ttl: u32, addresses: impl IntoIterator<Item = IpAddr>) {
        let data = addresses.into_iter().collect();
        self.zone.hosts.lock().insert(name.to_owned(), Records { ttl, data });
    }

    /// From now on `name` is offered by these.
    pub fn service(&self, name: &str, ttl: u32, services: impl IntoIterator<Item = Service>) {
        let data = services.into_iter().collect();
        self.zone.services.lock().insert(name.to_owned(), Records { ttl, data });
    }

    /// From now on every answer is that the server is ill (`SERVFAIL`), or no longer.
    pub fn is_ill(&self, is_ill: bool) {
        *self.zone.is_ill.lock() = is_ill;
    }

    /// How often it was asked.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.zone.questions.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Zone>) {
    let mut datagram = [0; 1500];
    while let Ok((length, client)) = socket.recv_from(&mut datagram).await {
        if let Some(answer) = zone.answer(&datagram[..length]) {
            // Whoever asked may have gone.
            drop(socket.send_to(&answer, client).await);
        }
    }
}

// === impl Zone ===

impl Zone {
    /// None for what is no question.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name(query, 12)?;
        let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
        self.questions.fetch_add(1, Ordering::SeqCst);
        let (hosts, services) = (self.hosts.lock(), self.services.lock());
        let is_known = hosts.contains_key(&name) || services.contains_key(&name);
        let mut records = Vec::new();
        if let Some(Records { ttl, data }) = hosts.get(&name) {
            for address in data {
                match (kind, address) {
                    (A, IpAddr::V4(address)) => records.push((*ttl, address.octets().to_vec())),
                    (AAAA, IpAddr::V6(address)) => records.push((*ttl, address.octets().to_vec())),
                    _ => {}
                }
            }
        }
        if let (SRV, Some(Records { ttl, data })) = (kind, services.get(&name)) {
            records.extend(data.iter().map(|service| (*ttl, service.data())));
        }
        let code = if *self.is_ill.lock() {
            records.clear();
            2
        } else if is_known {
            0
        } else {
            3
        };
        // The same number; an answer of one who has the last word, to one who may ask for recursion.
        let mut answer = query[..2].to_vec();
        answer.extend([0x85, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
        answer.extend([0; 4]);
        answer.extend(query.get(12..end + 4)?);
        for (ttl, data) in records {
            answer.extend(SAME_NAME);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(ttl.to_be_bytes());
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

impl Service {
    fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for number in [self.priority, self.weight, self.port] {
            data.extend(number.to_be_bytes());
        }
        for label in self.target.split('.').filter(|label| !label.is_empty()) {
            data.push(u8::try_from(label.len()).unwrap_or(63));
            data.extend(label.as_bytes());
        }
        data.push(0);
        data
    }
}

/// The name at `at`, in small letters and without a last dot, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for records of this kind: the code of the answer, and how many records are in it.
    async fn ask(server: &NameServer, name: &str, kind: u16) -> (u8, u16) {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, u8::try_from(kind).unwrap(), 0, 1]);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.send_to(&query, server.address()).await.unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).await.unwrap();
        assert!(length >= query.len());
        assert_eq!(answer[..2], [0xab, 0xcd], "the same number");
        (answer[3] & 15, u16::from_be_bytes([answer[6], answer[7]]))
    }

    #[tokio::test]
    async fn it_answers_what_it_was_told() {
        let server = NameServer::start().await;
        assert_eq!(ask(&server, "app.test", A).await, (3, 0), "it knows nothing");
        server.host("app.test", 1, ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(ask(&server, "APP.test", A).await, (0, 1));
        assert_eq!(ask(&server, "app.test", AAAA).await, (0, 1));
        assert_eq!(ask(&server, "app.test", SRV).await, (0, 0));
        let service = Service { priority: 0, weight: 1, port: 80, target: "app.test".into() };
        server.service("_http._tcp.app.test", 1, [service.clone(), service]);
        assert_eq!(ask(&server, "_http._tcp.app.test", SRV).await, (0, 2));
        server.is_ill(true);
        assert_eq!(ask(&server, "app.test", A).await, (2, 0));
        assert_eq!(server.questions(), 6);
    }
}
