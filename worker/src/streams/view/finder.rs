//! What is drawn in frames for viewers beside what moves: objects, where the worker has a detector, and faces. While somebody
//! watches, the newest frame is looked at again and again, one at a time and with pauses; what was found is drawn in all
//! frames until the next look.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::to_raw_value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use zoetrope_shared::live_view::{BoxKind, LiveBox, MAX_BOXES, MAX_LABEL_CHARS};
use zoetrope_shared::tasks::image_analysis::{self, Feature, ImageAnalysisOutput};

use super::wants::Interest;
use crate::protocol::Request;
use crate::protocol_images::{AnalysisInput, DrawnBox};
use crate::protocol_view::{FoundBoxes, MAX_MOVING};
use crate::services::Services;

/// Shortest time from one look to the next, and the longest that a look may take.
const EVERY: Duration = Duration::from_millis(300);
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// A look is followed by a pause of so many times its own length: a quarter of a core goes into looking.
const PAUSE: u32 = 3;
/// What was found is not drawn any more after this long without another look.
const STALE: Duration = Duration::from_secs(5);
/// Boxes that are left for what moves.
const MOST_FOUND: usize = MAX_BOXES - MAX_MOVING;
/// Faces have a colour of their own; objects have those by their names.
const FACE_COLOR: usize = 4;
/// Colours that objects may have.
const OBJECT_COLORS: [usize; 6] = [0, 1, 2, 3, 6, 7];

/// Looks for one stream.
#[derive(Debug, Default)]
pub(super) struct Finder {
    asks: AtomicBool,
    frame: Mutex<Option<(Bytes, (u32, u32))>>,
    came: Notify,
    found: Mutex<Option<Found>>,
}

/// What a look found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    at: Instant,
    /// Size of the frame, pixels.
    pub(super) size: (u32, u32),
    /// In its pixels.
    pub(super) boxes: Vec<LiveBox>,
}

impl Finder {
    /// Looks as long as somebody watches.
    pub(super) async fn run(&self, services: &Services, interest: &Interest) {
        loop {
            let look = async {
                let (jpeg, size) = self.next_frame().await;
                let began = Instant::now();
                match timeout(LOOK_LIMIT, look(services, jpeg)).await {
                    Ok(Ok(boxes)) => self.keep(Found { at: began, size, boxes }),
                    Ok(Err(why)) => tracing::debug!("look at a frame for viewers: {why}"),
                    Err(_) => tracing::debug!("no look at a frame for viewers within {LOOK_LIMIT:?}"),
                }
                tokio::time::sleep((began.elapsed() * PAUSE).max(EVERY)).await;
            };
            tokio::select! {
                biased;
                () = interest.over() => return self.forget(),
                () = look => {}
            }
        }
    }

    /// Whether a frame without anything drawn in it is asked for.
    pub(super) fn asks(&self) -> bool {
        self.asks.load(Ordering::Relaxed)
    }

    /// The frame that was asked for.
    pub(super) fn take(&self, jpeg: Bytes, size: (u32, u32)) {
        self.asks.store(false, Ordering::Relaxed);
        *self.frame.lock().expect("nothing that holds this lock panics") = Some((jpeg, size));
        self.came.notify_one();
    }

    /// What was found last, unless that is long ago.
    pub(super) fn found(&self) -> Option<Found> {
        let found = self.found.lock().expect("nothing that holds this lock panics");
        found.as_ref().filter(|found| found.at.elapsed() < STALE).cloned()
    }

    async fn next_frame(&self) -> (Bytes, (u32, u32)) {
        self.asks.store(true, Ordering::Relaxed);
        loop {
            let came = self.came.notified();
            if let Some(frame) = self.frame.lock().expect("nothing that holds this lock panics").take() {
                return frame;
            }
            came.await;
        }
    }

    fn keep(&self, found: Found) {
        *self.found.lock().expect("nothing that holds this lock panics") = Some(found);
    }

    fn forget(&self) {
        self.asks.store(false, Ordering::Relaxed);
        self.frame.lock().expect("nothing that holds this lock panics").take();
        self.found.lock().expect("nothing that holds this lock panics").take();
    }
}

impl Found {
    /// As a media child draws it.
    pub(super) fn drawn(&self) -> FoundBoxes {
        let boxes = self.boxes.iter().map(|found| {
            let name = found.label.as_deref().unwrap_or("face");
            let percent = found.confidence.unwrap_or(0.0) * 100.0;
            DrawnBox {
                bbox: found.bbox,
                caption: format!("{name} {percent:.0}%"),
                color: color_of(found),
            }
        });
        FoundBoxes {
            size: self.size,
            boxes: boxes.collect(),
        }
    }
}

/// The same for all boxes of one name, whatever else is in the picture.
fn color_of(found: &LiveBox) -> usize {
    let Some(label) = &found.label else { return FACE_COLOR };
    let sum = label.bytes().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    OBJECT_COLORS[sum % OBJECT_COLORS.len()]
}

async fn look(services: &Services, jpeg: Bytes) -> Result<Vec<LiveBox>, String> {
    let detector = services.detector.as_deref().cloned();
    let mut features = vec![Feature::Faces];
    features.extend(detector.is_some().then_some(Feature::Objects));
    let input = AnalysisInput {
        features,
        min_confidence: None,
        detector,
    };
    let request = Request {
        kind: image_analysis::KIND.name.to_owned(),
        input: to_raw_value(&input).map_err(|error| error.to_string())?,
    };
    let answer = services.live_media.run(&request, jpeg, |_, _| {}).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let output: ImageAnalysisOutput = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    Ok(boxes(output))
}

/// The surest last, so that they are drawn on top.
fn boxes(output: ImageAnalysisOutput) -> Vec<LiveBox> {
    let objects = output.objects.into_iter().flatten().map(|object| LiveBox {
        kind: BoxKind::Object,
        label: Some(object.label.chars().take(MAX_LABEL_CHARS).collect()),
        confidence: Some(object.confidence),
        bbox: object.bbox,
    });
    let faces = output.faces.into_iter().flatten().map(|face| LiveBox {
        kind: BoxKind::Face,
        label: None,
        confidence: Some(face.confidence),
        bbox: face.bbox,
    });
    let mut boxes: Vec<LiveBox> = objects.chain(faces).take(MOST_FOUND).collect();
    boxes.reverse();
    boxes
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::image_analysis::{Face, Object};

    use super::*;

    fn found() -> Found {
        let object = |label: &str, confidence| Object {
            label: label.to_owned(),
            confidence,
            bbox: [1, 2, 3, 4],
        };
        let output = ImageAnalysisOutput {
            objects: Some(vec![object("gun", 0.912), object(&"x".repeat(500), 0.5)]),
            faces: Some(vec![Face {
                confidence: 0.75,
                bbox: [5, 6, 7, 8],
            }]),
            ..ImageAnalysisOutput::default()
        };
        Found {
            at: Instant::now(),
            size: (640, 360),
            boxes: boxes(output),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_surest_object_is_drawn_last_and_names_are_short() {
        let drawn = found().drawn();
        let captions: Vec<_> = drawn.boxes.iter().map(|one| one.caption.clone()).collect();
        assert_eq!(
            captions,
            [
                "face 75%".to_owned(),
                format!("{} 50%", "x".repeat(60)),
                "gun 91%".to_owned()
            ]
        );
        assert_eq!((drawn.size, drawn.boxes[0].color), ((640, 360), FACE_COLOR));
        assert!(drawn.boxes[1..].iter().all(|one| OBJECT_COLORS.contains(&one.color)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_is_drawn_until_it_is_stale() {
        let finder = Finder::default();
        assert!(finder.found().is_none());
        finder.keep(found());
        tokio::time::advance(STALE - Duration::from_millis(1)).await;
        assert!(finder.found().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(finder.found().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_frame_is_asked_for_at_a_time() {
        let finder = Finder::default();
        assert!(!finder.asks());
        let mut next = Box::pin(finder.next_frame());
        assert!(futures_util::poll!(&mut next).is_pending() && finder.asks());
        finder.take(Bytes::from_static(b"jpeg"), (4, 3));
        assert!(!finder.asks());
        assert_eq!(next.await, (Bytes::from_static(b"jpeg"), (4, 3)));
    }
}
