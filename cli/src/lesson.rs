//! What a tutorial says and shows: the steps of a recording as spoken parts, and a picture for the time of each.

use zoetrope_shared::tasks::step_detection::StepDetectionOutput;
use zoetrope_shared::tasks::voice_synthesis::VoiceSynthesisOutput;

use crate::guide::sentence;

/// What is said at once, and the picture that is seen with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Sentences.
    pub(crate) spoken: String,
    /// Id of an artifact.
    pub(crate) picture: Option<String>,
}

/// How long a picture is seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scene {
    /// Id of an artifact.
    pub(crate) picture: String,
    /// Milliseconds.
    pub(crate) ms: u64,
}

/// The title, then a part for each thing that was done, with what it led to.
pub(crate) fn parts(title: &str, found: &StepDetectionOutput) -> Vec<Part> {
    let mut parts = vec![Part {
        spoken: ended(title),
        picture: None,
    }];
    for step in &found.steps {
        let said = ended(&sentence(step));
        match parts.last_mut() {
            Some(part) if !step.step.is_action() => {
                part.spoken.push(' ');
                part.spoken.push_str(&said);
            }
            _ => parts.push(Part {
                spoken: said,
                picture: step.before.clone(),
            }),
        }
    }
    parts
}

/// With a full stop, at which a voice pauses.
fn ended(sentence: &str) -> String {
    let sentence = sentence.trim();
    if sentence.ends_with(['.', '!', '?']) {
        sentence.to_owned()
    } else {
        format!("{sentence}.")
    }
}

/// Each part's picture from its first word to the next part's, from the beginning to the end of what is spoken. A part
/// without one keeps what was seen before, and what comes before the first picture shows that.
pub(crate) fn scenes(parts: &[Part], spoken: &VoiceSynthesisOutput) -> Vec<Scene> {
    let first = parts.iter().find_map(|part| part.picture.clone());
    let Some(first) = first else {
        return Vec::new();
    };
    let mut scenes = vec![(0, first)];
    for (index, part) in parts.iter().enumerate() {
        let begins = spoken.segments.iter().find(|segment| segment.part as usize == index);
        if let (Some(segment), Some(picture)) = (begins, &part.picture) {
            scenes.push((segment.start_ms, picture.clone()));
        }
    }
    let ends: Vec<u64> = scenes.iter().skip(1).map(|(begins, _)| *begins).collect();
    let ends = ends.into_iter().chain([spoken.duration_ms]);
    let timed = scenes.into_iter().zip(ends).map(|((begins, picture), ends)| Scene {
        picture,
        ms: ends.saturating_sub(begins),
    });
    timed.filter(|scene| scene.ms > 0).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(spoken: &str, picture: Option<&str>) -> Part {
        Part {
            spoken: spoken.to_owned(),
            picture: picture.map(str::to_owned),
        }
    }

    fn spoken(starts: &[(u32, u64)], duration_ms: u64) -> VoiceSynthesisOutput {
        let segments: Vec<_> = starts
            .iter()
            .map(|(part, start)| json!({"part": part, "start_ms": start, "end_ms": start + 1, "text": "x"}))
            .collect();
        serde_json::from_value(json!({
            "artifact": "a", "content_type": "audio/mpeg", "size": 1, "duration_ms": duration_ms, "sample_rate": 1,
            "segments": segments, "srt": "s", "vtt": "v", "provider": "p", "model": "m", "voice": "v", "usage": {},
            "took_ms": 1,
        }))
        .expect("speech")
    }

    #[test]
    fn what_was_done_is_a_part_and_what_it_led_to_is_said_with_it() {
        let step = |kind: &str, text: &str, before: &str| {
            json!({"index": 0, "type": kind, "t_ms": 1, "end_ms": 1, "bbox": [1, 2, 3, 4], "target_text": "",
                   "confidence": 0.9, "description": text, "before": before})
        };
        let found = json!({
            "steps": [step("click", "Click \"Add\"", "one"), step("open", "The dialog opens.", "two"),
                      step("type", "Type \"12\"", "three")],
            "width": 10, "height": 10, "recording_ms": 1, "frames": 1, "pointer": true, "provider": "local", "model": "m",
            "duration_ms": 1,
        });
        let found = serde_json::from_value(found).expect("steps");
        let expected = [
            part("Add things.", None),
            part("Click \"Add\". The dialog opens.", Some("one")),
            part("Type \"12\".", Some("three")),
        ];
        assert_eq!(parts("Add things", &found), expected);
    }

    #[test]
    fn pictures_change_with_the_words_and_fill_the_time() {
        let parts = [
            part("a", None),
            part("b", Some("one")),
            part("c", None),
            part("d", Some("two")),
        ];
        let scenes = scenes(
            &parts,
            &spoken(&[(0, 0), (1, 900), (1, 1_500), (2, 2_000), (3, 3_000)], 4_200),
        );
        let seen: Vec<(&str, u64)> = scenes.iter().map(|scene| (scene.picture.as_str(), scene.ms)).collect();
        assert_eq!(seen, [("one", 900), ("one", 2_100), ("two", 1_200)]);
        assert_eq!(scenes_of_nothing(), []);
    }

    fn scenes_of_nothing() -> Vec<Scene> {
        scenes(&[part("a", None)], &spoken(&[(0, 0)], 900))
    }
}
