//! Names, and where they lead.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Pool;
use crate::discovery::{Answer, Found, Question, Resolver};

/// How soon a look-up that failed is made again.
const AGAIN: Duration = Duration::from_secs(2);

impl Pool {
    /// Looks every name up, and goes on doing so. Each look-up holds `looking` until there was one answer, and until the
    /// servers that it tells have been looked at.
    pub(super) fn look_names_up(self: &Arc<Self>, looking: &mpsc::Sender<()>) {
        let questions: Vec<_> = self.members.lock().roles().iter().map(|role| role.question()).collect();
        for (index, question) in questions.into_iter().enumerate().filter_map(|(i, name)| Some((i, name?))) {
            let looks =
                look_up(Arc::downgrade(self), self.resolver.clone(), index, question, looking.clone());
            self.tasks.lock().push(tokio::spawn(looks));
        }
    }

    /// Takes an answer in. The last good one stays when there is no new one.
    fn hear_of(
        self: &Arc<Self>,
        index: usize,
        question: &Question,
        found: &[Found],
        looking: &mpsc::Sender<()>,
    ) {
        if self.roster.answer(question) != found {
            log::info!("upstream {}: {question} is at {}", self.name, listed(found));
            self.roster.remember(question, found);
        }
        let changed = self.members.lock().found(index, found);
        match changed {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => log::error!("upstream {}: {question}: {error}", self.name),
        }
        // Told without the lock: a server that is looked at may turn out to be another than it was.
        let watches = self.members.lock().watches();
        watches.iter().for_each(|watch| watch.start(looking));
        self.renew();
    }
}

/// Looks a name up for as long as its cluster exists.
async fn look_up(
    pool: Weak<Pool>,
    resolver: Resolver,
    index: usize,
    question: Question,
    looking: mpsc::Sender<()>,
) {
    let (mut looking, mut has_failed) = (Some(looking), false);
    loop {
        let answer = resolver.ask(&question).await;
        let Some(pool) = pool.upgrade() else { return };
        let wait = match answer {
            Ok(Answer { found, ttl }) => {
                let looking = looking.take().unwrap_or_else(|| mpsc::channel(1).0);
                pool.hear_of(index, &question, &found, &looking);
                has_failed = false;
                ttl
            }
            Err(why) => {
                // Told once: it is asked again every other second.
                if !std::mem::replace(&mut has_failed, true) {
                    log::warn!("upstream {}: {question} cannot be looked up: {why}", pool.name);
                }
                AGAIN
            }
        };
        looking = None;
        drop(pool);
        tokio::time::sleep(wait).await;
    }
}

fn listed(found: &[Found]) -> String {
    found.iter().map(|found| found.address.to_string()).collect::<Vec<_>>().join(", ")
}
