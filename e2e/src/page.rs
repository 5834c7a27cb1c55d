//! A page that takes long to read.

use std::io::Cursor;

use image::{DynamicImage, GenericImage, GrayImage, ImageFormat};

use crate::SCREENSHOT;

/// A page just below the limit of 50 megapixels: the screenshot over and over, which takes minutes to read. PNG.
pub fn huge_page() -> Vec<u8> {
    const SIDE: u32 = 7_000;
    let shot = image::load_from_memory(SCREENSHOT)
        .expect("the screenshot is a picture")
        .to_luma8();
    let mut page = GrayImage::new(SIDE, SIDE);
    for y in (0..SIDE - shot.height()).step_by(shot.height() as usize) {
        for x in (0..SIDE - shot.width()).step_by(shot.width() as usize) {
            page.copy_from(&shot, x, y).expect("the copy is inside of the page");
        }
    }
    let mut png = Cursor::new(Vec::new());
    DynamicImage::from(page)
        .write_to(&mut png, ImageFormat::Png)
        .expect("a picture can be written to memory");
    png.into_inner()
}
