//! One slow answer shared by everybody who asks within a short time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last answer and when it was made. Callers that come while it is being made wait for it instead of making
/// another, so a hundred probes cost one.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    keep: Duration,
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Cached<T> {
    /// Keeps an answer this long.
    pub(crate) fn new(keep: Duration) -> Self {
        Self {
            keep,
            last: Mutex::new(None),
        }
    }

    /// The kept answer, or a new one.
    pub(crate) async fn get(&self, make: impl Future<Output = T>) -> T {
        // An async mutex on purpose: it is held while the answer is made, and a caller that goes away leaves it intact.
        let mut last = self.last.lock().await;
        if let Some((made, answer)) = &*last
            && made.elapsed() < self.keep
        {
            return answer.clone();
        }
        let answer = make.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Makes the next caller ask anew.
    pub(crate) async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_reused_until_it_is_old() {
        let cached = Cached::new(Duration::from_secs(1));
        let made = Cell::new(0);
        let make = || async {
            made.set(made.get() + 1);
            made.get()
        };
        assert_eq!((cached.get(make()).await, cached.get(make()).await), (1, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cached.get(make()).await, 2);
    }
}
