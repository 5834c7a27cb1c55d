//! `image_analysis`: facts about an image, what is to be seen in it, and a description of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{IMAGE_TYPES, MAX_IMAGE_BYTES, MediaRef};
use crate::schema::{self, InputSchema, answer};
use crate::usage::{FellBack, Usage};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "image_analysis",
    summary: "Finds colours, quality, perceptual hashes, codes, text regions, objects and faces of an image, and describes it",
    slot: Slot::Cpu,
    cost: 1,
    policy: Policy::DEFAULT,
    media: Some(MediaField {
        name: "image",
        accepts: IMAGE_TYPES,
        max_bytes: MAX_IMAGE_BYTES,
    }),
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<ImageAnalysisOutput>,
    example: || json!({"image": {"url": "https://example.com/poster.jpg"}, "features": ["colors", "codes"]}),
};

/// What `image_analysis` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageAnalysisInput {
    /// The image: PNG, JPEG, WebP, BMP, GIF or TIFF (the first frame or page), at most 50 megapixels.
    pub image: MediaRef,
    /// What to find, 1 to 8 of these. If left out: `colors`, `quality`, `hash`, `codes` and `text`; `description` too
    /// with `prompt` or `schema`, `objects` too with `detector` or `detector_model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Feature>, required = false, min_items = 1, max_items = 8)]
    pub features: Option<Vec<Feature>>,
    /// Leave out objects, faces and text regions below this confidence, 0 to 1. If left out: 0.4 for objects, 0.5 for
    /// faces, 0 for text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f32, required = false, minimum = 0, maximum = 1)]
    pub min_confidence: Option<f32>,
    /// Who finds objects: `auto` (the first provider that is configured, else the worker's own network), `onnx` (that
    /// network), or a provider's name. If left out: `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub detector: Option<String>,
    /// The model that finds objects, by name (such as `my-project/3` at Roboflow), or a tier: `mini`, `basic`, `pro`,
    /// `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub detector_model: Option<String>,
    /// Who is asked for objects after the first one fails, in order, at most 8; `onnx` is the worker's own network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub detector_fallback: Vec<String>,
    /// Whether to draw what is found on the image: boxes around objects, faces, codes and text regions, with their names.
    #[serde(default)]
    #[schema(default = false)]
    pub annotate: bool,
    /// What the description should say, at most 8,192 characters; needs a provider with a vision model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8_192)]
    pub prompt: Option<String>,
    /// JSON Schema (2020-12) of an object that the description has to be, at most 32 KiB; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub schema: Option<Value>,
    /// Who describes: `auto` (the first provider that is configured, else from what is found locally), `local`, or a
    /// provider's name.
    #[serde(default = "auto")]
    #[schema(min_length = 1, max_length = 64, default = "auto")]
    pub provider: String,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Providers that are asked after the first one fails, in order, at most 8; `local` describes without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
    /// Whether a description that the same model gave to the same request of yours within the last 24 h will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub cache: bool,
}

impl ImageAnalysisInput {
    /// What is to be found, defaults filled in.
    pub fn wanted(&self) -> Vec<Feature> {
        let described = self.prompt.is_some() || self.schema.is_some();
        let detected = self.detector.is_some() || self.detector_model.is_some();
        self.features.clone().unwrap_or_else(|| {
            let mut wanted = Feature::USUAL.to_vec();
            wanted.extend(detected.then_some(Feature::Objects));
            wanted.extend(described.then_some(Feature::Description));
            wanted
        })
    }
}

fn auto() -> String {
    "auto".to_owned()
}

/// One thing to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Dominant colours.
    Colors,
    /// Sharpness, exposure, noise.
    Quality,
    /// Perceptual hashes.
    Hash,
    /// QR codes and bar codes, decoded.
    Codes,
    /// Regions that hold text.
    Text,
    /// Objects of the classes that a detector was trained on.
    Objects,
    /// Faces, whoever's they are.
    Faces,
    /// What is to be seen, in words.
    Description,
}

impl Feature {
    /// Those that are found where a task names none.
    pub const USUAL: [Self; 5] = [Self::Colors, Self::Quality, Self::Hash, Self::Codes, Self::Text];
    /// Those that stand somewhere in the image, and can be drawn there.
    pub const PLACED: [Self; 4] = [Self::Codes, Self::Text, Self::Objects, Self::Faces];
}

/// What `image_analysis` answers: one section per feature asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageAnalysisOutput {
    /// Width of the image, pixels.
    pub width: u32,
    /// Height of the image, pixels.
    pub height: u32,
    /// Content type of the image, such as `image/png`.
    pub content_type: String,
    /// Dominant colours, largest share first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colors: Option<Vec<Color>>,
    /// Sharpness, exposure, noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Perceptual hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hashes>,
    /// QR codes and bar codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<Vec<Code>>,
    /// Regions that hold text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Vec<TextRegion>>,
    /// Objects, surest first, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<Object>>,
    /// Faces, surest first, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<Vec<Face>>,
    /// What is to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Described>,
    /// Id of an artifact: the image as JPEG, with what was found drawn on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotated: Option<String>,
    /// Which engine made each section, by the section's name.
    #[serde(default)]
    pub made_by: BTreeMap<Feature, MadeBy>,
    /// Who found what no other is named for: `local`.
    pub provider: String,
    /// Names and versions of the engines used here.
    pub model: String,
    /// Time of decoding, analysis and description, milliseconds.
    pub duration_ms: u64,
}

/// The engine behind a section of a result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MadeBy {
    /// A provider, `onnx` for a network of the operator's, or `local`.
    pub provider: String,
    /// The model, or the engine with its version.
    pub model: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What a provider's work used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Object {
    /// Its class, as the detector calls it.
    pub label: String,
    /// 0 to 1.
    pub confidence: f32,
    /// `[x, y, width, height]` in pixels of the image.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
}

/// A face that was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Face {
    /// 0 to 1.
    pub confidence: f32,
    /// `[x, y, width, height]` in pixels of the image.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
}

/// A description of pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Described {
    /// What is to be seen; the JSON as text where a schema was given.
    pub text: String,
    /// The answer as JSON, where a schema was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub structured: Option<Value>,
    /// Who described: a provider, or `local` for a sentence made of colours and text that were found.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Providers that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What it used.
    pub usage: Usage,
}

/// A dominant colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Color {
    /// sRGB as `#rrggbb`.
    pub hex: String,
    /// Share of the pixels, 0 to 1.
    pub share: f32,
}

/// How good a picture it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quality {
    /// Variance of the Laplacian of luma (0-255); below about 100 looks blurred.
    pub sharpness: f32,
    /// Mean luma, 0 (black) to 1 (white).
    pub brightness: f32,
    /// Standard deviation of luma, 0 to 0.5.
    pub contrast: f32,
    /// Share of pixels that are clipped to black, 0 to 1.
    pub shadows_clipped: f32,
    /// Share of pixels that are clipped to white, 0 to 1.
    pub highlights_clipped: f32,
    /// Estimated standard deviation of noise in luma (0-255).
    pub noise: f32,
}

/// Perceptual hashes: similar pictures differ in few of the 64 bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hashes {
    /// Average hash, 16 hexadecimal digits.
    pub average: String,
    /// Gradient (difference) hash, 16 hexadecimal digits.
    pub difference: String,
    /// Hash of the discrete cosine transform, 16 hexadecimal digits.
    pub perceptual: String,
}

/// A QR code or bar code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Code {
    /// Its symbology, `snake_case`, such as `qr_code`, `ean_13`, `code_128`.
    pub format: String,
    /// What it says.
    pub text: String,
    /// `[x, y, width, height]` in pixels of the image.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
}

/// A region that holds text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextRegion {
    /// `[x, y, width, height]` in pixels of the image.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
    /// 0 to 1.
    pub confidence: f32,
    /// Its text, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<ImageAnalysisInput>, Some("image"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed = INPUT.check::<ImageAnalysisInput>(input)?;
    let wanted = typed.wanted();
    let without = |feature: Feature, name: &str| {
        let needs = format!("needs the feature `{name}`");
        (!wanted.contains(&feature)).then_some(needs)
    };
    let needless = |is_given: bool, pointer: &str, detail: &Option<String>| {
        let detail = detail.clone().filter(|_| is_given)?;
        Some((pointer.to_owned(), detail))
    };
    let (undescribed, undetected) = (
        without(Feature::Description, "description"),
        without(Feature::Objects, "objects"),
    );
    let unplaced = !Feature::PLACED.iter().any(|feature| wanted.contains(feature));
    let unplaced = unplaced.then(|| "needs one of the features `codes`, `text`, `objects`, `faces`".to_owned());
    let wrong_schema = typed.schema.as_ref().and_then(answer::mistake);
    let wrong_schema = wrong_schema.map(|detail| ("/schema".to_owned(), detail));
    let mistakes = [
        needless(typed.prompt.is_some(), "/prompt", &undescribed),
        needless(typed.schema.is_some(), "/schema", &undescribed).or(wrong_schema),
        needless(typed.model.is_some(), "/model", &undescribed),
        needless(typed.detector.is_some(), "/detector", &undetected),
        needless(typed.detector_model.is_some(), "/detector_model", &undetected),
        needless(!typed.detector_fallback.is_empty(), "/detector_fallback", &undetected),
        needless(typed.annotate, "/annotate", &unplaced),
    ];
    let errors = mistakes.into_iter().flatten().map(|(pointer, detail)| FieldError {
        pointer,
        detail,
        code: FieldCode::Invalid,
    });
    let errors: Vec<FieldError> = errors.collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(input: &Value) -> Vec<String> {
        let errors = check(input).err().unwrap_or_default();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_prompt_or_a_schema_asks_for_a_description() {
        let wanted = |input: Value| {
            let input: ImageAnalysisInput = serde_json::from_value(input).expect("an input");
            input.wanted().contains(&Feature::Description)
        };
        let image = json!({"artifact": "a"});
        assert!(!wanted(json!({"image": image})));
        assert!(wanted(json!({"image": image, "prompt": "How many people?"})));
        assert!(wanted(json!({"image": image, "features": ["description"]})));
        let only_colors = json!({"image": image, "features": ["colors"], "prompt": "x", "schema": {"type": "object"}});
        assert_eq!(mistakes(&only_colors), ["/prompt", "/schema"]);
        assert_eq!(
            mistakes(&json!({"image": image, "schema": {"type": "array"}})),
            ["/schema"]
        );
    }

    #[test]
    fn a_detector_asks_for_objects_and_needs_them() {
        let image = json!({"artifact": "a"});
        let input = json!({"image": image, "detector": "onnx", "annotate": true});
        assert!(mistakes(&input).is_empty());
        let input: ImageAnalysisInput = serde_json::from_value(input).expect("an input");
        assert!(input.wanted().contains(&Feature::Objects));
        let only_colors = json!({"image": image, "features": ["colors"], "detector": "onnx", "detector_model": "a/1",
            "detector_fallback": ["onnx"], "annotate": true});
        assert_eq!(
            mistakes(&only_colors),
            ["/detector", "/detector_model", "/detector_fallback", "/annotate"]
        );
        assert!(mistakes(&json!({"image": image, "features": ["faces"], "annotate": true})).is_empty());
    }
}
