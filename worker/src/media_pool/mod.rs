//! Media children: started on demand, reused, and killed with the work that they do. A caller that drops its future
//! has killed the child: that is how cancels and timeouts end CPU work.

mod child;
mod held;

pub use held::HeldChild;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use zoetrope_queue::Failure;

use crate::metrics::Metrics;
use crate::protocol::{ProtocolError, Reply, Request};
use child::MediaChild;

/// Usual number of requests after which a child is replaced.
const RECYCLE_AFTER_REQUESTS: u32 = 200;
/// Requests about streams come many times a second and take milliseconds: this many count as one.
const STREAM_REQUESTS_IN_ONE: u32 = 100;
/// Usual memory at which a child is replaced, bytes. Tesseract with a language holds 100 MB.
const RECYCLE_RESIDENT_BYTES: u64 = 512 * 1024 * 1024;
/// How long a broken child may take to be gone, so that its exit status can be told.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Where children come from and how many there may be.
#[derive(Debug, Clone)]
pub struct MediaPoolConfig {
    /// The `zoetrope-media` executable.
    pub executable: PathBuf,
    /// The folder of its inputs: children may read what lies below, if they are told its name, and no other file.
    pub inputs: PathBuf,
    /// Files of the operator's that they may read too: a detector's network, its labels, the library that runs it.
    pub readable: Vec<PathBuf>,
    /// Most children at once: the worker's cpu slots.
    pub max_children: usize,
    /// A child is replaced after this many requests, so that whatever leaks stays small.
    pub recycle_after_requests: u32,
    /// A child that holds more than this between two requests is replaced, bytes.
    pub recycle_resident_bytes: u64,
}

impl MediaPoolConfig {
    /// This executable, with the usual limits and the system's temporary folder for inputs.
    pub fn of(executable: PathBuf, max_children: usize) -> Self {
        Self {
            executable,
            inputs: std::env::temp_dir(),
            readable: Vec::new(),
            max_children,
            recycle_after_requests: RECYCLE_AFTER_REQUESTS,
            recycle_resident_bytes: RECYCLE_RESIDENT_BYTES,
        }
    }

    /// The executable beside the running one.
    pub fn beside_current_exe(max_children: usize) -> std::io::Result<Self> {
        let executable = std::env::current_exe()?.with_file_name("zoetrope-media");
        Ok(Self::of(executable, max_children))
    }
}

/// Why work came back without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The child answered that it cannot be done.
    #[error("{code}: {message}")]
    Refused {
        /// Stable `snake_case` word.
        code: String,
        /// One sentence.
        message: String,
        /// Whether another attempt can help.
        retryable: bool,
    },
    /// The child died or talked nonsense.
    #[error("the media child {0}")]
    Crashed(String),
    /// No child could be started, or the pool is closed.
    #[error("no media child: {0}")]
    Unavailable(String),
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Refused {
                code,
                message,
                retryable: true,
            } => Self::retryable(code, message),
            MediaError::Refused {
                code,
                message,
                retryable: false,
            } => Self::non_retryable(code, message),
            MediaError::Crashed(_) => Self::retryable("media_crashed", error.to_string()),
            MediaError::Unavailable(_) => Self::retryable("media_unavailable", error.to_string()),
        }
    }
}

/// Hears what a child says while it works.
pub trait Listener: Send {
    /// How far it has come, 0 to 100, and what it is doing.
    fn progress(&mut self, percent: u8, message: &str);

    /// A picture that the result will name. The child goes on once this is done.
    fn picture(&mut self, name: String, bytes: Vec<u8>) -> BoxFuture<'_, ()>;
}

impl<F: FnMut(u8, &str) + Send> Listener for F {
    fn progress(&mut self, percent: u8, message: &str) {
        self(percent, message);
    }

    /// Nobody asked for one.
    fn picture(&mut self, _: String, _: Vec<u8>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The worker's children. Clones share them.
#[derive(Debug, Clone)]
pub struct MediaPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: MediaPoolConfig,
    permits: Semaphore,
    idle: Mutex<Vec<MediaChild>>,
    metrics: Metrics,
}

impl MediaPool {
    /// A pool without children: the first request starts the first.
    pub fn new(config: MediaPoolConfig, metrics: Metrics) -> Self {
        let permits = Semaphore::new(config.max_children);
        Self(Arc::new(Shared {
            config,
            permits,
            idle: Mutex::default(),
            metrics,
        }))
    }

    /// Has a child do the work and answers the result's JSON. Waits while all children are busy.
    pub async fn run(
        &self,
        request: &Request,
        media: Bytes,
        mut on_progress: impl FnMut(u8, &str) + Send,
    ) -> Result<Vec<u8>, MediaError> {
        self.run_heard(request, media, &mut on_progress).await
    }

    /// As [`MediaPool::run`], for work that sends pictures up before it is done.
    pub async fn run_heard(
        &self,
        request: &Request,
        media: Bytes,
        listener: &mut dyn Listener,
    ) -> Result<Vec<u8>, MediaError> {
        let permit = self.0.permits.acquire().await;
        let _permit = permit.map_err(|_| MediaError::Unavailable("the worker is stopping".into()))?;
        let mut child = self.take()?;
        let answer = match child.converse(request, &media, listener).await {
            Ok(answer) => answer,
            Err(error) => return Err(lost(&self.0.metrics, &mut child, &error).await),
        };
        self.give_back(child);
        finish(answer)
    }

    /// A child that its owner keeps. Nothing counts them here: whoever holds them bounds their number.
    pub fn hold(&self) -> Result<HeldChild, MediaError> {
        HeldChild::new(self.clone())
    }

    /// Whether whoever comes now has to wait.
    pub fn is_busy(&self) -> bool {
        self.0.permits.available_permits() == 0
    }

    /// Ends idle children and lets no new work in. Busy children end with the futures that wait for them.
    pub fn close(&self) {
        self.0.permits.close();
        self.idle().clear();
    }

    /// Process ids of the children that wait for work.
    pub fn idle_pids(&self) -> Vec<u32> {
        self.idle().iter().filter_map(MediaChild::pid).collect()
    }

    fn take(&self) -> Result<MediaChild, MediaError> {
        while let Some(mut child) = self.pop_idle() {
            if child.is_alive() {
                return Ok(child);
            }
        }
        self.spawn()
    }

    fn spawn(&self) -> Result<MediaChild, MediaError> {
        if self.0.permits.is_closed() {
            return Err(MediaError::Unavailable("the worker is stopping".into()));
        }
        let spawned = MediaChild::spawn(&self.0.config, self.0.metrics.clone());
        spawned.map_err(|error| {
            let executable = self.0.config.executable.display();
            MediaError::Unavailable(format!("start {executable}: {error}"))
        })
    }

    fn give_back(&self, mut child: MediaChild) {
        let MediaPoolConfig {
            recycle_after_requests,
            recycle_resident_bytes,
            ..
        } = self.0.config;
        let worn = child.wear() >= recycle_after_requests.saturating_mul(STREAM_REQUESTS_IN_ONE)
            || child.newly_resident_bytes() > recycle_resident_bytes;
        if !worn && !self.0.permits.is_closed() {
            self.idle().push(child);
        }
    }

    fn pop_idle(&self) -> Option<MediaChild> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<MediaChild>> {
        self.0.idle.lock().expect("nothing that holds this lock panics")
    }
}

/// The final reply of a child that is well.
fn finish(answer: (Reply, Vec<u8>)) -> Result<Vec<u8>, MediaError> {
    match answer {
        (Reply::Done, result) => Ok(result),
        (
            Reply::Failed {
                code,
                message,
                retryable,
            },
            _,
        ) => Err(MediaError::Refused {
            code,
            message,
            retryable,
        }),
        (Reply::Progress { .. } | Reply::Picture { .. }, _) => unreachable!("`converse` returns only final replies"),
    }
}

/// What is said of a child that did not answer.
async fn lost(metrics: &Metrics, child: &mut MediaChild, error: &ProtocolError) -> MediaError {
    metrics.media_child_crashed();
    let status = child.status_within(LAST_WORDS).await;
    MediaError::Crashed(format!("{status} while it worked on this task ({error})"))
}
