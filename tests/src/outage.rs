//! Requests that go on while a Redis is killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use headwall_testkit::{RedisServer, eventually, within};

/// How many clients ask at the same time.
const CLIENTS: u32 = 4;

/// What clients go by, and what they have done.
#[derive(Clone, Default)]
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

// === impl Load ===

impl Load {
    /// Whether there is another request to be sent.
    pub(crate) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// One more was sent, and answered as it is to be.
    pub(crate) fn answered(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    fn so_far(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    async fn more(&self, requests: u32) {
        let before = self.so_far();
        eventually(30, async || (self.so_far() >= before + requests).then_some(())).await;
    }
}

/// Takes Redis away three times, for `spell` requests each, with as many before and after, while each client, told by its
/// number, goes on for as long as its load does. Returns how many requests were answered; none may have failed.
pub(crate) async fn survived<C>(
    redis: &mut RedisServer,
    spell: u32,
    is_up: impl Fn(&RedisServer) -> bool,
    client: impl Fn(u32, Load) -> C,
) -> u32
where
    C: Future<Output = ()> + Send + 'static,
{
    assert!(is_up(redis), "connected before the first request");
    let load = Load::default();
    let clients: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(client(number, load.clone()))).collect();
    within(120, async {
        for _ in 0..3 {
            load.more(spell).await;
            redis.kill().await;
            eventually(10, async || (!is_up(redis)).then_some(())).await;
            load.more(spell).await;
            redis.start_again().await;
            eventually(20, async || is_up(redis).then_some(())).await;
            load.more(spell).await;
        }
        load.over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.unwrap();
        }
    })
    .await;
    load.so_far()
}
