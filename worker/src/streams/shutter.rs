//! Pictures for a model: which frames of a stream are wanted as pictures, and their way from a media child to their
//! frames' reports. Without a model none are wanted, and none are made.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::media_pool::Listener;
use crate::protocol_streams::{FrameReport, MAX_PIECE_FRAMES, PictureWish};

/// Pictures of a window where nobody says how many: each costs as many tokens as a page of text.
const USUAL_PICTURES: u64 = 4;
/// Most pictures of a window.
pub const MAX_PICTURES: usize = 16;
/// Largest picture, bytes: noise of its largest size has half of that. A child that sends more is not itself.
const MAX_PICTURE_BYTES: usize = 2 * 1024 * 1024;

/// Tells which of the next frames are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shutter {
    wish: Option<PictureWish>,
}

/// The pictures of one answer as they come.
#[derive(Debug, Default)]
pub struct Roll {
    pictures: Vec<(String, Bytes)>,
}

impl Shutter {
    /// For windows of this length, milliseconds, so that a scene is made of at most so many pictures.
    pub fn of_windows(size_ms: u64, frame_count: Option<usize>) -> Self {
        let pictures = frame_count.map_or(USUAL_PICTURES, |count| count.clamp(1, MAX_PICTURES) as u64);
        Self {
            wish: Some(PictureWish {
                from_ms: 0,
                every_ms: size_ms.div_ceil(pictures),
                owed: false,
            }),
        }
    }

    /// What to ask of a media child.
    pub fn wish(&self) -> Option<PictureWish> {
        self.wish
    }

    /// Gives the pictures of an answer to its frames, and notes what is still owed.
    pub fn develop(&mut self, roll: Roll, frames: &mut [FrameReport]) {
        let Some(wish) = &mut self.wish else { return };
        let mut pictures = roll.pictures;
        for frame in frames {
            let name = frame.t_ms.to_string();
            let at = pictures.iter().position(|(known, _)| *known == name);
            frame.picture = at.map(|at| pictures.swap_remove(at).1);
            wish.saw(frame.t_ms, frame.verdict, frame.picture.is_some());
        }
    }
}

impl Listener for Roll {
    fn progress(&mut self, _: u8, _: &str) {}

    fn picture(&mut self, name: String, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        if self.pictures.len() < MAX_PIECE_FRAMES as usize && bytes.len() <= MAX_PICTURE_BYTES {
            self.pictures.push((name, bytes.into()));
        }
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol_streams::Verdict::{self, Passed, Still};

    fn frame(t_ms: u64, verdict: Verdict) -> FrameReport {
        FrameReport {
            t_ms,
            width: 640,
            height: 360,
            motion: 0.0,
            verdict,
            hash: String::new(),
            damaged: false,
            colors: None,
            text: None,
            lines: Vec::new(),
            picture: None,
        }
    }

    /// Plays both sides, a request for each list of frames; the times of the pictures that came.
    fn taken(shutter: &mut Shutter, requests: &[Vec<(u64, Verdict)>]) -> Vec<u64> {
        let mut times = Vec::new();
        for request in requests {
            let mut child = shutter.wish().expect("pictures are wanted");
            let mut roll = Roll::default();
            let mut frames: Vec<_> = request.iter().map(|(t, verdict)| frame(*t, *verdict)).collect();
            for frame in &frames {
                if child.wants(frame.t_ms, frame.verdict) {
                    drop(roll.picture(frame.t_ms.to_string(), vec![0; 3]));
                }
            }
            shutter.develop(roll, &mut frames);
            times.extend(
                frames
                    .iter()
                    .filter(|frame| frame.picture.is_some())
                    .map(|frame| frame.t_ms),
            );
        }
        times
    }

    #[test]
    fn pictures_are_of_what_is_new_and_not_more_than_a_window_takes() {
        let mut shutter = Shutter::of_windows(8_000, None);
        let all_new = (0..16).map(|n| vec![(n * 1_000, Passed)]).collect::<Vec<_>>();
        assert_eq!(
            taken(&mut shutter, &all_new),
            [0, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000]
        );
        let still = (16..40).map(|n| (n * 1_000, Still)).collect::<Vec<_>>();
        assert_eq!(
            taken(&mut shutter, &[still]),
            [16_000],
            "what passed at 15 s is made up for, then nothing is new"
        );
    }

    #[test]
    fn a_change_too_soon_after_a_picture_is_shown_by_a_later_frame() {
        let mut shutter = Shutter::of_windows(8_000, Some(1));
        let requests = [
            vec![(0, Passed), (1_000, Passed)],
            vec![(2_000, Still)],
            vec![(8_000, Still), (9_000, Still)],
        ];
        assert_eq!(taken(&mut shutter, &requests), [0, 8_000]);
    }

    #[test]
    fn a_picture_that_did_not_come_is_owed() {
        let mut shutter = Shutter::of_windows(1_000, Some(1));
        let mut frames = [frame(0, Passed)];
        let mut roll = Roll::default();
        drop(roll.picture("0".to_owned(), vec![0; MAX_PICTURE_BYTES + 1]));
        shutter.develop(roll, &mut frames);
        assert!(frames[0].picture.is_none() && shutter.wish().is_some_and(|wish| wish.owed));
        let mut without = Shutter::default();
        without.develop(Roll::default(), &mut frames);
        assert!(without.wish().is_none());
    }
}
