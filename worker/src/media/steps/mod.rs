//! `step_detection` in the child: a recording in, steps out, with their words and pictures.
//!
//! ```text
//! film -> screen (tiles shared with the picture before) -> changes -> timeline, a stretch of at most a minute
//!   restless places, pointer shapes, pointer track -> find: scrolls, typing, drags, clicks and what they open
//!   reading -> wording -> pictures
//! ```
//! A stretch is analysed as a whole, because much is only known later: what a menu covered, where the pointer was
//! going. It is cut where the screen is calm, and its end is kept for the next one. So memory is bounded by the size of
//! the screen and not by the length of the recording.
//!
//! Nothing here was trained. The method follows what GUI recording papers found to work (`GIFdroid`'s steady spans by
//! luma, `CAPdroid`'s classes by the shape of change, OCR differences for typed text) and adds learned pointer shapes,
//! measured scrolling, and surfaces told by what they give back.

mod changes;
#[cfg(test)]
mod drawn;
mod film;
mod find;
mod geometry;
mod pictures;
mod pointer;
mod reading;
mod screen;
mod sequence;
mod stretch;
mod texts;
mod timeline;
mod wording;

use std::path::Path;

use zoetrope_worker::protocol_steps::{StepsFound, StepsInput};

use crate::fault::Fault;
use crate::ocr;
use crate::serve::{Engines, Progress};
use film::Film;
use sequence::Sequence;
use stretch::Detector;

/// Finds the steps of a recording, or of a sequence of screenshots.
pub(crate) fn run(engines: &mut Engines, input: &StepsInput, progress: &Progress<'_>) -> Result<StepsFound, Fault> {
    engines.ocr.load(std::slice::from_ref(&input.language))?;
    let mut found = match &input.video {
        Some(path) => recording(&mut engines.ocr, Path::new(path), input, progress)?,
        None => screenshots(&mut engines.ocr, input, progress)?,
    };
    found.model = engines.ocr.model();
    Ok(found)
}

fn recording(
    engine: &mut ocr::Engine,
    path: &Path,
    input: &StepsInput,
    progress: &Progress<'_>,
) -> Result<StepsFound, Fault> {
    /// Pictures between two reports of progress.
    const REPORT_EVERY: u64 = 20;
    let mut film = Film::open(path, input.sample_fps)?;
    let mut detector = Detector::new(engine, input, film.scale, progress);
    let mut frames = 0;
    while let Some((t_ms, screen)) = film.next(detector.last_screen())? {
        frames += 1;
        if frames % REPORT_EVERY == 0 {
            let percent = film
                .length_ms
                .map_or(0, |length_ms| (t_ms * 100 / length_ms.max(1)).min(99));
            progress.report(percent as u8, &format!("{} s seen", t_ms / 1000));
        }
        detector.push(t_ms, screen)?;
    }
    if frames == 0 {
        return Err(Fault::media_invalid("no picture of the video can be decoded"));
    }
    detector.finish()?;
    let (steps, pointer) = detector.into_found();
    Ok(StepsFound {
        steps,
        size: film.size,
        recording_ms: film.length_ms.unwrap_or(0).max(film.newest_ms()),
        frames,
        pointer,
        model: String::new(),
    })
}

fn screenshots(engine: &mut ocr::Engine, input: &StepsInput, progress: &Progress<'_>) -> Result<StepsFound, Fault> {
    let sequence = Sequence::open(&input.frames)?;
    let slow = StepsInput {
        sample_fps: sequence::FPS,
        ..input.clone()
    };
    let mut detector = Detector::new(engine, &slow, sequence.scale, progress);
    let count = input.frames.len();
    let mut shown = 0;
    for index in 0..count {
        progress.report(
            (index * 99 / count) as u8,
            &format!("screenshot {} of {count}", index + 1),
        );
        let screen = sequence.screen(index, detector.last_screen())?;
        for _ in 0..sequence::SHOWN {
            detector.push((shown as f64 * 1000.0 / sequence::FPS) as u64, screen.again())?;
            shown += 1;
        }
    }
    detector.finish()?;
    let (mut steps, pointer) = detector.into_found();
    sequence.retime(&mut steps);
    Ok(StepsFound {
        steps,
        size: sequence.size,
        recording_ms: input.frames.last().map_or(0, |shot| shot.t_ms),
        frames: count as u64,
        pointer,
        model: String::new(),
    })
}
