//! The local describer: what is known of a window's frames, as a sentence. It makes nothing up: it says how much
//! moved, which colours there are, and which text was read.

use zoetrope_shared::tasks::image_analysis::Color;
use zoetrope_shared::wording;

use super::windows::Window;
use crate::protocol_streams::{FrameReport, Verdict};

/// What describes where no model does.
pub const MODEL: &str = "motion+colors+tesseract";
/// Longest text in a scene, characters.
const MAX_TEXT_CHARS: usize = 8_000;

/// What a window shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// A sentence or two.
    pub sentence: String,
    /// Largest share of the picture that moved.
    pub motion: f32,
    /// Text that was read.
    pub text: String,
    /// Colours of the newest picture that was analysed.
    pub colors: Vec<Color>,
}

/// Describes windows of one stream, and remembers what a still picture shows.
#[derive(Debug, Default)]
pub struct Describer {
    colors: Vec<Color>,
    /// The stream's first frame moves against nothing.
    has_seen_frames: bool,
}

impl Describer {
    /// Describes a window.
    pub fn describe(&mut self, window: &Window) -> Description {
        let passed = || window.frames.iter().filter(|frame| frame.verdict == Verdict::Passed);
        if let Some(colors) = passed().rev().find_map(|frame| frame.colors.clone()) {
            self.colors = colors;
        }
        let begins = !std::mem::replace(&mut self.has_seen_frames, true);
        let motion = window
            .frames
            .iter()
            .skip(usize::from(begins))
            .map(|frame| frame.motion)
            .fold(0.0, f32::max);
        // A frame that passed while there was no time to read it was read later, when it had become still.
        let text = text_of(window.frames.iter());
        let mut sentence = if begins && window.frames.len() == 1 {
            "The picture begins".to_owned()
        } else {
            moves(motion, passed().count() > usize::from(begins)).to_owned()
        };
        if motion >= 0.005 {
            sentence.push_str(&format!(" over {:.0} % of the picture", (motion * 100.0).max(1.0)));
        }
        if let Some(colors) = wording::colors(&self.colors) {
            sentence.push_str(&format!("; mostly {colors}"));
        }
        sentence.push('.');
        if !text.is_empty() {
            sentence.push_str(&format!(" It reads: \u{201c}{}\u{201d}.", wording::quote(&text)));
        }
        Description {
            sentence,
            motion,
            text,
            colors: self.colors.clone(),
        }
    }
}

fn moves(motion: f32, changed: bool) -> &'static str {
    match motion {
        motion if motion >= 0.5 => "The whole picture changes",
        motion if motion >= 0.15 => "Strong movement",
        motion if motion >= 0.03 => "Some movement",
        motion if motion >= 0.005 => "Slight movement",
        _ if changed => "The picture changes slightly",
        _ => "Nothing moves",
    }
}

/// Each line once, in the order in which they appeared.
fn text_of<'a>(frames: impl Iterator<Item = &'a FrameReport>) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in frames.filter_map(|frame| frame.text.as_deref()).flat_map(str::lines) {
        let line = line.trim();
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    text.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(motion: f32, verdict: Verdict, text: Option<&str>, colors: &[(&str, f32)]) -> FrameReport {
        let colors: Vec<_> = colors
            .iter()
            .map(|(hex, share)| Color {
                hex: (*hex).to_owned(),
                share: *share,
            })
            .collect();
        FrameReport {
            t_ms: 0,
            width: 640,
            height: 360,
            motion,
            verdict,
            hash: String::new(),
            damaged: false,
            colors: (!colors.is_empty()).then_some(colors),
            text: text.map(str::to_owned),
            lines: Vec::new(),
            picture: None,
        }
    }

    fn window(frames: Vec<FrameReport>) -> Window {
        Window {
            number: 0,
            start_ms: 0,
            end_ms: 1_000,
            frames,
            pictures: Vec::new(),
        }
    }

    #[test]
    fn a_scene_says_what_moved_which_colours_and_which_text() {
        let mut describer = Describer::default();
        let first = frame(
            1.0,
            Verdict::Passed,
            Some("Gate 7\n"),
            &[("#102040", 0.7), ("#f0f0f0", 0.2), ("#ff0000", 0.05)],
        );
        let said = describer.describe(&window(vec![
            first,
            frame(0.2, Verdict::Passed, Some("Gate 7\nOpen\n"), &[]),
        ]));
        assert_eq!(
            said.sentence,
            "Strong movement over 20 % of the picture; mostly blue and white. It reads: \u{201c}Gate 7 / Open\u{201d}."
        );
        assert_eq!(
            (said.motion, said.text.as_str(), said.colors.len()),
            (0.2, "Gate 7\nOpen\n", 3)
        );
    }

    #[test]
    fn a_still_picture_keeps_its_colours_and_repeats_no_text() {
        let mut describer = Describer::default();
        describer.describe(&window(vec![frame(
            1.0,
            Verdict::Passed,
            Some("Gate"),
            &[("#000000", 0.9)],
        )]));
        let said = describer.describe(&window(vec![frame(0.0, Verdict::Still, None, &[])]));
        assert_eq!(
            (said.sentence.as_str(), said.text.as_str()),
            ("Nothing moves; mostly black.", "")
        );
    }

    #[test]
    fn the_first_frame_moves_against_nothing() {
        let said = Describer::default().describe(&window(vec![frame(1.0, Verdict::Passed, None, &[])]));
        assert_eq!((said.sentence.as_str(), said.motion), ("The picture begins.", 0.0));
    }

    #[test]
    fn long_text_is_shortened_in_the_sentence_and_bounded_in_the_scene() {
        let long = "word ".repeat(4_000);
        let said = Describer::default().describe(&window(vec![frame(0.0, Verdict::Passed, Some(&long), &[])]));
        assert!(said.sentence.chars().count() < 300, "{}", said.sentence.len());
        assert_eq!(said.text.chars().count(), MAX_TEXT_CHARS);
    }
}
