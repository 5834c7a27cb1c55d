//! Descriptions of pictures, for `scene_description` and `image_analysis`: by a vision model, or without one by a
//! sentence made of what is found in them.

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::to_raw_value;
use zoetrope_queue::Failure;
use zoetrope_shared::tasks::image_analysis::{Described, Feature, ImageAnalysisOutput, KIND};
use zoetrope_shared::usage::{FellBack, Usage};
use zoetrope_shared::wording;

use crate::protocol::{PICTURE, PICTURE_EDGE, PictureInput, Request};
use crate::protocol_images::AnalysisInput;
use crate::providers::capability::{Ask, Picture, Pieces, VisionModel};
use crate::providers::catalogue::Capability;
use crate::providers::configured::{Chain, Wanted};
use crate::services::Services;
use crate::writing::prompt::{self, Scene};
use crate::writing::rounds;
use crate::writing::structured::Form;

/// What the describer without a model is called.
pub(super) const LOCAL: &str = "local";
/// What it is made of.
const LOCAL_MODEL: &str = "colors+tesseract";
/// Most tokens of a description.
const MAX_OUTPUT_TOKENS: u32 = 2_048;

/// What is wanted to be known of pictures, and from whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) prompt: Option<&'a str>,
    pub(super) schema: Option<&'a Value>,
    pub(super) previous: Option<&'a str>,
    /// When the pictures were taken, milliseconds; one each, or none.
    pub(super) t_ms: &'a [u64],
    pub(super) provider: &'a str,
    pub(super) model: Option<&'a str>,
    pub(super) fallback: &'a [String],
    pub(super) cache: bool,
}

impl Wish<'_> {
    /// Who is asked. A sentence of colours and words answers no question, so that a prompt and a schema need a model.
    pub(super) fn chain(&self, services: &Services) -> Result<Chain<dyn VisionModel>, Failure> {
        let providers = &services.providers;
        let wanted = Wanted {
            provider: self.provider,
            model: self.model,
            fallback: self.fallback,
            local: (self.prompt.is_none() && self.schema.is_none()).then_some(LOCAL),
        };
        providers.chain(Capability::Vision, &providers.vision, wanted)
    }
}

/// Describes pictures as users sent them. `found` is what is known already of a picture that is alone.
pub(super) async fn describe(
    services: &Services,
    wish: Wish<'_>,
    chain: &Chain<dyn VisionModel>,
    pictures: &[Bytes],
    found: Option<&ImageAnalysisOutput>,
) -> Result<Described, Failure> {
    if chain.candidates.is_empty() {
        return locally(services, pictures, found, Vec::new()).await;
    }
    let form = wish.schema.map(Form::new).transpose()?;
    let scene = Scene {
        count: pictures.len(),
        t_ms: wish.t_ms,
        prompt: wish.prompt.unwrap_or_default(),
        previous: wish.previous.unwrap_or_default(),
    };
    let asked = prompt::describe(&services.templates, &scene, wish.schema)?;
    let mut ask = Ask {
        max_output_tokens: MAX_OUTPUT_TOKENS,
        cache: wish.cache,
        ..asked
    };
    for bytes in pictures {
        ask.pictures.push(picture(services, bytes.clone()).await?);
    }
    let caller = &services.providers.caller;
    let nowhere = Pieces::nowhere();
    let answered = rounds::answer(
        caller,
        Capability::Vision,
        chain,
        ask,
        form.as_ref(),
        &nowhere,
        rounds::look,
    );
    match answered.await? {
        Ok(by_model) => Ok(by_model.into()),
        Err(unanswered) => locally(services, pictures, found, unanswered.or_local(chain.ends_local)?).await,
    }
}

/// A picture as a child decoded and made it again: smaller, and without what its file says besides.
pub(super) async fn picture(services: &Services, bytes: Bytes) -> Result<Picture, Failure> {
    let request = Request {
        kind: PICTURE.to_owned(),
        input: to_raw_value(&PictureInput {
            longest_edge: PICTURE_EDGE,
        })
        .expect("a number is JSON"),
    };
    let jpeg = services.media.run(&request, bytes, |_, _| {}).await?;
    Ok(Picture {
        content_type: "image/jpeg",
        bytes: jpeg.into(),
    })
}

async fn locally(
    services: &Services,
    pictures: &[Bytes],
    found: Option<&ImageAnalysisOutput>,
    fell_back: Vec<FellBack>,
) -> Result<Described, Failure> {
    let known = found.filter(|found| found.colors.is_some() && found.text.is_some());
    let text = match known {
        Some(found) => sentence(std::slice::from_ref(found)),
        None => {
            let mut found = Vec::with_capacity(pictures.len());
            for bytes in pictures {
                found.push(colors_and_text(services, bytes.clone()).await?);
            }
            sentence(&found)
        }
    };
    Ok(Described {
        text,
        structured: None,
        provider: LOCAL.to_owned(),
        model: LOCAL_MODEL.to_owned(),
        fell_back,
        usage: Usage::default(),
    })
}

async fn colors_and_text(services: &Services, bytes: Bytes) -> Result<ImageAnalysisOutput, Failure> {
    let input = AnalysisInput {
        features: vec![Feature::Colors, Feature::Text],
        min_confidence: Some(0.5),
        detector: None,
    };
    let request = Request {
        kind: KIND.name.to_owned(),
        input: to_raw_value(&input).expect("an input is JSON"),
    };
    super::in_child::answer(services, &request, bytes, |_, _| {}).await
}

/// What the pictures have in common with what people would say: how many, the colours of the last, every line of text once.
fn sentence(found: &[ImageAnalysisOutput]) -> String {
    let mut said = match found {
        [one] => format!("A picture of {} x {} pixels", one.width, one.height),
        many => format!("{} pictures", many.len()),
    };
    let colors = found.last().and_then(|last| wording::colors(last.colors.as_deref()?));
    if let Some(colors) = colors {
        said.push_str(&format!(", mostly {colors}"));
    }
    said.push('.');
    let mut lines: Vec<&str> = Vec::new();
    let regions = found.iter().flat_map(|one| one.text.iter().flatten());
    for line in regions.filter_map(|region| region.text.as_deref()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        let quoted = wording::quote(&lines.join("\n"));
        said.push_str(&format!(" It reads: \u{201c}{quoted}\u{201d}."));
    }
    said
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::image_analysis::{Color, TextRegion};

    use super::*;

    fn found(hex: &str, lines: &[&str]) -> ImageAnalysisOutput {
        let region = |text: &&str| TextRegion {
            bbox: [0, 0, 1, 1],
            confidence: 1.0,
            text: Some((*text).to_owned()),
        };
        ImageAnalysisOutput {
            width: 640,
            height: 360,
            colors: Some(vec![Color {
                hex: hex.to_owned(),
                share: 1.0,
            }]),
            text: Some(lines.iter().map(region).collect()),
            ..ImageAnalysisOutput::default()
        }
    }

    #[test]
    fn without_a_model_a_description_says_how_many_which_colours_and_which_text() {
        assert_eq!(
            sentence(&[found("#cc2020", &[])]),
            "A picture of 640 x 360 pixels, mostly red."
        );
        assert_eq!(
            sentence(&[found("#cc2020", &["Gate 7"]), found("#1040d0", &["Gate 7", "Open"])]),
            "2 pictures, mostly blue. It reads: \u{201c}Gate 7 / Open\u{201d}."
        );
    }
}
