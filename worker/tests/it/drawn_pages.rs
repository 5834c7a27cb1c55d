//! Pages with a known truth, drawn from single words: every word and the box of its ink.

use image::{DynamicImage, GrayImage, ImageFormat, Luma, imageops};

use crate::pixels::{decoded, encoded};
use crate::vocabulary::fixture;

/// The words of `words.png`, a row of the sheet in each row.
const SHEET: [[&str; 8]; 6] = [
    [
        "Account", "Balance", "Invoice", "customer", "delivery", "20417", "1,048.50", "Settings",
    ],
    [
        "Download",
        "yesterday",
        "Overdue",
        "Search",
        "changes",
        "2026-04-17",
        "EUR",
        "Cancel",
    ],
    [
        "window",
        "between",
        "network",
        "service",
        "(draft)",
        "support@zoetrope.test",
        "37.5%",
        "README.md",
    ],
    [
        "language", "printing", "Monday", "holiday", "quarter", "08:45", "message", "Password",
    ],
    [
        "remember", "another", "through", "picture", "section", "4096", "KB", "Version",
    ],
    [
        "orange", "kitchen", "bridge", "February", "journey", "12/31", "total", "Continue",
    ],
];
const CELL: (u32, u32) = (176, 32);
/// Levels that count as a word's ink on the sheet.
const INK: u8 = 200;

/// A page and its words: text, and left, top, width and height of its ink.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) pixels: GrayImage,
    pub(crate) words: Vec<(String, [f32; 4])>,
}

/// A word cut out of the sheet: black on white.
pub(crate) struct Tile {
    pub(crate) text: &'static str,
    pub(crate) pixels: GrayImage,
}

/// How a word is drawn.
#[derive(Clone, Copy)]
struct Paint {
    text: u8,
    ground: u8,
}

const INK_ON_PAPER: Paint = Paint { text: 20, ground: 250 };

/// One page of every family.
pub(crate) fn pages() -> Vec<Page> {
    let prose = || prose(INK_ON_PAPER);
    vec![
        named("prose", prose()),
        named("dark", self::prose(Paint { text: 225, ground: 24 })),
        named("faint", self::prose(Paint { text: 150, ground: 205 })),
        named("buttons", buttons()),
        named("table", table()),
        named("half again as large", scaled(prose(), 1.5)),
        named("three times as large", scaled(prose(), 3.0)),
        named("noisy", noisy(prose())),
        named("jpeg", compressed(prose())),
        named("askew", askew(&prose(), 2.5)),
    ]
}

fn named(name: &'static str, page: Page) -> Page {
    Page { name, ..page }
}

pub(crate) fn tiles() -> Vec<Tile> {
    let sheet = decoded(&fixture("words.png")).into_luma8();
    let cells = (0..)
        .zip(SHEET)
        .flat_map(|(row, texts)| (0..).zip(texts).map(move |(column, text)| (row, column, text)));
    let tile = |(row, column, text)| {
        let cell = imageops::crop_imm(&sheet, column * CELL.0, row * CELL.1, CELL.0, CELL.1).to_image();
        let [x, y, width, height] = ink_box(&cell);
        let pixels = imageops::crop_imm(&cell, x, y, width, height).to_image();
        // Rows keep their feet: the sheet's words stand on one line, so what lies above a word is kept.
        let mut tall = GrayImage::from_pixel(width, height + y, Luma([255]));
        imageops::replace(&mut tall, &pixels, 0, i64::from(y));
        Tile { text, pixels: tall }
    };
    cells.map(tile).collect()
}

fn ink_box(image: &GrayImage) -> [u32; 4] {
    let dark = || image.enumerate_pixels().filter(|(_, _, level)| level[0] < INK);
    let (left, right) = (dark().map(|(x, ..)| x).min(), dark().map(|(x, ..)| x).max());
    let (top, bottom) = (dark().map(|(_, y, _)| y).min(), dark().map(|(_, y, _)| y).max());
    let [left, right, top, bottom] = [left, right, top, bottom].map(|side| side.expect("every cell has a word"));
    [left, top, right + 1 - left, bottom + 1 - top]
}

impl Page {
    fn empty(width: u32, height: u32, ground: u8) -> Self {
        Self {
            name: "",
            pixels: GrayImage::from_pixel(width, height, Luma([ground])),
            words: Vec::new(),
        }
    }

    fn draw(&mut self, tile: &Tile, x: u32, y: u32, paint: Paint) {
        let mix = |level: u8| {
            let share = f32::from(level) / 255.0;
            (f32::from(paint.text) * (1.0 - share) + f32::from(paint.ground) * share).round() as u8
        };
        for (dx, dy, level) in tile.pixels.enumerate_pixels() {
            self.pixels.put_pixel(x + dx, y + dy, Luma([mix(level[0])]));
        }
        let [left, top, width, height] = ink_box(&tile.pixels);
        let bbox = [x + left, y + top, width, height].map(|side| side as f32);
        self.words.push((tile.text.to_owned(), bbox));
    }

    fn fill(&mut self, [x, y, width, height]: [u32; 4], level: u8) {
        for column in x..x + width {
            for row in y..y + height {
                self.pixels.put_pixel(column, row, Luma([level]));
            }
        }
    }
}

fn prose(paint: Paint) -> Page {
    let mut page = Page::empty(560, 260, paint.ground);
    let (mut x, mut y) = (24, 12);
    for tile in tiles() {
        if x + tile.pixels.width() > 536 {
            (x, y) = (24, y + 24);
        }
        page.draw(&tile, x, y, paint);
        x += tile.pixels.width() + 6;
    }
    page
}

/// Dark and light words on grounds of several levels.
fn buttons() -> Page {
    let paints = [(250, 40), (30, 240), (255, 110), (10, 160)].map(|(text, ground)| Paint { text, ground });
    let mut page = Page::empty(900, 430, 228);
    for (index, tile) in (0_u32..).zip(tiles()) {
        let (x, y) = (16 + index % 5 * 176, 10 + index / 5 * 42);
        let paint = paints[index as usize % paints.len()];
        page.fill([x, y + 2, tile.pixels.width() + 28, 32], paint.ground);
        page.draw(&tile, x + 14, y + 2, paint);
    }
    page
}

/// Words in cells with rules around them.
fn table() -> Page {
    let mut page = Page::empty(720, 420, 255);
    for row in 0..=12 {
        page.fill([10, 10 + row * 32, 688, 1], 120);
    }
    for column in 0..=4 {
        page.fill([10 + column * 172, 10, 1, 385], 120);
    }
    for (index, tile) in (0_u32..).zip(tiles()) {
        page.draw(&tile, 18 + index % 4 * 172, 14 + index / 4 * 32, INK_ON_PAPER);
    }
    page
}

fn scaled(page: Page, factor: f32) -> Page {
    let side = |side: u32| (side as f32 * factor).round() as u32;
    let (width, height) = page.pixels.dimensions();
    let pixels = imageops::resize(
        &page.pixels,
        side(width),
        side(height),
        imageops::FilterType::CatmullRom,
    );
    let words = page
        .words
        .into_iter()
        .map(|(text, bbox)| (text, bbox.map(|side| side * factor)));
    Page {
        pixels,
        words: words.collect(),
        ..page
    }
}

/// Noise of a fixed seed, about twelve levels strong.
fn noisy(mut page: Page) -> Page {
    let mut state = 0x2545_f491_u32;
    for level in page.pixels.iter_mut() {
        let mut sum = 0;
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += i32::try_from(state >> 24).expect("eight bits") - 128;
        }
        *level = (i32::from(*level) + sum / 12).clamp(0, 255) as u8;
    }
    page
}

fn compressed(page: Page) -> Page {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 40);
    page.pixels.write_with_encoder(encoder).expect("a grey image is a JPEG");
    let pixels = decoded(&bytes).into_luma8();
    Page { pixels, ..page }
}

/// Turned clockwise about its middle.
fn askew(page: &Page, degrees: f32) -> Page {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = page.pixels.dimensions();
    let middle = (width as f32 / 2.0, height as f32 / 2.0);
    let turned = |x: f32, y: f32, sin: f32| {
        let (x, y) = (x - middle.0, y - middle.1);
        (x * cos - y * sin + middle.0, x * sin + y * cos + middle.1)
    };
    let pixels = GrayImage::from_fn(width, height, |x, y| {
        let (x, y) = turned(x as f32, y as f32, -sin);
        imageops::interpolate_bilinear(&page.pixels, x, y).unwrap_or(Luma([INK_ON_PAPER.ground]))
    });
    let words = page.words.iter().map(|(text, [x, y, width, height])| {
        let corners =
            [(*x, *y), (x + width, *y), (*x, y + height), (x + width, y + height)].map(|(x, y)| turned(x, y, sin));
        let low = corners
            .iter()
            .fold((f32::MAX, f32::MAX), |low, (x, y)| (low.0.min(*x), low.1.min(*y)));
        let high = corners
            .iter()
            .fold((0.0_f32, 0.0_f32), |high, (x, y)| (high.0.max(*x), high.1.max(*y)));
        (text.clone(), [low.0, low.1, high.0 - low.0, high.1 - low.1])
    });
    Page {
        name: page.name,
        pixels,
        words: words.collect(),
    }
}

/// The page as it is sent.
pub(crate) fn sent(page: &Page) -> Vec<u8> {
    encoded(&DynamicImage::ImageLuma8(page.pixels.clone()), ImageFormat::Png)
}
