//! Gates: a test that wants to see what happens *while* something is slow decides itself how long "while" is.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::deadline::patiently;
use crate::origin::{Behaviour, Request, Response};

/// A gate that the test opens. It starts closed; clones are the same gate.
///
/// `origin.route("/slow", gate.then("late"))` makes a path that answers when the test calls [`Gate::open`]. The test can
/// await [`Gate::reached`] first, so that it knows the request is on the other side of whatever is tested.
#[derive(Debug, Clone)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

/// A [`Behaviour`] that waits at a [`Gate`] before it lets another one answer. Made by [`Gate::then`].
#[derive(Debug)]
pub struct Held<B> {
    gate: Gate,
    then: B,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    arrivals: usize,
}

// === impl Gate ===

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Lets everyone through, those who wait and those who come later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Closes the gate again for those who come later.
    pub fn close(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// Waits until the gate is open. It has no deadline of its own: the one who waits for the answer has.
    pub async fn pass(&self) {
        let mut state = self.state.subscribe();
        self.state.send_modify(|state| state.arrivals += 1);
        // The gate itself holds the sender, so this cannot end with an error.
        drop(state.wait_for(|state| state.open).await);
    }

    /// Waits until the gate has been come to `times` times since it was made, open or closed.
    ///
    /// # Panics
    ///
    /// When that does not happen within [`PATIENCE`](crate::PATIENCE).
    pub async fn reached(&self, times: usize) {
        let mut state = self.state.subscribe();
        patiently(format!("{times} arrivals at the gate"), async {
            drop(state.wait_for(|state| state.arrivals >= times).await);
        })
        .await;
    }

    /// A behaviour that answers as `then` does, once the gate is open. Until then not even the head of a reply is sent,
    /// and nothing of the request's body is read.
    pub fn then<B: Behaviour>(&self, then: B) -> Held<B> {
        Held { gate: self.clone(), then }
    }
}

// === impl Held ===

impl<B: Behaviour> Behaviour for Held<B> {
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            self.gate.pass().await;
            self.then.reply(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{Client, Origin};

    #[tokio::test]
    async fn an_open_gate_is_passed_and_a_closed_one_is_not() {
        let gate = Gate::closed();
        assert!(gate.pass().now_or_never().is_none(), "closed at first");
        gate.open();
        assert!(gate.pass().now_or_never().is_some(), "opened");
        gate.close();
        assert!(gate.pass().now_or_never().is_none(), "closed again");
        gate.reached(3).await;
    }

    #[tokio::test]
    async fn a_held_route_answers_when_the_test_says_so() {
        let gate = Gate::closed();
        let origin = Origin::builder().route("/slow", gate.then("late")).start().await;
        let client = Client::to(origin.address());

        let answer = tokio::spawn(client.get("/slow").send());
        gate.reached(1).await;
        assert!(!answer.is_finished(), "the gate is closed, so nothing can have answered");
        gate.open();
        answer.await.unwrap().assert_status(200).assert_text("late");
    }
}
