//! A page's pixels by channel. Coloured text may be as light as its ground, so lightness alone does not show it.

use image::{DynamicImage, GrayImage};

use super::preprocess;

/// Larger pages are scans: they are looked at in grey, because three channels of them would fill the child's memory.
const MOST_COLOURED_PIXELS: u64 = 12_000_000;
/// Channels that differ by no more than this everywhere are one grey channel.
const GREY_TOLERANCE: u8 = 8;

/// One channel of a grey page, or red, green and blue.
#[derive(Clone)]
pub(crate) struct Planes(Vec<GrayImage>);

impl Planes {
    /// The channels of an image, over white where it is transparent.
    pub(crate) fn of(image: DynamicImage) -> Self {
        let pixels = u64::from(image.width()) * u64::from(image.height());
        if !image.color().has_color() || image.color().has_alpha() || pixels > MOST_COLOURED_PIXELS {
            return Self::grey(preprocess::grey(image));
        }
        let rgb = image.into_rgb8();
        let is_grey = |pixel: &[u8]| {
            let (low, high) = (pixel.iter().min(), pixel.iter().max());
            low.zip(high).is_none_or(|(low, high)| high - low <= GREY_TOLERANCE)
        };
        if rgb.as_raw().chunks_exact(3).all(is_grey) {
            return Self::grey(preprocess::grey(rgb.into()));
        }
        let channel = |index: usize| {
            let levels = rgb.as_raw().iter().skip(index).step_by(3).copied().collect();
            GrayImage::from_raw(rgb.width(), rgb.height(), levels).expect("a channel has one byte for each pixel")
        };
        Self((0..3).map(channel).collect())
    }

    /// A page of one channel.
    pub(crate) fn grey(page: GrayImage) -> Self {
        Self(vec![page])
    }

    /// Every channel, made into something else of one size.
    pub(super) fn map(&self, make: impl Fn(&GrayImage) -> GrayImage) -> Self {
        Self(self.0.iter().map(make).collect())
    }

    /// The channels.
    pub(super) fn channels(&self) -> &[GrayImage] {
        &self.0
    }

    /// Width and height, pixels.
    pub(super) fn dimensions(&self) -> (u32, u32) {
        self.0[0].dimensions()
    }

    /// How light each pixel is.
    pub(super) fn luma(&self) -> GrayImage {
        let [red, green, blue] = &self.0[..] else {
            return self.0[0].clone();
        };
        let levels = red.iter().zip(green.iter()).zip(blue.iter());
        let levels = levels
            .map(|((red, green), blue)| preprocess::luma(*red, *green, *blue))
            .collect();
        GrayImage::from_raw(red.width(), red.height(), levels).expect("the channels are of one size")
    }
}
