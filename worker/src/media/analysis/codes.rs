//! QR codes and bar codes, by `rxing`, with boxes that cover the code rather than the points it was read along.

use image::GrayImage;
use image::imageops;
use rxing::{BarcodeFormat, DecodeHints, Point, RXingResult};
use zoetrope_shared::tasks::image_analysis::Code;

/// Larger images are halved until they fit: a code that is legible in print is legible at this size.
const MOST_PIXELS: u64 = 6_000_000;
/// Difference of grey levels under which a row or a column counts as quiet, as a share of the code's contrast.
const QUIET_SHARE: f32 = 0.3;
/// A QR code's points are the centres of its corner patterns, 3.5 modules from its edge: of the smallest code (21
/// modules) that is a quarter of the distance between two of them.
const QR_MARGIN_SHARE: f32 = 0.35;

/// Least height of a bar code as a share of its width. Bars are drawn tall so that a slanted reading crosses them all;
/// a row of text that happens to read as a short code is not: a line of a table was seen at 0.04.
const LEAST_BAR_HEIGHT: f32 = 0.06;

/// Every code that is found, in reading order.
pub(super) fn find(luma: &GrayImage) -> Vec<Code> {
    let (width, height) = luma.dimensions();
    let mut halvings = 0;
    while (u64::from(width) * u64::from(height)) >> (2 * halvings) > MOST_PIXELS {
        halvings += 1;
    }
    let smaller;
    let picture = if halvings == 0 {
        luma
    } else {
        smaller = imageops::thumbnail(luma, (width >> halvings).max(1), (height >> halvings).max(1));
        &smaller
    };
    let mut hints = DecodeHints {
        TryHarder: Some(true),
        AlsoInverted: Some(true),
        ..DecodeHints::default()
    };
    let found = rxing::helpers::detect_multiple_in_luma_with_hints(
        picture.as_raw().clone(),
        picture.width(),
        picture.height(),
        &mut hints,
    );
    // Its only error for a sound image is that nothing was found.
    let mut codes: Vec<Code> = Vec::new();
    for result in found.unwrap_or_default() {
        let bbox = bbox_of(&result, picture).map(|side| side << halvings);
        if is_read_along_a_row(*result.getBarcodeFormat()) && (bbox[3] as f32) < bbox[2] as f32 * LEAST_BAR_HEIGHT {
            continue;
        }
        let code = Code {
            format: format_name(*result.getBarcodeFormat()),
            text: result.getText().to_owned(),
            bbox,
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.sort_by_key(|code| (code.bbox[1], code.bbox[0]));
    codes
}

fn is_read_along_a_row(format: BarcodeFormat) -> bool {
    use BarcodeFormat::{AZTEC, DATA_MATRIX, MAXICODE, MICRO_QR_CODE, PDF_417, QR_CODE, RECTANGULAR_MICRO_QR_CODE};
    !matches!(
        format,
        AZTEC | DATA_MATRIX | MAXICODE | MICRO_QR_CODE | PDF_417 | QR_CODE | RECTANGULAR_MICRO_QR_CODE
    )
}

/// `QR_CODE` as the library writes it, in lower case.
fn format_name(format: BarcodeFormat) -> String {
    format!("{format:?}").to_lowercase()
}

fn bbox_of(result: &RXingResult, picture: &GrayImage) -> [u32; 4] {
    let points = result.getPoints();
    let around = Bounds::around(points, picture);
    let Some(contrast) = around.contrast(picture) else {
        return around.to_bbox();
    };
    let quiet = (f32::from(contrast) * QUIET_SHARE) as u8;
    let grown = match result.getBarcodeFormat() {
        BarcodeFormat::QR_CODE => {
            let most = ((around.right - around.left).max(around.bottom - around.top) as f32 * QR_MARGIN_SHARE) as u32;
            around
                .grow_up_and_down(picture, quiet, most)
                .grow_sideways(picture, quiet, most)
        }
        // The points of these are corners already.
        BarcodeFormat::AZTEC | BarcodeFormat::DATA_MATRIX | BarcodeFormat::PDF_417 | BarcodeFormat::MAXICODE => around,
        // A bar code is read along one row: its height is as far as the bars go.
        _ => {
            let most = around.right - around.left;
            around.grow_up_and_down(picture, quiet, most)
        }
    };
    grown.to_bbox()
}

/// Pixels from `left`, `top` to `right`, `bottom`, all inclusive.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Bounds {
    fn around(points: &[Point], picture: &GrayImage) -> Self {
        let within = |value: f32, side: u32| (value.max(0.0) as u32).min(side.saturating_sub(1));
        let xs = || points.iter().map(|point| within(point.x, picture.width()));
        let ys = || points.iter().map(|point| within(point.y, picture.height()));
        Self {
            left: xs().min().unwrap_or(0),
            top: ys().min().unwrap_or(0),
            right: xs().max().unwrap_or(0),
            bottom: ys().max().unwrap_or(0),
        }
    }

    fn to_bbox(self) -> [u32; 4] {
        [
            self.left,
            self.top,
            self.right - self.left + 1,
            self.bottom - self.top + 1,
        ]
    }

    fn row(self, picture: &GrayImage, y: u32) -> impl Iterator<Item = u8> {
        (self.left..=self.right).map(move |x| picture.get_pixel(x, y)[0])
    }

    fn column(self, picture: &GrayImage, x: u32) -> impl Iterator<Item = u8> {
        (self.top..=self.bottom).map(move |y| picture.get_pixel(x, y)[0])
    }

    /// Difference of grey levels along the middle row; `None` if there is none to go by.
    fn contrast(self, picture: &GrayImage) -> Option<u8> {
        Some(spread(self.row(picture, self.top.midpoint(self.bottom)))).filter(|contrast| *contrast > 0)
    }

    /// Takes rows in above and below until one is quiet.
    fn grow_up_and_down(mut self, picture: &GrayImage, quiet: u8, most: u32) -> Self {
        let (first, last) = (
            self.top.saturating_sub(most),
            (self.bottom + most).min(picture.height() - 1),
        );
        while self.top > first && spread(self.row(picture, self.top - 1)) > quiet {
            self.top -= 1;
        }
        while self.bottom < last && spread(self.row(picture, self.bottom + 1)) > quiet {
            self.bottom += 1;
        }
        self
    }

    /// Takes columns in on both sides until one is quiet.
    fn grow_sideways(mut self, picture: &GrayImage, quiet: u8, most: u32) -> Self {
        let (first, last) = (
            self.left.saturating_sub(most),
            (self.right + most).min(picture.width() - 1),
        );
        while self.left > first && spread(self.column(picture, self.left - 1)) > quiet {
            self.left -= 1;
        }
        while self.right < last && spread(self.column(picture, self.right + 1)) > quiet {
            self.right += 1;
        }
        self
    }
}

fn spread(levels: impl Iterator<Item = u8>) -> u8 {
    let (low, high) = levels.fold((u8::MAX, u8::MIN), |(low, high), level| {
        (low.min(level), high.max(level))
    });
    high.saturating_sub(low)
}

#[cfg(test)]
mod tests {
    use image::Luma;
    use rxing::{MultiFormatWriter, Writer};

    use super::*;

    /// A code of the library's own writer, placed on a larger picture with its quiet zone.
    fn drawn(format: BarcodeFormat, text: &str, size: (i32, i32), ink: u8, ground: u8) -> GrayImage {
        let matrix = MultiFormatWriter
            .encode(text, &format, size.0, size.1)
            .expect("the text fits the format");
        let mut picture = GrayImage::from_pixel(matrix.getWidth() + 120, matrix.getHeight() + 120, Luma([ground]));
        for y in 0..matrix.getHeight() {
            (0..matrix.getWidth())
                .filter(|x| matrix.get(*x, y))
                .for_each(|x| picture.put_pixel(x + 60, y + 60, Luma([ink])));
        }
        picture
    }

    /// The box of everything that is not ground.
    fn ink_box(picture: &GrayImage) -> [u32; 4] {
        let ground = picture.get_pixel(0, 0)[0];
        let ink: Vec<_> = picture
            .enumerate_pixels()
            .filter(|(_, _, level)| level[0] != ground)
            .collect();
        let points: Vec<Point> = ink
            .iter()
            .map(|(x, y, _)| Point {
                x: *x as f32,
                y: *y as f32,
            })
            .collect();
        Bounds::around(&points, picture).to_bbox()
    }

    fn assert_close(found: [u32; 4], expected: [u32; 4], slack: u32) {
        let near = found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= slack);
        assert!(near, "found {found:?}, expected {expected:?}");
    }

    #[test]
    fn each_format_is_read_and_boxed() {
        for (format, name, text, size, slack) in [
            (
                BarcodeFormat::QR_CODE,
                "qr_code",
                "https://example.com/a?b=1",
                (200, 200),
                4,
            ),
            (BarcodeFormat::CODE_128, "code_128", "ZOE-2026-001", (300, 80), 12),
            (BarcodeFormat::EAN_13, "ean_13", "4006381333931", (300, 80), 12),
        ] {
            let picture = drawn(format, text, size, 0, 255);
            let codes = find(&picture);
            assert_eq!(codes.len(), 1, "{name}: {codes:?}");
            assert_eq!((codes[0].format.as_str(), codes[0].text.as_str()), (name, text));
            assert_close(codes[0].bbox, ink_box(&picture), slack);
        }
    }

    #[test]
    fn a_light_code_on_a_dark_ground_is_read() {
        let codes = find(&drawn(BarcodeFormat::QR_CODE, "dark theme", (160, 160), 240, 25));
        assert_eq!(
            codes.iter().map(|code| code.text.as_str()).collect::<Vec<_>>(),
            ["dark theme"]
        );
    }

    #[test]
    fn a_picture_without_a_code_has_none() {
        assert_eq!(find(&GrayImage::from_pixel(300, 200, Luma([128]))), Vec::new());
        assert_eq!(find(&GrayImage::from_pixel(1, 1, Luma([0]))), Vec::new());
    }
}
