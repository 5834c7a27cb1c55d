//! What a text is written from, in the form that templates take: steps as sentences, pictures as links, points.

use serde::Serialize;
use zoetrope_shared::markup;
use zoetrope_shared::tasks::content_generation::{ContentGenerationInput, GuideStep};

use super::extract;

/// Most points that are taken out of a text.
const MAX_POINTS: usize = 7;
/// Longest title made of a text's first line, characters.
const MAX_TITLE_CHARS: usize = 80;

/// What templates are filled in with.
#[derive(Debug, Clone, Serialize)]
pub struct Material {
    /// The title: given, or taken from the text, or "5 steps".
    pub title: String,
    /// The steps in order.
    pub steps: Vec<StepText>,
    /// The text, trimmed; empty if there is none.
    pub text: String,
    /// Sentences of the text that carry it, in order.
    pub points: Vec<String>,
    /// What is wanted, in the user's words; empty if nothing was said.
    pub prompt: String,
    /// Tone; empty if none was asked for.
    pub tone: String,
    /// Readers; empty if none were named.
    pub audience: String,
    /// Language tag; empty if none was asked for.
    pub language: String,
    /// Whether a picture goes with it.
    pub has_picture: bool,
}

/// A step as templates show it.
#[derive(Debug, Clone, Serialize)]
pub struct StepText {
    /// One sentence, Markdown.
    pub sentence: String,
    /// Path of the picture that shows it; empty without one.
    pub picture: String,
}

impl Material {
    /// The material of an input; `steps` are those of the input, or of the task that it names.
    pub fn of(input: &ContentGenerationInput, steps: &[GuideStep]) -> Self {
        let text = input.text.as_deref().unwrap_or_default().trim().to_owned();
        let given = |field: &Option<String>| field.clone().unwrap_or_default();
        Self {
            title: input.title.clone().unwrap_or_else(|| title(&text, steps.len())),
            steps: steps.iter().map(StepText::of).collect(),
            points: extract::main_points(&text, MAX_POINTS),
            text,
            prompt: given(&input.prompt),
            tone: given(&input.tone),
            audience: given(&input.audience),
            language: given(&input.language),
            has_picture: input.media.is_some(),
        }
    }
}

impl StepText {
    fn of(step: &GuideStep) -> Self {
        let picture = step.before.as_deref().or(step.after.as_deref());
        Self {
            sentence: sentence(step),
            picture: picture
                .filter(|id| is_id(id))
                .map(|id| format!("/api/v1/artifacts/{id}"))
                .unwrap_or_default(),
        }
    }
}

/// An artifact's id, and nothing that could lead elsewhere.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn title(text: &str, steps: usize) -> String {
    let first = text
        .lines()
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| !line.is_empty());
    match first {
        Some(line) if line.chars().count() <= MAX_TITLE_CHARS => line.trim_end_matches('.').to_owned(),
        Some(line) => {
            let start: String = line.chars().take(MAX_TITLE_CHARS).collect();
            let whole_words = start.rsplit_once(' ').map_or(start.as_str(), |(words, _)| words);
            format!("{whole_words}\u{2026}")
        }
        None if steps == 1 => "1 step".to_owned(),
        None if steps > 1 => format!("{steps} steps"),
        None => "Untitled".to_owned(),
    }
}

/// What is done in a step, said to who does it.
fn sentence(step: &GuideStep) -> String {
    if let Some(description) = step.description.as_deref().filter(|text| !text.trim().is_empty()) {
        return markup::escape(description);
    }
    let bold = |text: &Option<String>| {
        text.as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| format!("**{}**", markup::escape(text)))
    };
    let target = bold(&step.target_text);
    let detail = step.detail.as_deref().map(markup::escape).unwrap_or_default();
    let value = step
        .value
        .as_deref()
        .filter(|value| !value.is_empty())
        .map(markup::code);
    let or = |text: Option<String>, other: &str| text.unwrap_or_else(|| other.to_owned());
    match step.action.as_str() {
        "click" => format!("Click {}.", or(target, "the marked place")),
        "double_click" => format!("Double-click {}.", or(target, "the marked place")),
        "right_click" => format!("Right-click {}.", or(target, "the marked place")),
        "type" => match (value, target) {
            (Some(value), Some(target)) => format!("Type {value} into {target}."),
            (Some(value), None) => format!("Type {value}."),
            (None, Some(target)) => format!("Fill in {target}."),
            (None, None) => "Type the text.".to_owned(),
        },
        "scroll" => format!("Scroll {}.", if detail.is_empty() { "down".to_owned() } else { detail }),
        "drag" => match value {
            Some(value) => format!("Drag {} to {value}.", or(target, "the marked item")),
            None => format!("Drag {}.", or(target, "the marked item")),
        },
        "select" => match (value, target) {
            (Some(value), Some(target)) => format!("Choose {value} in {target}."),
            (Some(value), None) => format!("Choose {value}."),
            (None, target) => format!("Choose {}.", or(target, "the marked item")),
        },
        "key" => format!(
            "Press {}.",
            value
                .or_else(|| step.detail.as_deref().map(markup::code))
                .unwrap_or_else(|| "the key".to_owned())
        ),
        "navigate" => format!(
            "Go to {}.",
            value.or(target).unwrap_or_else(|| "the next page".to_owned())
        ),
        "open" => appears(&detail, target, "opens"),
        "close" => appears(&detail, target, "closes"),
        other => {
            let word = markup::escape(&other.replace('_', " "));
            let mut letters = word.chars();
            let begun: String = letters
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(letters)
                .collect();
            format!("{begun} {}.", or(target, "the marked place"))
        }
    }
}

fn appears(detail: &str, target: Option<String>, verb: &str) -> String {
    let what = if detail.is_empty() { "window" } else { detail };
    match target {
        Some(target) => format!("The {what} {target} {verb}."),
        None => format!("A {what} {verb}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: &str, target: &str, value: &str, detail: &str) -> GuideStep {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        GuideStep {
            action: action.to_owned(),
            target_text: given(target),
            value: given(value),
            detail: given(detail),
            ..GuideStep::default()
        }
    }

    #[test]
    fn each_type_of_step_is_a_sentence() {
        for (action, target, value, detail, expected) in [
            ("click", "Save", "", "", "Click **Save**."),
            ("type", "Name", "Apollo 11", "", "Type `Apollo 11` into **Name**."),
            ("select", "Role", "Admin", "", "Choose `Admin` in **Role**."),
            ("key", "", "Enter", "", "Press `Enter`."),
            ("scroll", "", "", "up", "Scroll up."),
            ("open", "Settings", "", "dialog", "The dialog **Settings** opens."),
            ("close", "", "", "menu", "A menu closes."),
            (
                "navigate",
                "",
                "https://example.com",
                "",
                "Go to `https://example.com`.",
            ),
            ("long_press", "OK", "", "", "Long press **OK**."),
        ] {
            assert_eq!(sentence(&step(action, target, value, detail)), expected);
        }
    }

    #[test]
    fn text_from_a_screen_cannot_break_out_of_its_sentence() {
        let shown = sentence(&step("click", "**x** <b> [a](b)", "", ""));
        assert_eq!(shown, "Click **\\*\\*x\\*\\* \\<b\\> \\[a\\]\\(b\\)**.");
        let mut with_picture = step("click", "x", "", "");
        with_picture.before = Some("../../evil".to_owned());
        assert_eq!(StepText::of(&with_picture).picture, "");
    }

    #[test]
    fn a_title_is_given_taken_from_the_text_or_counts_the_steps() {
        assert_eq!(title("# Release 2.0\nmore", 0), "Release 2.0");
        assert_eq!(title("", 3), "3 steps");
        assert!(title(&"word ".repeat(60), 0).ends_with("word\u{2026}"));
    }
}
