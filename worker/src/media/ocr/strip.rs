//! One line of text as the engine likes it: dark on light whatever its theme, its contrast used up, at the height that
//! the engine was trained on, white around it; and the way of its words back to the page.

use fast_image_resize::FilterType;
use image::{GrayImage, Luma, imageops};
use zoetrope_shared::tasks::ocr::Word;

use super::area::Area;
use super::engine::RawWord;
use super::ink::Ink;
use super::pieces::Bounds;
use super::preprocess::{Picture, resized, spread};

/// By how much a line is scaled at most.
const SCALES: (f32, f32) = (0.3, 4.0);
/// White around a line, pixels: the engine reads text at the very edge badly.
const MARGIN: u32 = 10;
const DOTS_PER_INCH: i32 = 300;
/// Shares of a line's pixels that become black, and from where on they become white: most of a line is ground.
const BLACK_SHARE: f64 = 0.01;
const WHITE_SHARE: f64 = 0.8;
/// Deviation of what letters are smoothed by, pixels: as wide as half a thin stroke.
const SMOOTH: f32 = 0.7;

/// Where a line of text stands, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) bounds: Bounds,
    /// How often the page was halved that it was found on.
    pub(super) halvings: u32,
    /// Whether its text is lighter than its ground.
    pub(super) light: bool,
}

impl Place {
    /// Its box in pixels of the page.
    pub(super) fn on_page(&self) -> Bounds {
        self.bounds.map(|side| side << self.halvings)
    }
}

/// A line cut out of its page.
pub(super) struct Strip {
    area: Area,
    scale: f32,
    /// What the engine is given.
    pub(super) picture: Picture,
}

impl Strip {
    /// Cuts a line out and scales it so that its ink is `height` pixels high, smoothed or as it is; `None` beside the page.
    pub(super) fn cut(ink: &Ink, line: Place, height: f32, smooth: bool) -> Option<Self> {
        let [x, y, line_width, line_height] = line.bounds;
        let padding = (line_height / 5).max(2);
        let (left, top) = (x.saturating_sub(padding + 2), y.saturating_sub(padding));
        let around = [
            left,
            top,
            x + line_width + padding + 2 - left,
            y + line_height + padding - top,
        ];
        let area = Area::clipped(around, ink.size())?;
        let contrast = ink.contrast();
        let mut cut = area.cut(if line.light {
            &contrast.lighter
        } else {
            &contrast.darker
        });
        imageops::invert(&mut cut);
        spread(&mut cut, BLACK_SHARE, WHITE_SHARE);
        if smooth {
            cut = imageops::blur(&cut, SMOOTH);
        }
        let scale = (height / line_height as f32).clamp(SCALES.0, SCALES.1);
        let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let cut = resized(&cut, scaled(cut.width()), scaled(cut.height()), FilterType::CatmullRom);
        let mut pixels = GrayImage::from_pixel(cut.width() + 2 * MARGIN, cut.height() + 2 * MARGIN, Luma([255]));
        imageops::replace(&mut pixels, &cut, i64::from(MARGIN), i64::from(MARGIN));
        Some(Self {
            area,
            scale,
            picture: Picture {
                pixels,
                scale,
                dots_per_inch: DOTS_PER_INCH,
            },
        })
    }

    /// The engine's word in pixels of the page; `None` if it lies outside.
    pub(super) fn on_page(&self, word: RawWord, (width, height): (u32, u32)) -> Option<Word> {
        let [left, top, word_width, word_height] = word.bbox;
        let margin = MARGIN as f32;
        let x_at = |x: f32| (x - margin) / self.scale + self.area.x as f32;
        let y_at = |y: f32| (y - margin) / self.scale + self.area.y as f32;
        let x = x_at(left).round().max(0.0) as u32;
        let y = y_at(top).round().max(0.0) as u32;
        let right = (x_at(left + word_width).round() as u32).min(width);
        let bottom = (y_at(top + word_height).round() as u32).min(height);
        let bbox = [x, y, right.checked_sub(x)?, bottom.checked_sub(y)?];
        (bbox[2] > 0 && bbox[3] > 0).then_some(Word {
            text: word.text,
            bbox,
            confidence: word.confidence,
        })
    }
}
