//! Faces, found by the funnel-structured cascade of `SeetaFace` (Wu et al., Neurocomputing 2017) as `rustface` has it. Its
//! model is part of this program: `assets/seeta_fd_frontal_v1.0.LICENSE` lets it be. It says where faces are, never whose.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::GrayImage;
use rustface::{Detector, FaceInfo, ImageData};
use zoetrope_shared::tasks::image_analysis::Face;
use zoetrope_worker::protocol_images::MAX_FOUND;

use crate::fault::Fault;

/// What results call it.
pub(super) const MODEL: &str = "rustface 0.1, seeta_fd_frontal_v1.0";

const WEIGHTS: &[u8] = include_bytes!("../../../assets/seeta_fd_frontal_v1.0.bin");
/// The cascade finds faces of 40 pixels and more: pictures are made this long at most, pixels, and small ones larger, so
/// that faces from a thirtieth of the longest edge on are found.
const LONGEST_EDGE: u32 = 1_280;
/// Most that a small picture is enlarged.
const MAX_ENLARGED: f64 = 2.0;
/// Shortest edge that the cascade can look at, pixels: its window and a margin.
const SHORTEST_EDGE: u32 = 44;
/// Each pass looks at a picture this much smaller than the last.
const PYRAMID_STEP: f32 = 0.8;
/// Least score that is taken at all; scores add up over the windows that agree.
const LEAST_SCORE: f64 = 2.0;
/// Least confidence where a task names none: the least score.
const USUAL_CONFIDENCE: f32 = 0.5;

/// The cascade, once it was needed.
#[derive(Default)]
pub(crate) struct Faces(Option<Box<dyn Detector>>);

impl Faces {
    /// The faces of a picture, surest first.
    pub(super) fn find(&mut self, luma: &GrayImage, least: Option<f32>) -> Result<Vec<Face>, Fault> {
        let (width, height) = luma.dimensions();
        let scale = (f64::from(LONGEST_EDGE) / f64::from(width.max(height))).min(MAX_ENLARGED);
        let scaled = |edge: u32| ((f64::from(edge) * scale).round() as u32).max(1);
        let small = resized(luma, scaled(width), scaled(height))?;
        let shortest = small.width().min(small.height());
        if shortest < SHORTEST_EDGE {
            return Ok(Vec::new());
        }
        let detector = self.load()?;
        // One window less than the picture is wide: with all of it the last pass rounds to less than a window.
        detector.set_max_face_size(shortest - 2);
        let found = detector.detect(&ImageData::new(small.as_raw(), small.width(), small.height()));
        let least = least.unwrap_or(USUAL_CONFIDENCE);
        let mut faces: Vec<Face> = found
            .iter()
            .filter_map(|face| {
                Some(Face {
                    confidence: confidence(face.score()),
                    bbox: bbox(face, 1.0 / scale, (width, height))?,
                })
            })
            .filter(|face| face.confidence >= least)
            .collect();
        faces.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        faces.truncate(MAX_FOUND);
        Ok(faces)
    }

    fn load(&mut self) -> Result<&mut Box<dyn Detector>, Fault> {
        if self.0.is_none() {
            let model = rustface::read_model(WEIGHTS)
                .map_err(|error| Fault::engine_failed(format!("the faces' model cannot be read: {error}")))?;
            let mut detector = rustface::create_detector_with_model(model);
            detector.set_score_thresh(LEAST_SCORE);
            detector.set_pyramid_scale_factor(PYRAMID_STEP);
            self.0 = Some(detector);
        }
        Ok(self.0.as_mut().expect("it was loaded just now"))
    }
}

/// A score, which has no upper end, as a share: the least score is a half, nine times as much 0.9.
fn confidence(score: f64) -> f32 {
    (score / (score + LEAST_SCORE)) as f32
}

/// Its place in the whole picture; `None` if none of it lies there.
fn bbox(face: &FaceInfo, scale: f64, (width, height): (u32, u32)) -> Option<[u32; 4]> {
    let place = face.bbox();
    let side = |from: i32, size: u32, most: u32| {
        let at = |value: f64| (value * scale).round().clamp(0.0, f64::from(most)) as u32;
        let (start, end) = (at(f64::from(from)), at(f64::from(from) + f64::from(size)));
        (end > start).then(|| (start, end - start))
    };
    let (x, width) = side(place.x(), place.width(), width)?;
    let (y, height) = side(place.y(), place.height(), height)?;
    Some([x, y, width, height])
}

fn resized(luma: &GrayImage, width: u32, height: u32) -> Result<GrayImage, Fault> {
    let failed = |error: String| Fault::engine_failed(format!("the picture cannot be resized: {error}"));
    let whole = ImageRef::new(luma.width(), luma.height(), luma.as_raw(), PixelType::U8);
    let whole = whole.map_err(|error| failed(error.to_string()))?;
    let mut small = Image::new(width, height, PixelType::U8);
    let resized = Resizer::new().resize(&whole, &mut small, None);
    resized.map_err(|error| failed(error.to_string()))?;
    GrayImage::from_raw(width, height, small.into_vec()).ok_or_else(|| failed("its size does not fit".to_owned()))
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn no_size_of_a_picture_stops_the_cascade() {
        let mut faces = Faces::default();
        for edge in (1..=140).step_by(3).chain([22, 39, 40, 41, 42, 43, 44, 45, 641]) {
            // A pattern that is not even: noise without randomness.
            let picture = |width, height| {
                GrayImage::from_fn(width, height, |x, y| Luma([(x * 31 + y * 57 + (x * y) % 97) as u8]))
            };
            for (width, height) in [(edge, edge), (edge, 90), (90, edge)] {
                let found = faces.find(&picture(width, height), Some(0.0)).expect("it has a size");
                let outside = found.iter().any(|face| {
                    let [x, y, w, h] = face.bbox;
                    x + w > width || y + h > height
                });
                assert!(!outside, "{width} x {height}: {found:?}");
            }
        }
    }

    #[test]
    fn the_least_score_is_a_half() {
        assert!((confidence(LEAST_SCORE) - 0.5).abs() < 1e-6 && (confidence(18.0) - 0.9).abs() < 1e-6);
    }
}
