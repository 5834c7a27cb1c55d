//! `image_analysis`: facts about an image that need no trained weights, and a description of it.

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
    summary: "Finds colours, quality, perceptual hashes, QR and bar codes, and text regions of an image, and describes it",
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
    /// What to find, 1 to 6 of these. If left out: all but `description`, and that too with `prompt` or `schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Feature>, required = false, min_items = 1, max_items = 6)]
    pub features: Option<Vec<Feature>>,
    /// Leave out text regions below this confidence, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 0.0)]
    pub min_confidence: f32,
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
}

impl ImageAnalysisInput {
    /// What is to be found, defaults filled in.
    pub fn wanted(&self) -> Vec<Feature> {
        let described = self.prompt.is_some() || self.schema.is_some();
        self.features.clone().unwrap_or_else(|| {
            let mut wanted = Feature::LOCAL.to_vec();
            wanted.extend(described.then_some(Feature::Description));
            wanted
        })
    }
}

fn auto() -> String {
    "auto".to_owned()
}

/// One thing to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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
    /// What is to be seen, in words.
    Description,
}

impl Feature {
    /// Those that need no model.
    pub const LOCAL: [Self; 5] = [Self::Colors, Self::Quality, Self::Hash, Self::Codes, Self::Text];
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
    /// What is to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Described>,
    /// Who found the rest: `local`.
    pub provider: String,
    /// Names and versions of the engines used.
    pub model: String,
    /// Time of decoding, analysis and description, milliseconds.
    pub duration_ms: u64,
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

/// Features of the design that no engine here serves yet: they get a better answer than "no such word".
const NOT_YET: &[&str] = &["objects", "faces"];

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    match INPUT.check::<ImageAnalysisInput>(input) {
        Ok(typed) => check_description(&typed),
        Err(refused) => Err(refused.into_iter().map(|error| better_told(error, input)).collect()),
    }
}

fn better_told(mut error: FieldError, input: &Value) -> FieldError {
    let asked = input.pointer(&error.pointer).and_then(Value::as_str);
    let asked = asked.filter(|feature| error.pointer.starts_with("/features/") && NOT_YET.contains(feature));
    if let Some(feature) = asked {
        error.detail =
            format!("`{feature}` is not available yet; available are colors, quality, hash, codes, text, description");
    }
    error
}

fn check_description(input: &ImageAnalysisInput) -> Result<(), Vec<FieldError>> {
    let is_wanted = input.wanted().contains(&Feature::Description);
    let needless = |is_given: bool, pointer: &str| {
        (is_given && !is_wanted).then(|| (pointer.to_owned(), "needs the feature `description`".to_owned()))
    };
    let wrong_schema = input.schema.as_ref().and_then(answer::mistake);
    let mistakes = [
        needless(input.prompt.is_some(), "/prompt"),
        needless(input.schema.is_some(), "/schema").or(wrong_schema.map(|detail| ("/schema".to_owned(), detail))),
        needless(input.model.is_some(), "/model"),
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
}
