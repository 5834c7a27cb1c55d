//! What a running stream says of itself: one line in the task's progress, and its counts.

use std::sync::{Mutex, MutexGuard};

use zoetrope_queue::Attempt;
use zoetrope_shared::tasks::stream_ingest::StreamCounts;

use super::cause::{Cause, SourceDown};
use crate::protocol_streams::Codec;

/// What a stream is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A live stream is being connected to.
    Connecting,
    /// Pictures arrive.
    Live,
    /// No pictures, for this reason; another connection follows.
    Down(Cause),
    /// A film waits for its turn.
    Waiting,
    /// A film is fetched.
    Fetching,
    /// A film is read.
    Reading,
}

/// Counts and progress of one attempt.
#[derive(Debug)]
pub struct Status {
    attempt: Attempt,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    percent: u8,
    counts: StreamCounts,
    detail: Option<String>,
    video: Option<Video>,
}

/// What a source says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Video {
    /// How they are coded.
    pub codec: Codec,
    /// Width and height, pixels, where it tells them.
    pub size: Option<(u32, u32)>,
}

/// How a stream is at a moment.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What it is doing.
    pub phase: Phase,
    /// Why its source is away, in a sentence.
    pub detail: Option<String>,
    /// What the source says, as of the newest connection.
    pub video: Option<Video>,
    /// What was counted so far.
    pub counts: StreamCounts,
}

impl Status {
    /// Goes on from what was counted before.
    pub fn new(attempt: Attempt, phase: Phase, counts: StreamCounts) -> Self {
        let status = Self {
            attempt,
            inner: Mutex::new(Inner {
                phase,
                percent: 0,
                counts,
                detail: None,
                video: None,
            }),
        };
        status.tell(&status.inner());
        status
    }

    /// The source plays this.
    pub fn plays(&self, video: Video) {
        let mut inner = self.inner();
        (inner.detail, inner.video) = (None, Some(video));
        inner.phase = Phase::Live;
        self.tell(&inner);
    }

    /// The source is away.
    pub fn down(&self, down: &SourceDown) {
        let mut inner = self.inner();
        inner.detail = Some(down.detail.clone());
        inner.phase = Phase::Down(down.cause);
        self.tell(&inner);
    }

    /// Everything at this moment.
    pub fn standing(&self) -> Standing {
        let inner = self.inner();
        Standing {
            phase: inner.phase,
            detail: inner.detail.clone(),
            video: inner.video,
            counts: inner.counts,
        }
    }

    /// Changes the phase, and says so.
    pub fn phase(&self, phase: Phase) {
        let mut inner = self.inner();
        inner.phase = phase;
        self.tell(&inner);
    }

    /// Counts something, and says so: only the newest line is sent, now and then.
    pub fn count(&self, change: impl FnOnce(&mut StreamCounts)) {
        let mut inner = self.inner();
        change(&mut inner.counts);
        self.tell(&inner);
    }

    /// Sets how far it has come, 0 to 1.
    pub fn share(&self, done: f64) {
        let mut inner = self.inner();
        inner.percent = (done.clamp(0.0, 1.0) * 100.0) as u8;
        self.tell(&inner);
    }

    /// What was counted so far.
    pub fn counts(&self) -> StreamCounts {
        self.inner().counts
    }

    fn tell(&self, inner: &Inner) {
        self.attempt.progress(inner.percent, &line(inner.phase, &inner.counts));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing that holds this lock panics")
    }
}

/// At most 56 bytes: what the queue takes. The state comes first, as it is what matters if something is cut off.
fn line(phase: Phase, counts: &StreamCounts) -> String {
    let drops = &counts.drops;
    let dropped = drops.decoder_behind + drops.describer_behind + drops.decode_errors;
    let counted = format!("{} scenes, {} frames, {dropped} dropped", counts.scenes, counts.frames);
    match phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Live => format!("live: {counted}"),
        Phase::Down(cause) => format!("down: {cause}; {} scenes so far", counts.scenes),
        Phase::Waiting => "waiting for a film slot".to_owned(),
        Phase::Fetching => "fetching the film".to_owned(),
        Phase::Reading => format!("reading: {counted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_down_says_why() {
        let counts = StreamCounts {
            scenes: 12,
            frames: 340,
            ..StreamCounts::default()
        };
        assert_eq!(
            line(Phase::Down(Cause::NotFound), &counts),
            "down: not_found; 12 scenes so far"
        );
        assert_eq!(line(Phase::Live, &counts), "live: 12 scenes, 340 frames, 0 dropped");
    }

    #[test]
    fn lines_of_a_year_fit() {
        let counts = StreamCounts {
            scenes: 3_153_600,
            frames: 946_080_000,
            ..StreamCounts::default()
        };
        for phase in [Phase::Live, Phase::Reading, Phase::Down(Cause::NotFound)] {
            assert!(line(phase, &counts).len() <= 56, "{}", line(phase, &counts));
        }
    }
}
