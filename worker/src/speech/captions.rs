//! Subtitles: what is said when, as SRT and WebVTT, in lines that fit a screen.

use std::fmt::Write as _;

/// Longest line, characters, and lines of a subtitle: what subtitlers agree on.
const LINE_CHARS: usize = 42;
const LINES: usize = 2;

/// Something said and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// What is said.
    pub text: String,
}

/// As SRT.
pub fn srt(cues: &[Cue]) -> String {
    let mut out = String::new();
    for (index, cue) in on_screen(cues).iter().enumerate() {
        let (start, end) = (stamp(cue.start_ms, ','), stamp(cue.end_ms, ','));
        let _ = write!(
            out,
            "{}\n{start} --> {end}\n{}\n\n",
            index + 1,
            cue.text.replace("-->", "->")
        );
    }
    out
}

/// As WebVTT.
pub fn vtt(cues: &[Cue]) -> String {
    let mut out = "WEBVTT\n\n".to_owned();
    for cue in on_screen(cues) {
        let text = cue.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(
            out,
            "{} --> {}\n{text}\n\n",
            stamp(cue.start_ms, '.'),
            stamp(cue.end_ms, '.')
        );
    }
    out
}

/// Times of parts of something said, shared out by their letters.
pub fn share_out(start_ms: u64, end_ms: u64, parts: &[String]) -> Vec<Cue> {
    let letters: Vec<u64> = parts.iter().map(|part| part.chars().count().max(1) as u64).collect();
    let all: u64 = letters.iter().sum();
    let mut so_far = 0;
    let mut cues = Vec::with_capacity(parts.len());
    for (part, letters) in parts.iter().zip(letters) {
        let at = |letters: u64| start_ms + (end_ms.saturating_sub(start_ms)) * letters / all.max(1);
        cues.push(Cue {
            start_ms: at(so_far),
            end_ms: at(so_far + letters),
            text: part.clone(),
        });
        so_far += letters;
    }
    cues
}

/// Cues of at most two lines.
fn on_screen(cues: &[Cue]) -> Vec<Cue> {
    let mut shown = Vec::new();
    for cue in cues {
        let lines = lines(&cue.text);
        let screens: Vec<String> = lines.chunks(LINES).map(|lines| lines.join("\n")).collect();
        shown.extend(share_out(cue.start_ms, cue.end_ms, &screens));
    }
    shown
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn stamp(ms: u64, mark: char) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    format!(
        "{:02}:{:02}:{:02}{mark}{ms:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start_ms: u64, end_ms: u64, text: &str) -> Cue {
        Cue {
            start_ms,
            end_ms,
            text: text.to_owned(),
        }
    }

    #[test]
    fn both_forms_have_their_own_marks() {
        let cues = [cue(0, 1_500, "Hello & <you>."), cue(3_661_001, 3_662_000, "a --> b")];
        assert_eq!(
            srt(&cues),
            "1\n00:00:00,000 --> 00:00:01,500\nHello & <you>.\n\n2\n01:01:01,001 --> 01:01:02,000\na -> b\n\n"
        );
        assert!(vtt(&cues).starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello &amp; &lt;you&gt;.\n\n"));
        assert!(vtt(&cues).ends_with("a --&gt; b\n\n"));
    }

    #[test]
    fn a_long_sentence_becomes_several_subtitles_of_two_lines() {
        let text = "word ".repeat(40);
        let shown = on_screen(&[cue(0, 10_000, &text)]);
        assert!(
            shown.len() > 1 && shown.iter().all(|cue| cue.text.lines().count() <= 2),
            "{shown:?}"
        );
        assert!(shown.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
        assert_eq!((shown[0].start_ms, shown[shown.len() - 1].end_ms), (0, 10_000));
    }
}
