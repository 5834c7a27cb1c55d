//! `image_analysis` in the child: one section of the result per feature, each in its own file.

mod codes;
mod colors;
mod hashes;
mod quality;

pub(crate) use colors::dominant as dominant_colors;

use image::GrayImage;
use tokio::time::Instant;
use zoetrope_shared::media::IMAGE_TYPES;
use zoetrope_shared::tasks::image_analysis::{Feature, ImageAnalysisInput, ImageAnalysisOutput, TextRegion};

use crate::decode::Document;
use crate::fault::Fault;
use crate::ocr;
use crate::serve::{Engines, Progress};

/// Analyses the first page of a document.
pub(crate) fn run(
    engines: &mut Engines,
    input: &ImageAnalysisInput,
    bytes: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<ImageAnalysisOutput, Fault> {
    let started = Instant::now();
    let wanted = input.wanted();
    let mut document = Document::open(bytes, IMAGE_TYPES)?;
    let image = document.decode(0)?;
    let mut output = ImageAnalysisOutput {
        width: image.width(),
        height: image.height(),
        content_type: document.media_type.content_type().to_owned(),
        provider: "local".to_owned(),
        ..ImageAnalysisOutput::default()
    };
    // Colours are the only feature that needs them: the coloured pixels are gone before the slow ones start.
    if wanted.contains(&Feature::Colors) {
        output.colors = Some(colors::dominant(&image));
    }
    let luma = ocr::grey(image);
    let mut engines_used = Vec::new();
    for (done, feature) in wanted.iter().enumerate() {
        progress.report(percent(done, wanted.len()), name_of(*feature));
        match feature {
            // A description is the worker's to ask for: children have no network.
            Feature::Colors | Feature::Description => {}
            Feature::Quality => output.quality = Some(quality::measure(&luma)),
            Feature::Hash => {
                output.hash = Some(hashes::of(&luma));
                engines_used.push("image_hasher 3".to_owned());
            }
            Feature::Codes => {
                output.codes = Some(codes::find(&luma));
                engines_used.push("rxing 0.9".to_owned());
            }
            Feature::Text => {
                output.text = Some(text_regions(engines, &luma, input.min_confidence)?);
                engines_used.push(engines.ocr.model());
            }
        }
    }
    engines_used.push(concat!("zoetrope ", env!("CARGO_PKG_VERSION")).to_owned());
    output.model = engines_used.join(", ");
    output.duration_ms = started.elapsed().as_millis() as u64;
    Ok(output)
}

/// One region a line of text.
fn text_regions(engines: &mut Engines, luma: &GrayImage, least: f32) -> Result<Vec<TextRegion>, Fault> {
    let blocks = ocr::find_text(&mut engines.ocr, luma)?;
    let lines = blocks
        .into_iter()
        .flat_map(|block| block.lines)
        .filter(|line| line.confidence >= least);
    Ok(lines
        .map(|line| TextRegion {
            bbox: line.bbox,
            confidence: line.confidence,
            text: Some(line.text),
        })
        .collect())
}

fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Colors => "colors",
        Feature::Quality => "quality",
        Feature::Hash => "hash",
        Feature::Codes => "codes",
        Feature::Text => "text",
        Feature::Description => "description",
    }
}

fn percent(done: usize, of: usize) -> u8 {
    u8::try_from(done * 100 / of.max(1)).unwrap_or(100)
}
