//! The streams that are watched in this process, each with its screen; one subscription hears them all.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::QueueError;
use zoetrope_shared::keys;
use zoetrope_shared::live_view::{LiveFrame, LiveLink, Watched};

use super::feed;
use super::figures::ViewMetrics;
use super::screen::{Screen, Shown, ViewState};
use super::subject::Subject;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::{MAX_STREAM_VIEWERS, MAX_VIEWERS};
use crate::live::buffered::Counted;

/// After this long without a frame the server is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);
/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_millis(500);

/// The board. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    link: LiveLink,
    /// By channel.
    entries: Mutex<HashMap<String, Entry>>,
    /// The channels are others than before.
    changed: Notify,
    figures: ViewMetrics,
}

#[derive(Debug)]
struct Entry {
    screen: Arc<Screen>,
    viewers: usize,
    _counted: Counted,
}

/// One viewer's place, until dropped.
#[derive(Debug)]
pub(super) struct Seat {
    board: Board,
    channel: String,
    screen: Arc<Screen>,
    pub(super) frame: watch::Receiver<Option<Arc<Shown>>>,
    pub(super) standing: watch::Receiver<ViewState>,
    _counted: Counted,
}

impl Board {
    /// Nobody watches yet.
    pub(crate) fn new(link: LiveLink, figures: ViewMetrics) -> Self {
        Self(Arc::new(Shared {
            link,
            entries: Mutex::default(),
            changed: Notify::new(),
            figures,
        }))
    }

    /// The way to those who have the streams.
    pub(super) fn link(&self) -> &LiveLink {
        &self.0.link
    }

    /// A place before a stream's screen. The first one of a stream makes the screen and has it followed.
    pub(super) fn sit(&self, app: &App, watched: Watched, subject: Subject) -> Result<Seat, Refusal> {
        let channel = keys::frames(&watched.tenant, &watched.id);
        let mut entries = self.entries();
        if entries.values().map(|entry| entry.viewers).sum::<usize>() >= MAX_VIEWERS {
            return Err(Refusal::overloaded(format!(
                "this server shows streams to at most {MAX_VIEWERS} viewers at a time"
            )));
        }
        let mut is_new = false;
        let entry = entries.entry(channel.clone()).or_insert_with(|| {
            is_new = true;
            Entry {
                screen: Arc::new(Screen::new()),
                viewers: 0,
                _counted: Counted::one(&self.0.figures.streams),
            }
        });
        if entry.viewers >= MAX_STREAM_VIEWERS {
            return Err(Refusal::overloaded(format!(
                "this server shows one stream to at most {MAX_STREAM_VIEWERS} viewers at a time"
            )));
        }
        entry.viewers += 1;
        let screen = Arc::clone(&entry.screen);
        drop(entries);
        let (frame, standing) = screen.receivers();
        if is_new {
            self.0.changed.notify_one();
            let followed = feed::follow(app.clone(), watched, subject, Arc::clone(&screen));
            app.sockets.spawn(followed);
        }
        Ok(Seat {
            board: self.clone(),
            channel,
            screen,
            frame,
            standing,
            _counted: Counted::one(&self.0.figures.viewers),
        })
    }

    /// Whoever comes to this stream from now on gets a screen of its own: this one has said its last.
    pub(super) fn retire(&self, watched: &Watched, screen: &Arc<Screen>) {
        self.remove_if(&keys::frames(&watched.tenant, &watched.id), |entry| {
            Arc::ptr_eq(&entry.screen, screen)
        });
    }

    /// Hears the watched streams until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let listen = async {
            loop {
                while self.entries().is_empty() {
                    self.0.changed.notified().await;
                }
                if let Err(error) = self.listen().await {
                    tracing::debug!(%error, "api.view.deaf: frames of streams are not heard, will try again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        stop.run_until_cancelled(listen).await;
    }

    /// Hears them over one connection, until it breaks or nobody watches any more.
    async fn listen(&self) -> Result<(), QueueError> {
        let (mut channels, mut heard) = self.0.link.listen().await?;
        let mut tuned = HashSet::new();
        loop {
            let wanted: HashSet<String> = self.entries().keys().cloned().collect();
            if wanted.is_empty() {
                return Ok(());
            }
            for channel in tuned.difference(&wanted) {
                channels.remove(channel).await?;
            }
            for channel in wanted.difference(&tuned) {
                channels.add(channel).await?;
            }
            tuned = wanted;
            loop {
                let next = tokio::select! {
                    biased;
                    () = self.0.changed.notified() => break,
                    next = timeout(QUIET, heard.next()) => next,
                };
                match next {
                    Ok(Some((channel, message))) => self.show(&channel, message),
                    Ok(None) => return Err(QueueError::Unavailable("the subscription is gone".to_owned())),
                    Err(_) => channels.check().await?,
                }
            }
        }
    }

    fn show(&self, channel: &str, message: Bytes) {
        let screen = self.entries().get(channel).map(|entry| Arc::clone(&entry.screen));
        if let Some((screen, frame)) = screen.zip(LiveFrame::read(message)) {
            screen.show(frame);
        }
    }

    fn remove_if(&self, channel: &str, gone: impl FnOnce(&Entry) -> bool) {
        let mut entries = self.entries();
        if entries.get(channel).is_some_and(gone) {
            entries.remove(channel);
            self.0.changed.notify_one();
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.entries.lock().expect("no holder should panic")
    }
}

impl Seat {
    /// Counts a frame that its viewer has, and those that it missed before.
    pub(super) fn count_sent(&self, missed: u64) {
        self.board.0.figures.sent.inc();
        self.board.0.figures.missed.inc_by(missed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(entry) = self.board.entries().get_mut(&self.channel)
            && Arc::ptr_eq(&entry.screen, &self.screen)
        {
            entry.viewers -= 1;
        }
        let screen = Arc::clone(&self.screen);
        self.board.remove_if(&self.channel, |entry| {
            entry.viewers == 0 && Arc::ptr_eq(&entry.screen, &screen)
        });
    }
}
