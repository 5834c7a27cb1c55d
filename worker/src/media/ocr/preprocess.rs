//! Pixels as Tesseract likes them: grey, dark text on light ground, letters tall enough, contrast used up.
//!
//! Tesseract was trained on scans of 300 dots per inch. A screenshot's letters are half as tall, and its theme may be
//! dark: both cost more words than anything else.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GrayImage};

/// Pictures up to this many pixels are taken for screenshots and doubled: a 2560x1440 screen has 3.7 million, an A4
/// page at 200 dots per inch 3.9 million.
const SCREEN_PIXELS: u64 = 3_800_000;
/// Frames up to this many pixels are doubled even where time is short: 640 x 480 and a little more.
const SMALL_FRAME_PIXELS: u64 = 320_000;
const SCREEN_SCALE: u32 = 2;
/// What a screen is nominally drawn at.
const SCREEN_DOTS_PER_INCH: i32 = 96;
/// What a larger page is taken for.
const PAGE_DOTS_PER_INCH: i32 = 200;
/// A ground darker than this has light text on it.
const DARK_BELOW: u8 = 128;
/// Share of the darkest and of the lightest pixels that may be cut off when contrast is stretched.
const CUT_SHARE: f64 = 0.005;
/// Grey levels between the darkest and the lightest that need no stretching.
const ENOUGH_CONTRAST: u8 = 170;
/// Grey levels that are never stretched to all: they are noise.
const LEAST_SPAN: u8 = 8;

/// What the engine is given.
pub(crate) struct Picture {
    pub(crate) pixels: GrayImage,
    /// Pixels of the picture per pixel of the image.
    pub(crate) scale: f32,
    pub(crate) dots_per_inch: i32,
}

/// Luma over white: text on a transparent ground was drawn to be seen on paper.
pub(crate) fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let luma = rgba
        .as_raw()
        .chunks_exact(4)
        .map(|pixel| over_white(pixel[0], pixel[1], pixel[2], pixel[3]))
        .collect();
    GrayImage::from_raw(width, height, luma).expect("there is one byte for each pixel")
}

/// Rec. 709 weights, as the `image` crate takes them for opaque images.
pub(super) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue)) / 10_000) as u8
}

fn over_white(red: u8, green: u8, blue: u8, alpha: u8) -> u8 {
    let luma = u32::from(luma(red, green, blue));
    let alpha = u32::from(alpha);
    ((luma * alpha + 255 * (255 - alpha)) / 255) as u8
}

/// The pixels as they are.
pub(crate) fn none(pixels: &GrayImage) -> Picture {
    Picture {
        pixels: pixels.clone(),
        scale: 1.0,
        dots_per_inch: SCREEN_DOTS_PER_INCH,
    }
}

/// What helps this image.
pub(crate) fn auto(pixels: &GrayImage) -> Picture {
    improved(pixels, SCREEN_PIXELS)
}

/// As [`auto`], but only frames too small to be read otherwise are enlarged: twice the side is four times the work.
pub(crate) fn quick(pixels: &GrayImage) -> Picture {
    improved(pixels, SMALL_FRAME_PIXELS)
}

/// Pictures of at most `enlarged` pixels are doubled.
fn improved(pixels: &GrayImage, enlarged: u64) -> Picture {
    let mut levels = histogram(pixels);
    let mut pixels = pixels.clone();
    if percentile(&levels, 0.5) < DARK_BELOW {
        image::imageops::invert(&mut pixels);
        levels.reverse();
    }
    stretch_faint(&mut pixels, &levels);
    if u64::from(pixels.width()) * u64::from(pixels.height()) <= enlarged {
        let (width, height) = (pixels.width() * SCREEN_SCALE, pixels.height() * SCREEN_SCALE);
        return Picture {
            pixels: resized(&pixels, width, height, FilterType::Lanczos3),
            scale: SCREEN_SCALE as f32,
            dots_per_inch: SCREEN_DOTS_PER_INCH * SCREEN_SCALE as i32,
        };
    }
    Picture {
        pixels,
        scale: 1.0,
        dots_per_inch: PAGE_DOTS_PER_INCH,
    }
}

/// The pixels at another size.
pub(super) fn resized(pixels: &GrayImage, width: u32, height: u32, filter: FilterType) -> GrayImage {
    let source = ImageRef::new(pixels.width(), pixels.height(), pixels.as_raw(), PixelType::U8)
        .expect("a grey image has one byte a pixel");
    let mut target = Image::new(width, height, PixelType::U8);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both images are grey and not empty");
    GrayImage::from_raw(width, height, target.into_vec()).expect("the buffer was made for this size")
}

/// The page at half its size.
pub(super) fn halved(page: &GrayImage) -> GrayImage {
    let (width, height) = (page.width() / 2, page.height() / 2);
    resized(page, width.max(1), height.max(1), FilterType::Box)
}

/// Spreads levels so that these shares of the pixels, counted from the darkest, become black and white.
pub(super) fn spread(pixels: &mut GrayImage, black: f64, white: f64) {
    let levels = histogram(pixels);
    stretch(pixels, percentile(&levels, black), percentile(&levels, white));
}

fn stretch_faint(pixels: &mut GrayImage, levels: &[u64; 256]) {
    let (low, high) = (percentile(levels, CUT_SHARE), percentile(levels, 1.0 - CUT_SHARE));
    if high.saturating_sub(low) < ENOUGH_CONTRAST {
        stretch(pixels, low, high);
    }
}

/// Makes `low` black and `high` white; nothing to do if that would only make noise.
fn stretch(pixels: &mut GrayImage, low: u8, high: u8) {
    if high.saturating_sub(low) < LEAST_SPAN {
        return;
    }
    let span = u32::from(high - low);
    let table: [u8; 256] = std::array::from_fn(|level| {
        let above = (level as u32).saturating_sub(u32::from(low)).min(span);
        (above * 255 / span) as u8
    });
    for level in pixels.iter_mut() {
        *level = table[usize::from(*level)];
    }
}

fn histogram(pixels: &GrayImage) -> [u64; 256] {
    let mut levels = [0; 256];
    for level in pixels.iter() {
        levels[usize::from(*level)] += 1;
    }
    levels
}

/// The level below or at which this share of the pixels lies.
fn percentile(levels: &[u64; 256], share: f64) -> u8 {
    let wanted = (levels.iter().sum::<u64>() as f64 * share).max(1.0);
    let mut seen = 0;
    for (level, count) in levels.iter().enumerate() {
        seen += count;
        if seen as f64 >= wanted {
            return level as u8;
        }
    }
    u8::MAX
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgba, RgbaImage};

    use super::*;

    #[test]
    fn a_dark_screen_becomes_a_light_one_of_twice_the_size() {
        let mut dark = GrayImage::from_pixel(100, 50, Luma([20]));
        dark.put_pixel(50, 25, Luma([250]));
        let picture = auto(&dark);
        assert_eq!((picture.pixels.dimensions(), picture.dots_per_inch), ((200, 100), 192));
        assert!(picture.pixels.get_pixel(0, 0)[0] > 200);
    }

    #[test]
    fn a_large_page_keeps_its_size_and_one_grey_level_is_left_alone() {
        let page = GrayImage::from_pixel(2480, 3508, Luma([240]));
        let picture = auto(&page);
        assert_eq!(picture.pixels.dimensions(), (2480, 3508));
        assert_eq!(picture.pixels.get_pixel(0, 0)[0], 240);
    }

    #[test]
    fn a_transparent_ground_is_white_paper() {
        let clear = RgbaImage::from_pixel(2, 1, Rgba([0, 0, 0, 0]));
        assert_eq!(grey(DynamicImage::ImageRgba8(clear)).as_raw(), &[255, 255]);
    }

    #[test]
    fn faint_text_is_spread_over_all_levels() {
        let mut faint = GrayImage::from_pixel(100, 100, Luma([200]));
        (0..100).for_each(|x| faint.put_pixel(x, 50, Luma([150])));
        let levels = histogram(&faint);
        stretch_faint(&mut faint, &levels);
        assert_eq!((faint.get_pixel(0, 0)[0], faint.get_pixel(0, 50)[0]), (255, 0));
    }
}
