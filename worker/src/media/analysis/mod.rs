//! `image_analysis` in the child: one section of the result per feature, each in its own file.

mod codes;
mod colors;
mod faces;
mod hashes;
mod quality;

pub(crate) use colors::dominant as dominant_colors;
pub(crate) use faces::Faces;

use std::collections::BTreeMap;

use image::{DynamicImage, GrayImage};
use tokio::time::Instant;
use zoetrope_shared::media::IMAGE_TYPES;
use zoetrope_shared::tasks::image_analysis::{Feature, ImageAnalysisOutput, MadeBy, Object, TextRegion};
use zoetrope_worker::protocol_images::AnalysisInput;

use crate::decode::Document;
use crate::detection;
use crate::fault::Fault;
use crate::ocr;
use crate::picture;
use crate::serve::{Engines, Progress};

/// Who finds what no other is named for.
const LOCAL: &str = "local";
/// Who finds objects with a network of the operator's.
const ONNX: &str = "onnx";
/// What is counted and measured by this program itself.
const OURS: &str = concat!("zoetrope ", env!("CARGO_PKG_VERSION"));

/// Analyses the first page of a document.
pub(crate) fn run(
    engines: &mut Engines,
    input: &AnalysisInput,
    bytes: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<ImageAnalysisOutput, Fault> {
    let started = Instant::now();
    let wanted = &input.features;
    let mut document = Document::open(bytes, IMAGE_TYPES)?;
    let image = document.decode(0)?;
    let mut output = ImageAnalysisOutput {
        width: image.width(),
        height: image.height(),
        content_type: document.media_type.content_type().to_owned(),
        provider: LOCAL.to_owned(),
        ..ImageAnalysisOutput::default()
    };
    // Colours and objects are the only features that need them: the coloured pixels are gone before the slow ones start.
    if wanted.contains(&Feature::Colors) {
        output.colors = Some(colors::dominant(&image));
    }
    if wanted.contains(&Feature::Objects) {
        output.objects = Some(objects(engines, input, &image)?);
    }
    let luma = ocr::grey(image);
    for (done, feature) in wanted.iter().enumerate() {
        progress.report(percent(done, wanted.len()), name_of(*feature));
        match feature {
            // A description is the worker's to ask for: children have no network.
            Feature::Colors | Feature::Objects | Feature::Description => {}
            Feature::Quality => output.quality = Some(quality::measure(&luma)),
            Feature::Hash => output.hash = Some(hashes::of(&luma)),
            Feature::Codes => output.codes = Some(codes::find(&luma)),
            Feature::Text => {
                output.text = Some(text_regions(engines, &luma, input.min_confidence.unwrap_or(0.0))?);
            }
            Feature::Faces => output.faces = Some(engines.faces.find(&luma, input.min_confidence)?),
        }
    }
    output.made_by = authors(engines, input);
    output.model = engines_used(&output.made_by);
    output.duration_ms = started.elapsed().as_millis() as u64;
    Ok(output)
}

/// Objects, by the operator's network: without one the worker does not ask.
fn objects(engines: &mut Engines, input: &AnalysisInput, image: &DynamicImage) -> Result<Vec<Object>, Fault> {
    let network = input.detector.as_ref();
    let network = network.ok_or_else(|| Fault::input_invalid("there is no network to find objects with"))?;
    let pixels = picture::flat(image.clone());
    engines.detector.find(network, &pixels, input.min_confidence)
}

/// The engine behind each section.
fn authors(engines: &Engines, input: &AnalysisInput) -> BTreeMap<Feature, MadeBy> {
    let by = |provider: &str, model: String| MadeBy {
        provider: provider.to_owned(),
        model,
        ..MadeBy::default()
    };
    let author = |feature: &Feature| {
        Some(match feature {
            Feature::Colors | Feature::Quality => by(LOCAL, OURS.to_owned()),
            Feature::Hash => by(LOCAL, "image_hasher 3".to_owned()),
            Feature::Codes => by(LOCAL, "rxing 0.9".to_owned()),
            Feature::Text => by(LOCAL, engines.ocr.model()),
            Feature::Faces => by(LOCAL, faces::MODEL.to_owned()),
            Feature::Objects => by(ONNX, detection::name_of(input.detector.as_ref()?)),
            Feature::Description => return None,
        })
    };
    let sections = input.features.iter();
    sections
        .filter_map(|feature| Some((*feature, author(feature)?)))
        .collect()
}

/// Every engine once, our own last.
fn engines_used(made_by: &BTreeMap<Feature, MadeBy>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for author in made_by.values().map(|author| author.model.as_str()) {
        if author != OURS && !names.contains(&author) {
            names.push(author);
        }
    }
    names.push(OURS);
    names.join(", ")
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
        Feature::Objects => "objects",
        Feature::Faces => "faces",
        Feature::Description => "description",
    }
}

fn percent(done: usize, of: usize) -> u8 {
    u8::try_from(done * 100 / of.max(1)).unwrap_or(100)
}
