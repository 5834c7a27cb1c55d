//! Screenshots instead of a recording: each is shown for a moment, as if someone had recorded a slide show, and the
//! steps' times are told by the screenshots'.

use zoetrope_shared::media::IMAGE_TYPES;
use zoetrope_shared::tasks::step_detection::Step;
use zoetrope_worker::protocol_steps::Shot;

use super::film::scale_of;
use super::screen::{Planes, Screen};
use crate::decode::Document;
use crate::fault::Fault;

/// How often each screenshot is shown: long enough that nothing before or after it is part of the same change.
pub(super) const SHOWN: u64 = 12;
/// Pictures a second of the slide show.
pub(super) const FPS: f64 = 10.0;

/// Screenshots in order.
pub(super) struct Sequence<'a> {
    shots: &'a [Shot],
    /// Width and height of all of them, pixels.
    pub(super) size: (u32, u32),
    /// Pixels of a screenshot for each analysed pixel.
    pub(super) scale: u32,
}

impl<'a> Sequence<'a> {
    /// Begins a sequence; its first screenshot says how large all are.
    pub(super) fn open(shots: &'a [Shot]) -> Result<Self, Fault> {
        let first = shots
            .first()
            .ok_or_else(|| Fault::input_invalid("a sequence has screenshots"))?;
        let picture = load(first)?;
        let size = (picture.width(), picture.height());
        Ok(Self {
            shots,
            size,
            scale: scale_of(size),
        })
    }

    /// The screenshot at an index as a screen.
    pub(super) fn screen(&self, index: usize, before: Option<&Screen>) -> Result<Screen, Fault> {
        let picture = load(&self.shots[index])?;
        if (picture.width(), picture.height()) != self.size {
            return Err(Fault::media_invalid(format!(
                "screenshot {index} has {} x {} pixels, the first one {} x {}",
                picture.width(),
                picture.height(),
                self.size.0,
                self.size.1
            )));
        }
        let (width, height) = ((self.size.0 / self.scale) as usize, (self.size.1 / self.scale) as usize);
        let picture = if self.scale == 1 {
            picture
        } else {
            image::imageops::thumbnail(&picture, width as u32, height as u32)
        };
        let luma: Vec<u8> = picture.pixels().map(|pixel| yuv(pixel.0)[0]).collect();
        let half = (width.div_ceil(2), height.div_ceil(2));
        let colour = |channel: usize| -> Vec<u8> {
            let points = (0..half.1).flat_map(|y| (0..half.0).map(move |x| (2 * x as u32, 2 * y as u32)));
            points.map(|(x, y)| yuv(picture.get_pixel(x, y).0)[channel]).collect()
        };
        let (cb, cr) = (colour(1), colour(2));
        let planes = Planes {
            width,
            height,
            planes: [(&luma, width), (&cb, half.0), (&cr, half.0)],
        };
        Ok(Screen::of(&planes, before))
    }

    /// Moves the times of steps from the slide show to the screenshots: a step began at the one before it showed.
    pub(super) fn retime(&self, steps: &mut [Step]) {
        for step in steps {
            step.t_ms = self.time(step.t_ms, -1);
            step.end_ms = self.time(step.end_ms, 0).max(step.t_ms);
        }
    }

    fn time(&self, shown_ms: u64, offset: i64) -> u64 {
        let index = (shown_ms as f64 * FPS / 1000.0) as u64 / SHOWN;
        let index = (index as i64 + offset).clamp(0, self.shots.len() as i64 - 1);
        self.shots[index as usize].t_ms
    }
}

fn load(shot: &Shot) -> Result<image::RgbImage, Fault> {
    let bytes = std::fs::read(&shot.path)
        .map_err(|error| Fault::engine_failed(format!("the screenshot cannot be read: {error}")))?;
    Ok(Document::open(bytes, IMAGE_TYPES)?.decode(0)?.into_rgb8())
}

/// ITU-R BT.601, limited range, as recordings have it.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(i32::from);
    let level = |value: i32, offset: i32| (((value + 128) >> 8) + offset).clamp(0, 255) as u8;
    [
        level(66 * r + 129 * g + 25 * b, 16),
        level(-38 * r - 74 * g + 112 * b, 128),
        level(112 * r - 94 * g - 18 * b, 128),
    ]
}
