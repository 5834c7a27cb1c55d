//! Objects in an image, for `image_analysis`: who is asked for them, and what a provider's answer means in pixels. The
//! operator's own network runs where the image is decoded: in the media child.

use bytes::Bytes;
use zoetrope_queue::Failure;
use zoetrope_shared::media::{MediaType, check_image};
use zoetrope_shared::tasks::image_analysis::{ImageAnalysisInput, MadeBy, Object};
use zoetrope_shared::usage::FellBack;

use super::describing;
use crate::protocol_images::MAX_FOUND;
use crate::providers::capability::Pieces;
use crate::providers::catalogue::Capability;
use crate::providers::configured::{AUTO, Chain, Wanted};
use crate::providers::detection::{Detected, Detector, Sight, Spotted};
use crate::services::Services;

/// What the worker's own network is called.
pub(super) const OWN: &str = "onnx";
/// Least confidence where a task names none.
pub(super) const USUAL_CONFIDENCE: f32 = 0.4;
/// Longest class of a provider's that is passed on, characters.
const MAX_LABEL_CHARS: usize = 100;

/// What is known of an image's objects before a child has looked at it.
#[derive(Debug)]
pub(super) enum Asked {
    /// A provider found them.
    Answered(Box<Detected>, MadeBy),
    /// They are left to the worker's own network; who was asked in vain.
    LeftToOwn(Vec<FellBack>),
}

/// Who is asked.
pub(super) fn chain(services: &Services, input: &ImageAnalysisInput) -> Result<Chain<dyn Detector>, Failure> {
    let has_own = services.detector.is_some();
    let provider = input.detector.as_deref().unwrap_or(AUTO);
    let mut names = std::iter::once(provider).chain(input.detector_fallback.iter().map(String::as_str));
    if !has_own && names.any(|name| name == OWN) {
        let message = "`onnx` needs a network: set DETECTOR_MODEL to an ONNX file on this worker";
        return Err(Failure::non_retryable("provider_not_configured", message));
    }
    let wanted = Wanted {
        provider,
        model: input.detector_model.as_deref(),
        fallback: &input.detector_fallback,
        local: has_own.then_some(OWN),
    };
    services
        .providers
        .chain(Capability::Detection, &services.providers.detectors, wanted)
}

/// Asks the providers of the chain.
pub(super) async fn ask(
    services: &Services,
    chain: &Chain<dyn Detector>,
    image: &Bytes,
    least_confidence: Option<f32>,
) -> Result<Asked, Failure> {
    if chain.candidates.is_empty() {
        return Ok(Asked::LeftToOwn(Vec::new()));
    }
    let picture = describing::picture(services, image.clone()).await?;
    let header = check_image(&picture.bytes, &[MediaType::Jpeg]).map_err(|error| super::nonsense(&error))?;
    let sight = Sight {
        picture,
        width: header.width,
        height: header.height,
        least_confidence: least_confidence.unwrap_or(USUAL_CONFIDENCE),
    };
    let nowhere = Pieces::nowhere();
    let caller = services.providers.caller.about(sight.matter());
    let answered = caller.first_answer(Capability::Detection, &chain.candidates, &nowhere, |candidate| {
        candidate.engine.detect(&sight, &candidate.model)
    });
    match answered.await {
        Ok(answered) => {
            let made_by = MadeBy {
                provider: answered.provider.to_owned(),
                model: answered.answer.model.clone(),
                fell_back: answered.fell_back,
                usage: Some(answered.answer.usage.clone()),
            };
            Ok(Asked::Answered(Box::new(answered.answer), made_by))
        }
        Err(unanswered) => Ok(Asked::LeftToOwn(unanswered.or_local(chain.ends_local)?)),
    }
}

/// A provider's objects in pixels of an image, surest first. What lies outside of it or makes no sense is left out.
pub(super) fn in_pixels(detected: Detected, least: Option<f32>, width: u32, height: u32) -> Vec<Object> {
    let least = least.unwrap_or(USUAL_CONFIDENCE);
    let sure = detected
        .objects
        .into_iter()
        .filter(|spotted| spotted.confidence >= least);
    let mut objects: Vec<Object> = sure
        .filter_map(|spotted| {
            Some(Object {
                bbox: bbox(&spotted, width, height)?,
                confidence: spotted.confidence.min(1.0),
                label: spotted.label.chars().take(MAX_LABEL_CHARS).collect(),
            })
        })
        .collect();
    objects.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    objects.truncate(MAX_FOUND);
    objects
}

fn bbox(spotted: &Spotted, width: u32, height: u32) -> Option<[u32; 4]> {
    let side = |from: f64, share: f64, pixels: u32| {
        let at = |share: f64| (share.clamp(0.0, 1.0) * f64::from(pixels)).round() as u32;
        let (start, end) = (at(from), at(from + share));
        (end > start).then(|| (start, end - start))
    };
    let (x, width) = side(spotted.left, spotted.width, width)?;
    let (y, height) = side(spotted.top, spotted.height, height)?;
    Some([x, y, width, height])
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::usage::Usage;

    use super::*;

    fn spotted(label: &str, confidence: f32, [left, top, width, height]: [f64; 4]) -> Spotted {
        Spotted {
            label: label.to_owned(),
            confidence,
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn shares_become_pixels_and_what_makes_no_sense_is_left_out() {
        let detected = Detected {
            objects: vec![
                spotted("cat", 0.5, [0.25, 0.5, 0.25, 0.25]),
                spotted("dog", 0.9, [-0.5, 0.75, 1.0, 0.5]),
                spotted("outside", 0.9, [1.5, 0.5, 0.5, 0.5]),
                spotted("nowhere", 0.9, [f64::NAN, 0.5, 0.5, 0.5]),
                spotted("inside out", 0.9, [0.5, 0.5, -0.5, 0.5]),
                spotted("doubtful", 0.3, [0.0, 0.0, 1.0, 1.0]),
                spotted("unknown", f32::NAN, [0.0, 0.0, 1.0, 1.0]),
            ],
            model: "m".to_owned(),
            usage: Usage::default(),
        };
        let told: Vec<_> = in_pixels(detected, None, 400, 200)
            .into_iter()
            .map(|object| (object.label, object.bbox))
            .collect();
        assert_eq!(
            told,
            [
                ("dog".to_owned(), [0, 150, 200, 50]),
                ("cat".to_owned(), [100, 100, 100, 50])
            ]
        );
    }
}
