//! Screenshots of steps as JPEG, the target ringed.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::geometry::Rect;
use super::screen::Screen;

const QUALITY: u8 = 82;
/// Room between a target and its ring, and the ring's width, pixels.
const ROOM: i32 = 6;
const RING: i32 = 3;
/// An orange that neither light nor dark themes use for text.
const COLOUR: [u8; 3] = [255, 96, 0];

/// A screen as JPEG, with a ring around a box if one is given.
pub(super) fn jpeg(screen: &Screen, ring: Option<Rect>) -> Vec<u8> {
    let (width, height) = (screen.width(), screen.height());
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            pixels.extend_from_slice(&rgb(screen.yuv_at(x, y)));
        }
    }
    if let Some(ring) = ring {
        draw_ring(&mut pixels, width, height, ring.grown(ROOM));
    }
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    encoder
        .write_image(&pixels, width as u32, height as u32, ExtendedColorType::Rgb8)
        .expect("the picture has three bytes a pixel, and memory takes what is written");
    jpeg
}

fn draw_ring(pixels: &mut [u8], width: i32, height: i32, rect: Rect) {
    let outer = rect.grown(RING);
    let Some(visible) = outer.within(width, height) else {
        return;
    };
    for y in visible.y..visible.bottom() {
        for x in visible.x..visible.right() {
            let inside = x >= rect.x && y >= rect.y && x < rect.right() && y < rect.bottom();
            // Where the ring would lie outside the screen it is drawn on the edge.
            let at_edge = x < RING || y < RING || x >= width - RING || y >= height - RING;
            if !inside || at_edge {
                let at = ((y * width + x) * 3) as usize;
                pixels[at..at + 3].copy_from_slice(&COLOUR);
            }
        }
    }
}

/// ITU-R BT.601, limited range: what encoders of screens say or mean.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let y = 298 * (i32::from(y) - 16);
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let level = |value: i32| ((value + 128) >> 8).clamp(0, 255) as u8;
    [level(y + 409 * cr), level(y - 100 * cb - 208 * cr), level(y + 516 * cb)]
}

#[cfg(test)]
mod tests {
    use super::super::drawn::Drawing;
    use super::*;

    #[test]
    fn the_target_is_ringed_and_nothing_else_is_touched() {
        let bytes = jpeg(&Drawing::new(320, 200, 235).screen(), Some(Rect::new(100, 80, 60, 20)));
        let picture = image::load_from_memory(&bytes).expect("a JPEG").into_rgb8();
        let is_orange = |x, y| picture.get_pixel(x, y)[0] > 200 && picture.get_pixel(x, y)[2] < 90;
        assert!(is_orange(92, 90) && is_orange(130, 72));
        assert!(!is_orange(130, 90) && !is_orange(20, 20));
        assert!(picture.get_pixel(20, 20)[2] > 240);
    }
}
