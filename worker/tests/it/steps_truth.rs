//! How well `step_detection` tells a session whose truth is known. The bounds are what is reached, so that a change which
//! sees less, or more than there is, is seen.

use zoetrope_shared::tasks::step_detection::Step;
use zoetrope_worker::protocol_steps::{STEPS, Shot, StepsFound, StepsInput};

use crate::drawn_session::{FPS, SCROLLED, SIZE, Session, Truth, session};
use crate::films::Films;
use crate::pixels::encoded;
use crate::stream_decode::ask;
use crate::vocabulary::pool;

/// A step is told in time if it is no further off, ms.
const TOLERANCE_MS: u64 = 700;

/// What is told of a film, or of screenshots.
pub(crate) fn input() -> StepsInput {
    StepsInput {
        video: None,
        frames: Vec::new(),
        sample_fps: FPS as f64,
        language: "eng".to_owned(),
        describe: true,
        pictures: false,
    }
}

fn is_told(truth: &Truth, step: &Step) -> bool {
    step.step.as_str() == truth.step && step.t_ms.abs_diff(truth.t_ms) <= TOLERANCE_MS
}

/// The steps of the truth that nobody told, and those told that nobody made.
fn compared<'a>(session: &'a Session, told: &'a [Step]) -> (Vec<&'a Truth>, Vec<&'a Step>) {
    let mut left: Vec<&Step> = told.iter().collect();
    let mut missed = Vec::new();
    for truth in &session.steps {
        match left.iter().position(|step| is_told(truth, step)) {
            Some(place) => drop(left.remove(place)),
            None => missed.push(truth),
        }
    }
    (missed, left)
}

fn lines(steps: &[Step]) -> String {
    let line = |step: &Step| format!("{} {:?} at {}; ", step.step.as_str(), step.target_text, step.t_ms);
    steps.iter().map(line).collect()
}

#[tokio::test]
async fn a_session_is_told_step_by_step_and_what_only_passes_is_no_step() {
    let (films, session) = (Films::new(), session());
    let raw = films.write("session.gray", &session.pictures);
    let film = films.make(
        "session.mp4",
        &format!(
            "-f rawvideo -pix_fmt gray -s {}x{} -r {FPS} -i {} -c:v libx264 -preset ultrafast -crf 20 -pix_fmt yuv420p",
            SIZE.0,
            SIZE.1,
            raw.display()
        ),
    );
    let input = StepsInput {
        video: Some(film.display().to_string()),
        ..input()
    };
    let (pool, _) = pool();
    let found: StepsFound = ask(&pool, STEPS, &input, Vec::new()).await.expect("the film is sound");
    let (missed, invented) = compared(&session, &found.steps);
    let told = lines(&found.steps);
    assert!(
        missed.is_empty(),
        "missed {:?} of: {told}",
        missed.iter().map(|truth| (truth.step, truth.t_ms)).collect::<Vec<_>>()
    );
    assert!(invented.is_empty(), "told too much: {told}");
    assert!(found.pointer, "the arrow is drawn in every picture");
    for truth in session.steps.iter().filter(|truth| !truth.label.is_empty()) {
        let step = found
            .steps
            .iter()
            .find(|step| is_told(truth, step))
            .expect("nothing was missed");
        assert_eq!(step.target_text, truth.label, "{told}");
    }
    let scrolled = found.steps.iter().find(|step| step.step.as_str() == "scroll");
    assert_eq!(scrolled.and_then(|step| step.value.clone()), Some(SCROLLED.to_string()));
}

#[tokio::test]
async fn screenshots_of_the_session_are_told_by_their_own_times() {
    let (films, session) = (Films::new(), session());
    let bytes = (SIZE.0 * SIZE.1) as usize;
    // The last picture before each of these steps, and one when it is done.
    let wanted = ["open", "close", "scroll", "type"];
    let steps: Vec<&Truth> = session
        .steps
        .iter()
        .filter(|truth| wanted.contains(&truth.step))
        .take(3)
        .collect();
    let pictures = session.pictures.chunks(bytes).collect::<Vec<_>>();
    let times: Vec<u64> = steps
        .iter()
        .flat_map(|truth| [truth.t_ms - 100, truth.t_ms + 500])
        .collect();
    let shots = times.iter().map(|t_ms| {
        let pixels = pictures[(t_ms * FPS / 1000) as usize].to_vec();
        let picture = image::GrayImage::from_raw(SIZE.0, SIZE.1, pixels).expect("a picture has its size");
        let png = encoded(&picture.into(), image::ImageFormat::Png);
        let path = films.write(&format!("{t_ms}.png"), &png);
        Shot {
            path: path.display().to_string(),
            t_ms: *t_ms,
        }
    });
    let input = StepsInput {
        frames: shots.collect(),
        ..input()
    };
    let (pool, _) = pool();
    let found: StepsFound = ask(&pool, STEPS, &input, Vec::new())
        .await
        .expect("the screenshots are sound");
    let told = lines(&found.steps);
    for truth in steps {
        assert!(
            found.steps.iter().any(|step| is_told(truth, step)),
            "{} at {} of: {told}",
            truth.step,
            truth.t_ms
        );
    }
    assert!(
        found
            .steps
            .iter()
            .all(|step| times.contains(&step.t_ms) && times.contains(&step.end_ms)),
        "{told}"
    );
    assert_eq!((found.frames, found.size), (6, SIZE));
}
