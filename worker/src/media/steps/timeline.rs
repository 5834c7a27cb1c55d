//! The pictures of a stretch of the recording with what changed from each to the next, and which places change all the
//! time and mean nothing.

use super::changes::{BLOCK, Changes, Part, grid};
use super::geometry::Rect;
use super::screen::Screen;

/// Changes of more of the screen than this say nothing about single places.
const LOCAL_SHARE: f32 = 0.2;
/// A place is restless if it changes in this share of the seconds, and in no fewer of them than this.
const RESTLESS_SHARE: f32 = 0.4;
const LEAST_RESTLESS_SECONDS: u32 = 8;
/// A part is noise if more of it than this is restless.
const NOISE_SHARE: f32 = 0.5;
/// Noise is small: a whole page that changes all the time is a film, and its changes still count.
const LARGEST_NOISE: i32 = 60_000;

/// One picture and how it came about.
pub(super) struct Moment {
    /// Time in the recording, ms.
    pub(super) t_ms: u64,
    pub(super) screen: Screen,
    /// Against the picture before; empty for the first.
    pub(super) changes: Changes,
}

/// Pictures in order.
pub(super) struct Timeline {
    pub(super) moments: Vec<Moment>,
    /// Time between two pictures, ms.
    pub(super) pace_ms: u64,
    bytes: usize,
}

impl Timeline {
    pub(super) fn new(pace_ms: u64) -> Self {
        Self {
            moments: Vec::new(),
            pace_ms: pace_ms.max(1),
            bytes: 0,
        }
    }

    /// Adds the next picture.
    pub(super) fn push(&mut self, t_ms: u64, screen: Screen) {
        let changes = match self.moments.last() {
            Some(last) if last.screen.bounds() == screen.bounds() => Changes::between(&last.screen, &screen),
            _ => Changes::default(),
        };
        self.bytes += screen.own_bytes();
        self.moments.push(Moment { t_ms, screen, changes });
    }

    /// The newest picture.
    pub(super) fn last_screen(&self) -> Option<&Screen> {
        self.moments.last().map(|moment| &moment.screen)
    }

    /// Memory that the pictures hold, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the pictures before an index.
    pub(super) fn forget_before(&mut self, index: usize) {
        let gone = self.moments.drain(..index.min(self.moments.len()));
        let freed: usize = gone.map(|moment| moment.screen.own_bytes()).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        if let Some(first) = self.moments.first_mut() {
            first.changes = Changes::default();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }

    /// The picture at an index, or the nearest one.
    pub(super) fn screen(&self, index: usize) -> &Screen {
        &self.moments[index.min(self.moments.len() - 1)].screen
    }

    pub(super) fn changes(&self, index: usize) -> &Changes {
        &self.moments[index].changes
    }

    /// How many pictures a time takes, at least one.
    pub(super) fn pictures_in(&self, ms: u64) -> usize {
        (ms.div_ceil(self.pace_ms) as usize).max(1)
    }
}

/// Blocks that change all the time: clocks, spinners, films, blinking carets.
pub(super) struct Restless {
    columns: i32,
    rows: i32,
    blocks: Vec<bool>,
}

impl Restless {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let (columns, rows) = timeline.moments.first().map_or((0, 0), |moment| grid(&moment.screen));
        let mut seconds = vec![(u64::MAX, 0_u32); (columns * rows) as usize];
        for moment in timeline
            .moments
            .iter()
            .filter(|moment| moment.changes.share < LOCAL_SHARE)
        {
            let second = moment.t_ms / 1000;
            for (column, row) in &moment.changes.blocks {
                if let Some((last, count)) = seconds.get_mut((i32::from(*row) * columns + i32::from(*column)) as usize)
                    && *last != second
                {
                    (*last, *count) = (second, *count + 1);
                }
            }
        }
        let first = timeline.moments.first().map_or(0, |moment| moment.t_ms);
        let last = timeline.moments.last().map_or(0, |moment| moment.t_ms);
        let length = (last - first) as f32 / 1000.0;
        let least = LEAST_RESTLESS_SECONDS.max((length * RESTLESS_SHARE) as u32);
        let blocks = seconds.iter().map(|(_, count)| *count >= least).collect();
        Self { columns, rows, blocks }
    }

    /// Whether a part is only what changes there all the time.
    pub(super) fn is_noise(&self, part: &Part) -> bool {
        part.rect.area() <= LARGEST_NOISE && self.is_restless(part.rect)
    }

    /// Whether most of a box changes all the time.
    pub(super) fn is_restless(&self, rect: Rect) -> bool {
        self.share_of(rect) > NOISE_SHARE
    }

    fn share_of(&self, rect: Rect) -> f32 {
        let columns = rect.x / BLOCK..(rect.right() - 1) / BLOCK + 1;
        let rows = rect.y / BLOCK..((rect.bottom() - 1) / BLOCK + 1).min(self.rows);
        let (mut restless, mut all) = (0, 0);
        for row in rows {
            for column in columns.clone().take_while(|column| *column < self.columns) {
                all += 1;
                restless += u32::from(self.blocks[(row * self.columns + column) as usize]);
            }
        }
        restless as f32 / (all as f32).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawn::Drawing;
    use super::*;

    #[test]
    fn a_clock_is_noise_and_a_button_that_changes_once_is_not() {
        let mut timeline = Timeline::new(100);
        for index in 0..150_i32 {
            let page = Drawing::new(320, 200, 240).text(250, 10, 6, index / 10);
            let page = if index > 70 {
                page.rect(50, 100, 60, 20, 80)
            } else {
                page
            };
            let screen = page.after(timeline.last_screen());
            timeline.push(index as u64 * 100, screen);
        }
        let restless = Restless::of(&timeline);
        let ticks: Vec<&Part> = timeline.changes(60).parts.iter().collect();
        assert!(!ticks.is_empty() && ticks.iter().all(|part| restless.is_noise(part)));
        assert!(timeline.changes(71).parts.iter().any(|part| !restless.is_noise(part)));
    }

    #[test]
    fn pictures_that_do_not_change_cost_next_to_nothing() {
        let page = Drawing::new(640, 480, 240);
        let mut timeline = Timeline::new(100);
        for index in 0..100 {
            let screen = page.after(timeline.last_screen());
            timeline.push(index * 100, screen);
        }
        let one_picture = 640 * 480 * 3 / 2;
        assert!(timeline.bytes() < 2 * one_picture, "{}", timeline.bytes());
        timeline.forget_before(90);
        assert_eq!(timeline.len(), 10);
    }
}
