//! What is said to children about images beyond a task's own input: which features they find, with whose network, and
//! what they draw.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zoetrope_shared::tasks::image_analysis::Feature;

/// Kind of the request that draws boxes on an image; its answer is a JPEG of the image's own size.
pub const ANNOTATE: &str = "annotate";
/// Most boxes that are drawn.
pub const MAX_DRAWN: usize = 500;
/// Longest caption of a box, characters.
pub const MAX_CAPTION_CHARS: usize = 60;
/// Most objects, and most faces, of one image.
pub const MAX_FOUND: usize = 300;

/// The input of `image_analysis` as a child hears it: what is left to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnalysisInput {
    /// What to find.
    #[serde(default = "usual")]
    pub features: Vec<Feature>,
    /// Leave out what is less sure, 0 to 1; each feature has its own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_confidence: Option<f32>,
    /// What finds objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<OnnxDetector>,
}

fn usual() -> Vec<Feature> {
    Feature::USUAL.to_vec()
}

/// A network of the operator's, and what runs it. Children may read these files and no others beside their inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnnxDetector {
    /// The ONNX file.
    pub model: PathBuf,
    /// Names of its classes, one a line; `None` where the file itself has them.
    pub labels: Option<PathBuf>,
    /// ONNX Runtime's shared library; a bare name is looked for where the system has its libraries.
    pub library: PathBuf,
}

/// The input of [`ANNOTATE`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AnnotateInput {
    /// At most [`MAX_DRAWN`], drawn in this order.
    pub boxes: Vec<DrawnBox>,
}

/// A box to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnBox {
    /// `[x, y, width, height]` in pixels of the image.
    pub bbox: [u32; 4],
    /// What stands beside it, at most [`MAX_CAPTION_CHARS`]; nothing if empty.
    pub caption: String,
    /// Boxes of one number have one colour.
    pub color: usize,
}
