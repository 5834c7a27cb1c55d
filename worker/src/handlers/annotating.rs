//! The picture with what was found in it: which boxes it has belongs here, how they are drawn belongs to the media child.

use bytes::Bytes;
use serde_json::value::to_raw_value;
use zoetrope_queue::Failure;
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::tasks::image_analysis::{ImageAnalysisOutput, KIND};
use zoetrope_shared::tenant::Tenant;

use crate::protocol::Request;
use crate::protocol_images::{ANNOTATE, AnnotateInput, DrawnBox, MAX_CAPTION_CHARS, MAX_DRAWN};
use crate::services::Services;

/// What a JPEG begins with.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// Has the picture drawn and stores it; the artifact's id.
pub(super) async fn annotate(
    services: &Services,
    tenant: &Tenant,
    image: Bytes,
    found: &ImageAnalysisOutput,
) -> Result<String, Failure> {
    let request = Request {
        kind: ANNOTATE.to_owned(),
        input: to_raw_value(&AnnotateInput { boxes: boxes(found) }).expect("boxes are JSON"),
    };
    let jpeg = services.media.run(&request, image, |_, _| {}).await?;
    if !jpeg.starts_with(&JPEG) {
        return Err(super::nonsense(&"a picture was asked for"));
    }
    let new = NewArtifact {
        content_type: "image/jpeg".to_owned(),
        filename: None,
        ttl: KIND.policy.result_ttl,
    };
    let stored = services.artifacts.put(tenant, new, jpeg.into()).await;
    let stored = stored.map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))?;
    Ok(stored.artifact)
}

/// Everything that has a place, the surest objects last, so that they lie on top. Boxes of one name have one colour.
fn boxes(found: &ImageAnalysisOutput) -> Vec<DrawnBox> {
    let mut names: Vec<&str> = Vec::new();
    let mut boxes = Vec::new();
    let mut add = |name, bbox, caption: String| {
        let known = names.iter().position(|known| *known == name);
        let color = known.unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        boxes.push(DrawnBox {
            bbox,
            caption: caption.chars().take(MAX_CAPTION_CHARS).collect(),
            color,
        });
    };
    for object in found.objects.iter().flatten() {
        let caption = format!("{} {}", object.label, percent(object.confidence));
        add(&object.label, object.bbox, caption);
    }
    for face in found.faces.iter().flatten() {
        add("face", face.bbox, format!("face {}", percent(face.confidence)));
    }
    for code in found.codes.iter().flatten() {
        add("code", code.bbox, format!("{}: {}", code.format, code.text));
    }
    // Text says itself what it is.
    for region in found.text.iter().flatten() {
        add("text", region.bbox, String::new());
    }
    boxes.truncate(MAX_DRAWN);
    boxes.reverse();
    boxes
}

fn percent(confidence: f32) -> String {
    format!("{:.0}%", confidence * 100.0)
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::image_analysis::{Face, Object};

    use super::*;

    #[test]
    fn the_surest_object_is_drawn_last_and_boxes_of_one_class_have_one_colour() {
        let object = |label: &str, confidence| Object {
            label: label.to_owned(),
            confidence,
            bbox: [0, 0, 9, 9],
        };
        let found = ImageAnalysisOutput {
            objects: Some(vec![object("cat", 0.912), object("dog", 0.8), object("cat", 0.7)]),
            faces: Some(vec![Face {
                confidence: 0.5,
                bbox: [1, 1, 2, 2],
            }]),
            ..ImageAnalysisOutput::default()
        };
        let drawn: Vec<_> = boxes(&found).into_iter().map(|one| (one.caption, one.color)).collect();
        let expected = [("face 50%", 2), ("cat 70%", 0), ("dog 80%", 1), ("cat 91%", 0)];
        assert_eq!(drawn, expected.map(|(caption, color)| (caption.to_owned(), color)));
    }
}
