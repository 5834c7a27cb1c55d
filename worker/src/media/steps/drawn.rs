//! Screens drawn for tests.

use super::screen::{Planes, Screen};

/// A grey picture to draw on.
#[derive(Clone)]
pub(super) struct Drawing {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

impl Drawing {
    pub(super) fn new(width: usize, height: usize, ground: u8) -> Self {
        Self {
            width,
            height,
            luma: vec![ground; width * height],
        }
    }

    /// A filled box.
    pub(super) fn rect(mut self, x: i32, y: i32, w: i32, h: i32, level: u8) -> Self {
        for row in y.max(0)..(y + h).min(self.height as i32) {
            for column in x.max(0)..(x + w).min(self.width as i32) {
                self.luma[row as usize * self.width + column as usize] = level;
            }
        }
        self
    }

    /// Something like a line of text: strokes of different heights, the same for the same seed.
    pub(super) fn text(mut self, x: i32, y: i32, letters: i32, seed: i32) -> Self {
        for letter in 0..letters {
            let kind = (seed * 31 + letter * 17 + letter * letter * 7) % 5;
            let left = x + letter * 8;
            self = self
                .rect(left, y + kind % 3, 2, 12 - kind % 3, 30)
                .rect(left, y + 2 * kind, 6, 2, 30);
        }
        self
    }

    /// An arrow with a light edge, its tip at the point.
    pub(super) fn pointer(mut self, x: i32, y: i32) -> Self {
        for row in 0..18 {
            let reach = if row < 13 { row } else { 17 - row };
            self = self
                .rect(x - 1, y + row, reach + 3, 1, 255)
                .rect(x, y + row, reach, 1, 0);
        }
        self
    }

    /// A filled circle; nothing at all if its radius is 0.
    pub(super) fn disc(mut self, x: i32, y: i32, radius: i32, level: u8) -> Self {
        for row in -radius..radius {
            let reach = f64::from(radius * radius - row * row).sqrt() as i32;
            self = self.rect(x - reach, y + row, 2 * reach, 1, level);
        }
        self
    }

    /// The same with this share of its light, in hundredths.
    pub(super) fn dimmed(mut self, hundredths: u32) -> Self {
        for level in &mut self.luma {
            *level = (u32::from(*level) * hundredths / 100) as u8;
        }
        self
    }

    pub(super) fn screen(&self) -> Screen {
        self.after(None)
    }

    /// The screen as it comes after another one.
    pub(super) fn after(&self, before: Option<&Screen>) -> Screen {
        let half = vec![128; self.width.div_ceil(2) * self.height.div_ceil(2)];
        let stride = self.width.div_ceil(2);
        let planes = Planes {
            width: self.width,
            height: self.height,
            planes: [(&self.luma, self.width), (&half, stride), (&half, stride)],
        };
        Screen::of(&planes, before)
    }
}
