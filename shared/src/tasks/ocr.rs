//! `ocr`: the text of an image, with boxes and confidence.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{DOCUMENT_TYPES, MAX_IMAGE_BYTES, MediaRef};
use crate::schema::{self, InputSchema};

/// Most regions of one image.
pub const MAX_REGIONS: usize = 64;
/// Most languages at once; each one slows recognition.
pub const MAX_LANGUAGES: usize = 4;

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "ocr",
    summary: "Reads the text of an image, with a box and a confidence for every word",
    slot: Slot::Cpu,
    cost: 1,
    policy: Policy::DEFAULT,
    media: Some(MediaField {
        name: "image",
        accepts: DOCUMENT_TYPES,
        max_bytes: MAX_IMAGE_BYTES,
    }),
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<OcrOutput>,
    example: || json!({"image": {"url": "https://example.com/screenshot.png"}, "languages": ["eng"], "level": "word"}),
};

/// What `ocr` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OcrInput {
    /// The image: PNG, JPEG, WebP, BMP, GIF (its first frame), TIFF or PDF (all pages), at most 50 megapixels a page.
    pub image: MediaRef,
    /// Languages of the text, most likely first: Tesseract's names such as `eng`, `deu`, `chi_sim`; 1 to 4.
    #[serde(default = "english")]
    #[schema(min_items = 1, max_items = 4, default = json!(["eng"]), value_type = Vec<Language>)]
    pub languages: Vec<String>,
    /// Finest unit in `blocks`: words within lines, lines within blocks, or blocks alone.
    #[serde(default)]
    #[schema(default = "word")]
    pub level: OcrLevel,
    /// How the text is laid out; `auto` chooses by the image.
    #[serde(default)]
    #[schema(default = "auto")]
    pub layout: OcrLayout,
    /// `auto` upscales small text, inverts dark regions and evens contrast; `none` reads the pixels as they are.
    #[serde(default)]
    #[schema(default = "auto")]
    pub preprocess: OcrPreprocess,
    /// Read only these parts of every page; at most 64. Empty reads the whole page.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub regions: Vec<Region>,
    /// Renderings in the result beside `blocks`.
    #[serde(default = "text_only")]
    #[schema(min_items = 1, max_items = 4, default = json!(["text"]))]
    pub formats: Vec<OcrFormat>,
}

/// A language by Tesseract's name.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z]{3}(_[a-z]{2,8}){0,2}$")]
#[expect(dead_code, reason = "only its schema is used: the shape of an item of `languages`")]
struct Language(String);

fn english() -> Vec<String> {
    vec!["eng".to_owned()]
}

fn text_only() -> Vec<OcrFormat> {
    vec![OcrFormat::Text]
}

/// Finest unit of an `ocr` result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OcrLevel {
    /// Words within lines within blocks.
    #[default]
    Word,
    /// Lines within blocks.
    Line,
    /// Blocks alone.
    Block,
}

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OcrLayout {
    /// Chosen by the image.
    #[default]
    Auto,
    /// One column of text.
    SingleBlock,
    /// One line of text.
    SingleLine,
    /// Scattered words, such as a diagram's labels.
    Sparse,
}

/// What is done to the pixels before reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OcrPreprocess {
    /// What helps this image.
    #[default]
    Auto,
    /// Nothing.
    None,
}

/// A rendering of the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OcrFormat {
    /// Plain text (always there).
    Text,
    /// hOCR, HTML with boxes.
    Hocr,
    /// Tesseract's table.
    Tsv,
    /// ALTO XML.
    Alto,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// `[x, y, width, height]` in pixels of the image; width and height at least 1.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
}

impl Region {
    const fn is_empty(self) -> bool {
        let [_, _, width, height] = self.bbox;
        width == 0 || height == 0
    }
}

/// What `ocr` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OcrOutput {
    /// All text in reading order; lines end with `\n`, pages with `\f`.
    pub text: String,
    /// Mean confidence of the words, 0 to 1; 0 if there is no text.
    pub confidence: f32,
    /// Blocks of text in reading order.
    pub blocks: Vec<Block>,
    /// Pages read; 1 for all but TIFF and PDF.
    pub page_count: u32,
    /// Size of each page in pixels.
    pub pages: Vec<PageSize>,
    /// Clockwise turn of the text in degrees: 0, 90, 180 or 270.
    pub orientation: u16,
    /// hOCR, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hocr: Option<String>,
    /// Tesseract's table, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsv: Option<String>,
    /// ALTO XML, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alto: Option<String>,
    /// Who read it, such as `tesseract`.
    pub provider: String,
    /// The version and languages used.
    pub model: String,
    /// Time of decoding and reading, milliseconds.
    pub duration_ms: u64,
}

/// Size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageSize {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
}

/// A paragraph or another block of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Block {
    /// Its text; lines end with `\n`.
    pub text: String,
    /// `[x, y, width, height]` in pixels of its page.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
    /// Mean confidence of its words, 0 to 1.
    pub confidence: f32,
    /// Index of its page, from 0.
    pub page: u32,
    /// Index of the region it was read in, if regions were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<u32>,
    /// Its lines; empty at level `block`.
    pub lines: Vec<Line>,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Its text.
    pub text: String,
    /// `[x, y, width, height]` in pixels of its page.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
    /// Mean confidence of its words, 0 to 1.
    pub confidence: f32,
    /// Its words; empty at level `line`.
    pub words: Vec<Word>,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// `[x, y, width, height]` in pixels of its page.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: [u32; 4],
    /// 0 to 1.
    pub confidence: f32,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<OcrInput>, Some("image"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: OcrInput = INPUT.check(input)?;
    let languages = typed
        .languages
        .iter()
        .enumerate()
        .filter(|(_, name)| !is_language(name))
        .map(|(index, _)| {
            let detail = "must be a name as Tesseract's `eng`, `deu` or `chi_sim`";
            FieldError {
                pointer: format!("/languages/{index}"),
                detail: detail.to_owned(),
                code: FieldCode::Invalid,
            }
        });
    let regions = typed
        .regions
        .iter()
        .enumerate()
        .filter(|(_, region)| region.is_empty())
        .map(|(index, _)| {
            let detail = "must be [x, y, width, height] with a width and height of at least 1";
            FieldError {
                pointer: format!("/regions/{index}/bbox"),
                detail: detail.to_owned(),
                code: FieldCode::Invalid,
            }
        });
    let errors: Vec<_> = languages.chain(regions).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The pattern of [`Language`]. The name becomes a file name in the media child, so nothing else may pass.
pub(super) fn is_language(name: &str) -> bool {
    let mut parts = name.split('_');
    let lower = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    let code = parts.next().is_some_and(|part| part.len() == 3 && lower(part));
    let rest: Vec<_> = parts.collect();
    code && rest.len() <= 2 && rest.iter().all(|part| (2..=8).contains(&part.len()) && lower(part))
}
