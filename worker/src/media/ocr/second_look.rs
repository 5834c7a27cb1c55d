//! What the engine overlooked: it finds text by the page, and misses words on buttons, in dark parts of light pages,
//! beside icons. Ink that no sure word covers is put together to lines here, and each line is read by itself: turned
//! to dark on light, its contrast used up, at the height that the engine was trained on.

use fast_image_resize::FilterType;
use image::{GrayImage, Luma, imageops};
use zoetrope_shared::tasks::ocr::{OcrLayout, Word};

use super::engine::{Engine, RawWord};
use super::ink::Ink;
use super::pieces::{self, Bounds};
use super::preprocess::{Picture, resized, spread};
use super::words::{Area, Words};
use crate::fault::Fault;

/// Words below this confidence are looked at again.
const SURE: f32 = 0.6;
/// Words below this confidence are not taken from a second look: there it invents more than it finds.
const BELIEVED: f32 = 0.5;
/// Most lines that are looked at again, widest first: each costs some ten milliseconds.
const MOST_LINES: usize = 80;
/// Height to which a line is scaled, pixels, and by how much at most.
const LINE_HEIGHT: f32 = 36.0;
const SCALES: (f32, f32) = (0.6, 4.0);
/// White around a line, pixels: the engine reads text at the very edge badly.
const MARGIN: u32 = 10;
const LINE_DOTS_PER_INCH: i32 = 300;
/// Shares of a line's pixels that become black, and from where on they become white: most of a line is ground.
const BLACK_SHARE: f64 = 0.01;
const WHITE_SHARE: f64 = 0.8;

/// Adds what a second look finds.
pub(super) fn add(engine: &Engine, page: &GrayImage, words: &mut Words) -> Result<(), Fault> {
    let mut ink = Ink::of(page);
    for word in words.iter().filter(|word| is_sure(word)) {
        let [x, y, width, height] = word.bbox;
        ink.erase([x.saturating_sub(1), y.saturating_sub(1), width + 2, height + 2]);
    }
    let mut lines = pieces::lines(&ink);
    lines.sort_unstable_by_key(|[.., width, _]| std::cmp::Reverse(*width));
    lines.truncate(MOST_LINES);
    for line in lines {
        let found = read_line(engine, page, &ink, line)?;
        words.add_line(found);
    }
    Ok(())
}

/// A column of letters one below the other is no word, however sure the engine is.
fn is_sure(word: &Word) -> bool {
    let [.., width, height] = word.bbox;
    let column = height > 2 * width && word.text.chars().count() > 1;
    word.confidence >= SURE && !column
}

pub(super) fn read_line(engine: &Engine, page: &GrayImage, ink: &Ink, line: Bounds) -> Result<Vec<Word>, Fault> {
    let [x, y, width, height] = line;
    let padding = (height / 5).max(2);
    let (left, top) = (x.saturating_sub(padding + 2), y.saturating_sub(padding));
    let around = [left, top, x + width + padding + 2 - left, y + height + padding - top];
    let (Some(area), Some(light)) = (Area::clipped(around, page.dimensions()), ink.is_light(page, line)) else {
        return Ok(Vec::new());
    };
    let mut cut = area.cut(page);
    if light {
        imageops::invert(&mut cut);
    }
    spread(&mut cut, BLACK_SHARE, WHITE_SHARE);
    let scale = (LINE_HEIGHT / height as f32).clamp(SCALES.0, SCALES.1);
    let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    let cut = resized(&cut, scaled(cut.width()), scaled(cut.height()), FilterType::CatmullRom);
    let mut pixels = GrayImage::from_pixel(cut.width() + 2 * MARGIN, cut.height() + 2 * MARGIN, Luma([255]));
    imageops::replace(&mut pixels, &cut, i64::from(MARGIN), i64::from(MARGIN));
    let picture = Picture {
        pixels,
        scale,
        dots_per_inch: LINE_DOTS_PER_INCH,
    };
    let found = engine.read(&picture, OcrLayout::SingleLine)?;
    let believed = found
        .into_iter()
        .filter(|word| word.confidence >= BELIEVED && word.text.chars().any(char::is_alphanumeric));
    let on_page = believed.map(|word| {
        let [x, y, width, height] = word.bbox;
        let margin = MARGIN as f32;
        let x = (x - margin) + area.x as f32 * scale;
        let y = (y - margin) + area.y as f32 * scale;
        RawWord {
            bbox: [x, y, width, height],
            ..word
        }
    });
    Ok(Words::new(on_page.collect(), scale, page.dimensions()).into_words())
}
