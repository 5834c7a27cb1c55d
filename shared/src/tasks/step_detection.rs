//! `step_detection`: what a person did in a screen recording, step by step.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::ocr::is_language;
use super::{FieldCode, FieldError, Kind, MediaField, Policy, Preparation, Slot, Unprepared};
use crate::media::{MAX_VIDEO_BYTES, MediaRef, VIDEO_TYPES};
use crate::schema::{self, InputSchema, media_list};

/// Most screenshots of one sequence.
pub const MAX_FRAMES: usize = 200;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "step_detection",
    summary: "Finds the steps of a screen recording: clicks, typing, scrolling, dragging, what opens and closes, pages",
    slot: Slot::Cpu,
    cost: 1,
    policy: Policy {
        // Four hours of film at 0.15 s of processor time a second, with room.
        timeout: Some(std::time::Duration::from_hours(1)),
        ..Policy::DEFAULT
    },
    media: Some(MediaField {
        name: "video",
        accepts: VIDEO_TYPES,
        max_bytes: MAX_VIDEO_BYTES,
    }),
    check,
    prepare: Some(prepare),
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<StepDetectionOutput>,
    example: || json!({"video": {"url": "https://example.com/recording.mp4"}, "language": "eng"}),
};

/// What `step_detection` takes: exactly one of `video` and `frames`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepDetectionInput {
    /// The recording: MP4, MOV, Matroska, ``WebM`` or AVI, at most 500 MB and 4 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MediaRef, required = false)]
    pub video: Option<MediaRef>,
    /// Screenshots in order of time instead of a video, 2 to 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    pub frames: Vec<StepFrame>,
    /// Pictures looked at a second of the video, 2 to 30.
    #[serde(default = "ten")]
    #[schema(minimum = 2, maximum = 30, default = 10.0)]
    pub sample_fps: f64,
    /// Language of the text on the screen: Tesseract's name such as `eng`, `deu`, `chi_sim`.
    #[serde(default = "english")]
    #[schema(default = "eng", pattern = "^[a-z]{3}(_[a-z]{2,8}){0,2}$", max_length = 24)]
    pub language: String,
    /// Who words the steps.
    #[serde(default)]
    #[schema(default = "template")]
    pub describe: Describe,
    /// Whether screenshots from before and after each step are kept, with its target ringed.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub screenshots: bool,
}

/// One screenshot of a sequence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFrame {
    /// The screenshot, `{"artifact"}` or `{"url"}`: PNG, JPEG, ``WebP``, BMP, GIF or TIFF. All of one size.
    pub media: MediaRef,
    /// When it was taken, milliseconds from the first; greater than the one before.
    #[schema(minimum = 0, maximum = 14_400_000)]
    pub t_ms: u64,
}

/// Who words the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Describe {
    /// Nobody: `description` is left out.
    None,
    /// Fixed sentences.
    #[default]
    Template,
}

fn ten() -> f64 {
    10.0
}

fn english() -> String {
    "eng".to_owned()
}

fn yes() -> bool {
    true
}

/// What `step_detection` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepDetectionOutput {
    /// The steps in order of time.
    pub steps: Vec<Step>,
    /// Width of the recording, pixels.
    pub width: u32,
    /// Height of the recording, pixels.
    pub height: u32,
    /// Length of the recording, milliseconds.
    pub recording_ms: u64,
    /// Pictures that were looked at.
    pub frames: u64,
    /// Whether a pointer is in the picture; without one, places of clicks are guesses.
    pub pointer: bool,
    /// Who found them: `local`.
    pub provider: String,
    /// Names and versions of the engines used.
    pub model: String,
    /// Time of decoding and analysis, milliseconds.
    pub duration_ms: u64,
}

/// One thing that was done, or that happened because of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its number, from 0.
    pub index: u32,
    /// What was done.
    #[serde(rename = "type")]
    pub step: StepType,
    /// What sort of thing opened, closed or was selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<StepDetail>,
    /// When it began, milliseconds from the start of the recording.
    pub t_ms: u64,
    /// When it ended, milliseconds from the start of the recording; at least `t_ms`.
    pub end_ms: u64,
    /// What was acted on or what appeared: `[x, y, width, height]` in pixels of the recording.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
    /// The label of what was acted on, as read from the screen; empty if it has none.
    pub target_text: String,
    /// What was typed or selected; pixels scrolled, down and right positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How sure the step is, 0 to 1.
    pub confidence: f32,
    /// One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Artifact: the screen just before, with the target ringed (JPEG).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Artifact: the screen just after (JPEG).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What was done, or happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepType {
    /// Something was clicked.
    Click,
    /// Something was clicked twice.
    DoubleClick,
    /// A context menu was asked for.
    RightClick,
    /// Text was typed.
    Type,
    /// Something was scrolled.
    Scroll,
    /// Something was dragged.
    Drag,
    /// Text was selected, or an item of a dropdown.
    Select,
    /// A key was pressed that typed nothing.
    Key,
    /// Another page came.
    Navigate,
    /// Something opened over the page.
    Open,
    /// It closed again.
    Close,
}

impl StepType {
    /// Whether a person did it; else it happened.
    pub const fn is_action(self) -> bool {
        !matches!(self, Self::Navigate | Self::Open | Self::Close)
    }

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::DoubleClick => "double_click",
            Self::RightClick => "right_click",
            Self::Type => "type",
            Self::Scroll => "scroll",
            Self::Drag => "drag",
            Self::Select => "select",
            Self::Key => "key",
            Self::Navigate => "navigate",
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// What sort of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepDetail {
    /// A box in front of a dimmed page.
    Dialog,
    /// A box at the side of the screen.
    Drawer,
    /// A list of commands.
    Menu,
    /// A list of values.
    Dropdown,
    /// Text.
    Text,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<StepDetectionInput>, Some("video"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: StepDetectionInput = INPUT.check(input)?;
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, code, detail: &str| {
        errors.push(FieldError {
            pointer,
            detail: detail.to_owned(),
            code,
        });
    };
    match (&typed.video, typed.frames.len()) {
        (None, 0) => wrong(
            "/video".into(),
            FieldCode::MediaMissing,
            "is required: send `video`, or `frames` with 2 to 200 screenshots",
        ),
        (Some(_), 1..) => wrong(
            "/frames".into(),
            FieldCode::Invalid,
            "send `video` or `frames`, not both",
        ),
        (None, 1) => wrong("/frames".into(), FieldCode::Invalid, "must have 2 to 200 screenshots"),
        (None, 2..) | (Some(_), 0) => {}
    }
    if !is_language(&typed.language) {
        wrong(
            "/language".into(),
            FieldCode::Invalid,
            "must be a name as Tesseract's `eng`, `deu` or `chi_sim`",
        );
    }
    for (index, pair) in typed.frames.windows(2).enumerate() {
        if pair[1].t_ms <= pair[0].t_ms {
            let pointer = format!("/frames/{}/t_ms", index + 1);
            wrong(
                pointer,
                FieldCode::Invalid,
                "must be greater than that of the screenshot before",
            );
        }
    }
    let frames = typed.frames.iter().enumerate();
    errors.extend(
        frames.filter_map(|(index, frame)| media_list::inline_mistake(&format!("/frames/{index}/media"), &frame.media)),
    );
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Judges the URLs of screenshots; that of a video is judged as every kind's media.
fn prepare(input: &mut Map<String, Value>, preparation: &Preparation<'_>) -> Result<(), Unprepared> {
    let frames = input.get("frames").and_then(Value::as_array).into_iter().flatten();
    let urls = frames.enumerate().filter_map(|(index, frame)| {
        let url = frame.pointer("/media/url")?.as_str()?;
        Some((format!("/frames/{index}/media"), url))
    });
    media_list::judge_urls(preparation, urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(input: &Value) -> Vec<String> {
        let errors = check(input).err().unwrap_or_default();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_video_or_at_least_two_screenshots_in_order_are_wanted_and_not_both() {
        let frame = |t_ms: u64| json!({"media": {"artifact": "a"}, "t_ms": t_ms});
        let video = json!({"artifact": "v"});
        assert_eq!(mistakes(&json!({"video": video})), [""; 0]);
        assert_eq!(mistakes(&json!({"frames": [frame(0), frame(900)]})), [""; 0]);
        assert_eq!(mistakes(&json!({})), ["/video"]);
        assert_eq!(mistakes(&json!({"video": video, "language": "../x"})), ["/language"]);
        assert_eq!(mistakes(&json!({"frames": [frame(0)]})), ["/frames"]);
        assert_eq!(
            mistakes(&json!({"video": video, "frames": [frame(0), frame(1)]})),
            ["/frames"]
        );
        assert_eq!(mistakes(&json!({"frames": [frame(5), frame(5)]})), ["/frames/1/t_ms"]);
        let inline = json!({"media": {"base64": "AAAA"}, "t_ms": 9});
        assert_eq!(
            mistakes(&json!({"frames": [frame(0), inline]})),
            ["/frames/1/media/base64"]
        );
    }
}
