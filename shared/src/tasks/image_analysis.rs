//! `image_analysis`: facts about an image that need no trained weights.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{IMAGE_TYPES, MAX_IMAGE_BYTES, MediaRef};
use crate::schema::{self, InputSchema};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "image_analysis",
    summary: "Finds colours, quality, perceptual hashes, QR and bar codes, and text regions of an image",
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
    /// What to find, 1 to 5 of these; all if left out.
    #[serde(default = "Feature::all")]
    #[schema(min_items = 1, max_items = 5, default = json!(["colors", "quality", "hash", "codes", "text"]))]
    pub features: Vec<Feature>,
    /// Leave out text regions below this confidence, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 0.0)]
    pub min_confidence: f32,
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
}

impl Feature {
    /// Every feature.
    pub fn all() -> Vec<Self> {
        vec![Self::Colors, Self::Quality, Self::Hash, Self::Codes, Self::Text]
    }
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
    /// Who found it: `local`.
    pub provider: String,
    /// Names and versions of the engines used.
    pub model: String,
    /// Time of decoding and analysis, milliseconds.
    pub duration_ms: u64,
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
const NOT_YET: &[&str] = &["objects", "faces", "description"];

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let Err(mut refused) = INPUT.check::<ImageAnalysisInput>(input) else {
        return Ok(());
    };
    for error in refused
        .iter_mut()
        .filter(|error| error.pointer.starts_with("/features/"))
    {
        let asked = input.pointer(&error.pointer).and_then(Value::as_str);
        if let Some(feature) = asked.filter(|feature| NOT_YET.contains(feature)) {
            error.detail =
                format!("`{feature}` is not available yet; available are colors, quality, hash, codes, text");
        }
    }
    Err(refused)
}
