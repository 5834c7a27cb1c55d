//! Boxes and captions on an image. Letters come from a font of eight by eight dots that is part of the program: no font
//! of the system's is needed, and none is read.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use zoetrope_shared::media::IMAGE_TYPES;
use zoetrope_worker::protocol_images::{AnnotateInput, DrawnBox, MAX_CAPTION_CHARS, MAX_DRAWN};

use crate::decode::Document;
use crate::fault::Fault;
use crate::picture::{self, QUALITY};

/// Colours of boxes; each is told from its neighbours by those who see fewer colours too.
const COLORS: [Rgb<u8>; 8] = [
    Rgb([255, 96, 0]),
    Rgb([0, 114, 178]),
    Rgb([0, 158, 115]),
    Rgb([213, 39, 140]),
    Rgb([240, 200, 40]),
    Rgb([86, 180, 233]),
    Rgb([140, 86, 75]),
    Rgb([148, 103, 189]),
];
/// Edge of a letter, dots.
const DOTS: u32 = 8;
/// The image's longest edge, pixels, for each pixel of a line's width.
const EDGE_A_LINE: u32 = 500;
/// The same for each pixel of a letter's dot.
const EDGE_A_DOT: u32 = 800;

/// Draws the boxes; the answer is a JPEG.
pub(crate) fn run(input: &AnnotateInput, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let mut image = picture::flat(Document::open(bytes, IMAGE_TYPES)?.decode(0)?);
    for drawn in input.boxes.iter().take(MAX_DRAWN) {
        draw(&mut image, drawn);
    }
    let mut jpeg = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&image);
    encoded.map_err(|error| Fault::engine_failed(format!("no JPEG can be made: {error}")))?;
    Ok(jpeg)
}

/// Draws one box with its caption.
pub(crate) fn draw(image: &mut RgbImage, drawn: &DrawnBox) {
    let longest = image.width().max(image.height());
    let (line, dot) = ((longest / EDGE_A_LINE).max(2), (longest / EDGE_A_DOT).max(1));
    let color = COLORS[drawn.color % COLORS.len()];
    let [x, y, width, height] = drawn.bbox;
    // Around the box and not in it, or the line would cover small letters; at the image's edge there is only inside.
    let (x, y, right, bottom) = (
        x.saturating_sub(line),
        y.saturating_sub(line),
        x.saturating_add(width).saturating_add(line).min(image.width()),
        y.saturating_add(height).saturating_add(line).min(image.height()),
    );
    fill(image, [x, y, right, y.saturating_add(line)], color);
    fill(image, [x, bottom.saturating_sub(line), right, bottom], color);
    fill(image, [x, y, x.saturating_add(line), bottom], color);
    fill(image, [right.saturating_sub(line), y, right, bottom], color);
    let letters: Vec<char> = drawn.caption.chars().take(MAX_CAPTION_CHARS).collect();
    if letters.is_empty() {
        return;
    }
    let plate = ((letters.len() as u32 * DOTS + 4) * dot, (DOTS + 4) * dot);
    // Above the box; where there is no room, inside of it. Never out of the image on the right.
    let left = x.min(image.width().saturating_sub(plate.0));
    let top = y.checked_sub(plate.1).unwrap_or(y);
    fill(image, [left, top, left + plate.0, top + plate.1], color);
    let ink = ink_on(color);
    for (at, letter) in letters.into_iter().enumerate() {
        let left = left + (at as u32 * DOTS + 2) * dot;
        write(image, letter, (left, top + 2 * dot), dot, ink);
    }
}

/// A letter; one that the font lacks is a question mark.
fn write(image: &mut RgbImage, letter: char, (left, top): (u32, u32), dot: u32, ink: Rgb<u8>) {
    let known = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter));
    let rows = known.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default();
    for (y, row) in (0..DOTS).zip(rows) {
        for x in (0..DOTS).filter(|x| row & (1 << x) != 0) {
            let (left, top) = (left + x * dot, top + y * dot);
            fill(image, [left, top, left + dot, top + dot], ink);
        }
    }
}

/// Fills `[left, top, right, bottom]`, as far as it lies in the image.
fn fill(image: &mut RgbImage, [left, top, right, bottom]: [u32; 4], color: Rgb<u8>) {
    let (right, bottom) = (right.min(image.width()), bottom.min(image.height()));
    for y in top..bottom {
        for x in left..right {
            image.put_pixel(x, y, color);
        }
    }
}

/// Black on light colours, white on dark ones.
fn ink_on(Rgb([red, green, blue]): Rgb<u8>) -> Rgb<u8> {
    let light = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    if light > 140_000 { Rgb([0; 3]) } else { Rgb([255; 3]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(boxes: &[DrawnBox]) -> RgbImage {
        let mut image = RgbImage::from_pixel(200, 120, Rgb([128; 3]));
        boxes.iter().for_each(|drawn| draw(&mut image, drawn));
        image
    }

    fn drawn(bbox: [u32; 4], caption: &str) -> DrawnBox {
        DrawnBox {
            bbox,
            caption: caption.to_owned(),
            color: 0,
        }
    }

    #[test]
    fn a_box_has_four_sides_around_it_and_nothing_in_it() {
        let image = with(&[drawn([40, 40, 60, 30], "")]);
        let is_line = |x, y| *image.get_pixel(x, y) == COLORS[0];
        assert!(is_line(38, 38) && is_line(101, 71) && is_line(39, 55) && is_line(100, 55) && is_line(70, 70));
        assert!(!is_line(40, 40) && !is_line(99, 69) && !is_line(37, 38) && !is_line(102, 71));
        let at_the_edge = with(&[drawn([0, 40, 200, 30], "")]);
        assert!(*at_the_edge.get_pixel(1, 55) == COLORS[0] && *at_the_edge.get_pixel(198, 55) == COLORS[0]);
    }

    #[test]
    fn a_caption_stands_above_its_box_and_within_the_image() {
        let ink = |image: &RgbImage, rows: std::ops::Range<u32>| {
            let ink = ink_on(COLORS[0]);
            let places = rows.flat_map(|y| (0..200).map(move |x| (x, y)));
            places.filter(|(x, y)| *image.get_pixel(*x, *y) == ink).count()
        };
        let above = with(&[drawn([40, 40, 60, 30], "cat 91%")]);
        assert!(ink(&above, 26..38) > 40 && ink(&above, 38..120) == 0);
        let inside = with(&[drawn([150, 0, 50, 60], "a caption of many letters")]);
        assert!(ink(&inside, 0..12) > 150, "it is drawn from the left edge on");
        assert!(
            ink(&with(&[drawn([40, 40, 60, 30], "\u{732b}")]), 26..38) > 5,
            "a letter that is unknown"
        );
    }

    #[test]
    fn boxes_outside_of_the_image_are_harmless() {
        let far = [u32::MAX - 1, u32::MAX - 1, 5, 5];
        for bbox in [[190, 110, 900, 900], [500, 500, 10, 10], [0, 0, 0, 0], far] {
            with(&[drawn(bbox, "x")]);
        }
    }
}
