//! Perceptual hashes of 64 bits, by `image_hasher`. Compare two of the same name by counting the bits that differ.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::GrayImage;
use image_hasher::{HashAlg, HasherConfig};
use zoetrope_shared::tasks::image_analysis::Hashes;

/// The hashes look at 8x8 (after the transform: 16x16) means, which a thumbnail of this side holds as well as the
/// whole image, and resizing the thumbnail three times is free.
const THUMBNAIL_SIDE: u32 = 256;

/// All three hashes.
pub(super) fn of(luma: &GrayImage) -> Hashes {
    let thumbnail = thumbnail(luma);
    let config = || HasherConfig::new().hash_size(8, 8);
    let hash = |config: HasherConfig| hex(config.to_hasher().hash_image(&thumbnail).as_bytes());
    Hashes {
        average: hash(config().hash_alg(HashAlg::Mean)),
        difference: hash(config().hash_alg(HashAlg::Gradient)),
        // Median, as in the hash that goes by the name pHash: the mean is pulled by the few large coefficients.
        perceptual: hash(config().hash_alg(HashAlg::Median).preproc_dct()),
    }
}

fn thumbnail(luma: &GrayImage) -> GrayImage {
    let (width, height) = (luma.width().min(THUMBNAIL_SIDE), luma.height().min(THUMBNAIL_SIDE));
    let source = ImageRef::new(luma.width(), luma.height(), luma.as_raw(), PixelType::U8)
        .expect("a grey image has one byte a pixel");
    let mut target = Image::new(width, height, PixelType::U8);
    Resizer::new()
        .resize(&source, &mut target, None)
        .expect("both images are grey and not empty");
    GrayImage::from_raw(width, height, target.into_vec()).expect("the buffer was made for this size")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    fn bits_apart(a: &str, b: &str) -> u32 {
        let parse = |hex| u64::from_str_radix(hex, 16).expect("a hash has 16 hexadecimal digits");
        (parse(a) ^ parse(b)).count_ones()
    }

    fn picture(side: u32, brighter: u8) -> GrayImage {
        GrayImage::from_fn(side, side, |x, y| {
            let (x, y) = (x as f32 / side as f32, y as f32 / side as f32);
            Luma([((x * 9.0).sin() * (y * 5.0 + x).cos() * 100.0 + 120.0) as u8 + brighter])
        })
    }

    #[test]
    fn a_smaller_and_brighter_copy_hashes_alike_and_another_picture_does_not() {
        let (original, copy) = (of(&picture(800, 0)), of(&picture(300, 20)));
        let other = of(&GrayImage::from_fn(800, 800, |x, y| {
            Luma([if (x / 90 + y / 130) % 2 == 0 { 250 } else { 9 }])
        }));
        for (a, b, c) in [
            (&original.average, &copy.average, &other.average),
            (&original.difference, &copy.difference, &other.difference),
            (&original.perceptual, &copy.perceptual, &other.perceptual),
        ] {
            assert_eq!(a.len(), 16);
            assert!(bits_apart(a, b) <= 6, "{a} {b}");
            assert!(bits_apart(a, c) >= 16, "{a} {c}");
        }
    }
}
