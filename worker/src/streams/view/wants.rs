//! Who is watched: one subscription a worker hears what anybody watches, and wakes the streams that this worker has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use zoetrope_queue::QueueError;
use zoetrope_shared::keys;
use zoetrope_shared::live_view::{LiveLink, WANT_TTL, Watched};

/// After this long without a word the server is asked whether it is there.
const QUIET: Duration = Duration::from_secs(10);
/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// The streams of a worker that may be watched. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Wants(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    by_name: Mutex<HashMap<String, Arc<Want>>>,
    /// A stream has come, or the last one has gone.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Want {
    until: Mutex<Option<Instant>>,
    heard: Notify,
}

/// One stream's ear. Dropping it ends the interest.
#[derive(Debug)]
pub struct Interest {
    wants: Wants,
    name: String,
    want: Arc<Want>,
}

impl Wants {
    /// Listens for a stream.
    pub fn of(&self, watched: &Watched) -> Interest {
        let (name, want) = (watched.to_string(), Arc::<Want>::default());
        // A later attempt of the same stream takes the place of one that is not gone yet.
        self.by_name().insert(name.clone(), Arc::clone(&want));
        self.0.changed.notify_one();
        Interest {
            wants: self.clone(),
            name,
            want,
        }
    }

    /// Keeps the subscription until `stop`, as long as there is any stream.
    pub async fn run(self, link: LiveLink, stop: CancellationToken) {
        let listen = async {
            loop {
                while self.by_name().is_empty() {
                    self.0.changed.notified().await;
                }
                if let Err(error) = self.listen(&link).await {
                    tracing::debug!("listen for who is watched: {error:#}; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        stop.run_until_cancelled(listen).await;
    }

    async fn listen(&self, link: &LiveLink) -> Result<(), QueueError> {
        let (mut channels, mut heard) = link.listen().await?;
        channels.add(keys::WANTS).await?;
        while !self.by_name().is_empty() {
            let next = tokio::select! {
                biased;
                () = self.0.changed.notified() => continue,
                next = timeout(QUIET, heard.next()) => next,
            };
            match next {
                Ok(Some((_, name))) => self.hear(&name),
                Ok(None) => return Err(QueueError::Unavailable("the subscription is gone".to_owned())),
                Err(_) => channels.check().await?,
            }
        }
        Ok(())
    }

    /// Somebody watches this.
    fn hear(&self, name: &[u8]) {
        let known = std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.by_name().get(name).cloned());
        if let Some(want) = known {
            *want.until.lock().expect("nothing that holds this lock panics") = Some(Instant::now() + WANT_TTL);
            want.heard.notify_waiters();
        }
    }

    fn by_name(&self) -> MutexGuard<'_, HashMap<String, Arc<Want>>> {
        self.0.by_name.lock().expect("nothing that holds this lock panics")
    }
}

impl Interest {
    /// Whether somebody watches.
    pub fn is_wanted(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    /// Returns as soon as somebody watches. Cancel safe.
    pub async fn wanted(&self) {
        loop {
            let heard = self.want.heard.notified();
            if self.is_wanted() {
                return;
            }
            heard.await;
        }
    }

    /// Returns once nobody watches any more. Cancel safe.
    pub async fn over(&self) {
        while let Some(until) = self.until().filter(|until| Instant::now() < *until) {
            sleep_until(until).await;
        }
    }

    fn until(&self) -> Option<Instant> {
        *self.want.until.lock().expect("nothing that holds this lock panics")
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut by_name = self.wants.by_name();
        if by_name
            .get(&self.name)
            .is_some_and(|want| Arc::ptr_eq(want, &self.want))
        {
            by_name.remove(&self.name);
        }
        if by_name.is_empty() {
            self.wants.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use zoetrope_shared::tenant::Tenant;

    use super::*;

    fn gate() -> Watched {
        Watched {
            tenant: Tenant::default_tenant(),
            id: "st_gate".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_wanted_until_nothing_was_heard_for_a_while() {
        let wants = Wants::default();
        let interest = wants.of(&gate());
        assert!(!interest.is_wanted() && interest.wanted().now_or_never().is_none());
        interest.over().await;
        wants.hear(b"default/st_gate");
        interest.wanted().await;
        tokio::time::advance(WANT_TTL / 2).await;
        wants.hear(b"default/st_gate");
        let began = Instant::now();
        interest.over().await;
        assert_eq!((began.elapsed(), interest.is_wanted()), (WANT_TTL, false));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_by_the_word_for_its_own_stream() {
        let wants = Wants::default();
        let interest = wants.of(&gate());
        let mut wanted = Box::pin(interest.wanted());
        assert!(futures_util::poll!(&mut wanted).is_pending());
        for other in [&b"default/st_door"[..], b"other/st_gate", b"\xff\xfe", b""] {
            wants.hear(other);
            assert!(futures_util::poll!(&mut wanted).is_pending(), "{other:?}");
        }
        wants.hear(b"default/st_gate");
        assert!(futures_util::poll!(&mut wanted).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_ends_late_takes_nothing_from_the_one_after_it() {
        let wants = Wants::default();
        let (first, second) = (wants.of(&gate()), wants.of(&gate()));
        drop(first);
        wants.hear(b"default/st_gate");
        assert!(second.is_wanted());
        drop(second);
        assert!(wants.by_name().is_empty());
    }
}
