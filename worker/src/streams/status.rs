//! What a running stream says of itself: one line in the task's progress, and its counts.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use zoetrope_queue::Attempt;
use zoetrope_shared::tasks::stream_ingest::{LOCAL, Scene, StreamCounts, WhyLocal};

use super::cause::{Cause, SourceDown};
use super::describe::MODEL;
use crate::protocol_streams::Codec;

/// Counts are told once in each span of this length, those of all streams at its beginning: each telling wakes the engine, and a
/// camera sends thirty pictures a second.
const TELL_EVERY: Duration = Duration::from_secs(1);

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
    /// What the newest window tells of the model, where one is to describe.
    model: Option<ModelIs>,
    /// The provider and the model that described last; the local describer if none did.
    author: (String, String),
    /// How the source is that is recorded, where another one is watched.
    recorded: Option<SourceIs>,
    /// In which span of [`TELL_EVERY`] the line was told last.
    told: u128,
}

/// How a source is that is recorded and not watched.
#[derive(Debug, Clone)]
pub struct SourceIs {
    /// What it is doing.
    pub phase: Phase,
    /// Why it is away, in a sentence.
    pub detail: Option<String>,
    /// What it says of its pictures, as of the newest connection.
    pub video: Option<Video>,
}

impl SourceIs {
    /// Why it is away.
    fn cause(&self) -> Option<Cause> {
        match self.phase {
            Phase::Down(cause) => Some(cause),
            _ => None,
        }
    }
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
    /// What the source says of the pictures that came last.
    pub video: Option<Video>,
    /// What was counted so far.
    pub counts: StreamCounts,
    /// How the source is that is recorded, where another one is watched.
    pub recorded: Option<SourceIs>,
}

/// How it stands with the model that is to describe a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModelIs {
    Well,
    TooDear,
    Failing,
}

impl Status {
    /// Goes on from the scene that was written last.
    pub fn new(attempt: Attempt, phase: Phase, last: Option<&Scene>) -> Self {
        let author = last.map(|scene| (scene.provider.clone(), scene.model.clone()));
        let status = Self {
            attempt,
            inner: Mutex::new(Inner {
                phase,
                percent: 0,
                detail: None,
                video: None,
                counts: last.map(|scene| scene.totals).unwrap_or_default(),
                model: None,
                recorded: None,
                author: author.unwrap_or_else(|| (LOCAL.to_owned(), MODEL.to_owned())),
                told: span_now(),
            }),
        };
        status.tell(&mut status.inner());
        status
    }

    /// The source plays this.
    pub fn plays(&self, video: Video) {
        let mut inner = self.inner();
        (inner.detail, inner.video) = (None, Some(video));
        inner.phase = Phase::Live;
        self.tell(&mut inner);
    }

    /// What plays shows this from here on.
    pub fn shows(&self, video: Video) {
        self.inner().video = Some(video);
    }

    /// The source is away.
    pub fn down(&self, down: &SourceDown) {
        let mut inner = self.inner();
        inner.detail = Some(down.detail.clone());
        inner.phase = Phase::Down(down.cause);
        self.tell(&mut inner);
    }

    /// Everything at this moment.
    pub fn standing(&self) -> Standing {
        let inner = self.inner();
        Standing {
            phase: inner.phase,
            detail: inner.detail.clone(),
            video: inner.video,
            counts: inner.counts,
            recorded: inner.recorded.clone(),
        }
    }

    /// Another source than the one that is watched is recorded; it is being connected to.
    pub fn records_apart(&self) {
        self.inner().recorded = Some(SourceIs {
            phase: Phase::Connecting,
            detail: None,
            video: None,
        });
    }

    /// That source plays this.
    pub fn recorded_plays(&self, video: Video) {
        let mut inner = self.inner();
        inner.recorded = Some(SourceIs {
            phase: Phase::Live,
            detail: None,
            video: Some(video),
        });
        self.tell(&mut inner);
    }

    /// That source is away.
    pub fn recorded_down(&self, down: &SourceDown) {
        let mut inner = self.inner();
        let video = inner.recorded.as_ref().and_then(|recorded| recorded.video);
        inner.recorded = Some(SourceIs {
            phase: Phase::Down(down.cause),
            detail: Some(down.detail.clone()),
            video,
        });
        self.tell(&mut inner);
    }

    /// Changes the phase, and says so.
    pub fn phase(&self, phase: Phase) {
        let mut inner = self.inner();
        inner.phase = phase;
        self.tell(&mut inner);
    }

    /// Counts something, and says so: at once where it is a scene, else now and then.
    pub fn count(&self, change: impl FnOnce(&mut StreamCounts)) {
        let mut inner = self.inner();
        let scenes = inner.counts.scenes;
        change(&mut inner.counts);
        if inner.counts.scenes != scenes || inner.told != span_now() {
            self.tell(&mut inner);
        }
    }

    /// Takes over what a written scene tells of the model that was to describe it.
    pub fn window(&self, scene: &Scene) {
        let mut inner = self.inner();
        inner.model = match (scene.why_local, inner.model) {
            (None, _) => Some(ModelIs::Well),
            (Some(WhyLocal::OverBudget), _) => Some(ModelIs::TooDear),
            (Some(WhyLocal::Failed), _) => Some(ModelIs::Failing),
            // Says nothing of the model.
            (Some(WhyLocal::Still | WhyLocal::Replaced), known) => known.or(Some(ModelIs::Well)),
        };
        if scene.why_local.is_none() {
            inner.author = (scene.provider.clone(), scene.model.clone());
        }
        self.tell(&mut inner);
    }

    /// The provider and the model that described last; the local describer if none did.
    pub fn author(&self) -> (String, String) {
        self.inner().author.clone()
    }

    /// Sets how far it has come, 0 to 1.
    pub fn share(&self, done: f64) {
        let mut inner = self.inner();
        inner.percent = (done.clamp(0.0, 1.0) * 100.0) as u8;
        self.tell(&mut inner);
    }

    /// What was counted so far.
    pub fn counts(&self) -> StreamCounts {
        self.inner().counts
    }

    fn tell(&self, inner: &mut Inner) {
        inner.told = span_now();
        let unrecorded = inner.recorded.as_ref().and_then(SourceIs::cause);
        let line = match unrecorded {
            Some(cause) if inner.phase == Phase::Live => unrecorded_line(cause, &inner.counts),
            _ => line(inner.phase, inner.model, &inner.counts),
        };
        self.attempt.progress(inner.percent, &line);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing that holds this lock panics")
    }
}

/// The same for all streams of a worker.
fn span_now() -> u128 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_millis() / TELL_EVERY.as_millis()
}

/// At most 56 bytes: what the queue takes. The state comes first, as it is what matters if something is cut off.
fn line(phase: Phase, model: Option<ModelIs>, counts: &StreamCounts) -> String {
    match phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Live => format!("live{}", counted(model, counts)),
        Phase::Down(cause) => format!("down: {cause}; {} scenes so far", counts.scenes),
        Phase::Waiting => "waiting for a film slot".to_owned(),
        Phase::Fetching => "fetching the film".to_owned(),
        Phase::Reading => format!("reading{}", counted(model, counts)),
    }
}

/// Of a stream that is watched while the source that is to be recorded is away.
fn unrecorded_line(cause: Cause, counts: &StreamCounts) -> String {
    format!("live, recording down: {cause}; {} scenes", counts.scenes)
}

fn counted(model: Option<ModelIs>, counts: &StreamCounts) -> String {
    let drops = &counts.drops;
    let dropped = drops.decoder_behind + drops.describer_behind + drops.decode_errors;
    let Some(model) = model else {
        return format!(
            ": {} scenes, {} frames, {dropped} dropped",
            counts.scenes, counts.frames
        );
    };
    let trouble = match model {
        ModelIs::Well => "",
        ModelIs::TooDear => ", over budget",
        ModelIs::Failing => ", model fails",
    };
    format!(
        "{trouble}: {} scenes, {} by model",
        counts.scenes, counts.model.described
    )
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::stream_ingest::StreamModelCounts;

    use super::*;

    #[test]
    fn a_source_that_is_down_says_why() {
        let counts = StreamCounts {
            scenes: 12,
            frames: 340,
            ..StreamCounts::default()
        };
        assert_eq!(
            line(Phase::Down(Cause::NotFound), None, &counts),
            "down: not_found; 12 scenes so far"
        );
        assert_eq!(
            line(Phase::Live, None, &counts),
            "live: 12 scenes, 340 frames, 0 dropped"
        );
        assert_eq!(
            line(Phase::Live, Some(ModelIs::Failing), &counts),
            "live, model fails: 12 scenes, 0 by model"
        );
    }

    #[test]
    fn lines_of_a_year_fit() {
        let model = StreamModelCounts {
            described: 3_153_600,
            ..StreamModelCounts::default()
        };
        let counts = StreamCounts {
            scenes: 3_153_600,
            frames: 946_080_000,
            model,
            ..StreamCounts::default()
        };
        for phase in [Phase::Live, Phase::Reading, Phase::Down(Cause::NotFound)] {
            for model in [None, Some(ModelIs::Well), Some(ModelIs::TooDear)] {
                let line = line(phase, model, &counts);
                assert!(line.len() <= 56, "{line}");
            }
        }
        let line = unrecorded_line(Cause::NotFound, &counts);
        assert!(line.len() <= 56, "{line}");
    }
}
