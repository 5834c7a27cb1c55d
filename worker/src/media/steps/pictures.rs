//! Screenshots of steps as JPEG, the target ringed. They leave as they came, in planes of lightness and colour: a screen
//! is never turned into red, green and blue and back.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::geometry::Rect;
use super::screen::Screen;

const QUALITY: u8 = 82;
/// Room between a target and its ring, and the ring's width, pixels.
const ROOM: i32 = 6;
const RING: i32 = 3;
/// An orange that neither light nor dark themes use for text, as lightness, blue and red difference: #ff6000.
const COLOUR: [u8; 3] = [133, 53, 215];

/// A screen as JPEG, with a ring around a box if one is given.
pub(super) fn jpeg(screen: &Screen, ring: Option<Rect>) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let ring = ring.map(|ring| ring.grown(ROOM));
    encoder
        .encode_image(Ringed { screen, ring })
        .expect("a screen's sides fit into a JPEG, and memory takes what is written");
    jpeg
}

struct Ringed<'a> {
    screen: &'a Screen,
    /// What the ring goes around.
    ring: Option<Rect>,
}

impl ImageBuffer for Ringed<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.screen.width() as u16
    }

    fn height(&self) -> u16 {
        self.screen.height() as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let starts = [0, 1, 2].map(|channel: usize| buffers[channel].len());
        self.screen.for_row(i32::from(y), |luma, cb, cr| {
            let [to_luma, to_cb, to_cr, _] = &mut *buffers;
            to_luma.extend(luma.iter().map(|level| LUMA[usize::from(*level)]));
            for (to, half) in [(to_cb, cb), (to_cr, cr)] {
                let doubled = half.iter().flat_map(|level| [COLOURS[usize::from(*level)]; 2]);
                to.extend(doubled.take(luma.len()));
            }
        });
        for x in self.ringed(i32::from(y)) {
            for (channel, level) in COLOUR.into_iter().enumerate() {
                buffers[channel][starts[channel] + x as usize] = level;
            }
        }
    }
}

impl Ringed<'_> {
    /// The pixels of a row that the ring covers.
    fn ringed(&self, y: i32) -> impl Iterator<Item = i32> {
        let (width, height) = (self.screen.width(), self.screen.height());
        let visible = self.ring.and_then(|ring| ring.grown(RING).within(width, height));
        let rows = self
            .ring
            .zip(visible)
            .filter(|(_, visible)| (visible.y..visible.bottom()).contains(&y));
        rows.into_iter().flat_map(move |(ring, visible)| {
            let is_ring = move |x: &i32| {
                let inside = *x >= ring.x && y >= ring.y && *x < ring.right() && y < ring.bottom();
                // Where the ring would lie outside the screen it is drawn on the edge.
                let at_edge = *x < RING || y < RING || *x >= width - RING || y >= height - RING;
                !inside || at_edge
            };
            (visible.x..visible.right()).filter(is_ring)
        })
    }
}

/// From ITU-R BT.601 in its limited range, which encoders of screens say or mean, to the full range of JPEG.
const LUMA: [u8; 256] = full_range(16, 219, 0);
const COLOURS: [u8; 256] = full_range(128, 224, 128);

const fn full_range(zero: i32, span: i32, offset: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut level = 0;
    while level < 256 {
        let above = (level - zero) * 255;
        let rounded = (above + if above < 0 { -span / 2 } else { span / 2 }) / span + offset;
        table[level as usize] = if rounded < 0 {
            0
        } else if rounded > 255 {
            255
        } else {
            rounded as u8
        };
        level += 1;
    }
    table
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

    #[test]
    fn a_screen_of_an_odd_size_keeps_it_and_a_ring_beside_it_is_drawn_at_its_edge() {
        let bytes = jpeg(
            &Drawing::new(323, 201, 235).screen(),
            Some(Rect::new(-40, -40, 600, 600)),
        );
        let picture = image::load_from_memory(&bytes).expect("a JPEG").into_rgb8();
        assert_eq!(picture.dimensions(), (323, 201));
        assert!(picture.get_pixel(1, 100)[2] < 120 && picture.get_pixel(160, 100)[2] > 240);
    }
}
