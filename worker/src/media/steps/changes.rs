//! Where a picture differs from the one before: blocks of 8 x 8 pixels, joined to parts.

use super::geometry::{Rect, union_of};
use super::screen::{Screen, TILE};

/// Side of a block, pixels.
pub(super) const BLOCK: i32 = 8;
/// A pixel has changed if it differs by more: what a codec does to a screen that stands still stays below it.
pub(super) const CHANGED: u8 = 22;
/// Changed pixels that make a block changed.
const LEAST_IN_BLOCK: u32 = 2;
/// Codec noise, carets and the edges of scroll bars are thinner or smaller than a part.
const LEAST_SIDE: i32 = 4;
const LEAST_PIXELS: u32 = 25;

/// Changed blocks that touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The smallest box around the changed pixels.
    pub(super) rect: Rect,
    /// How many they are.
    pub(super) pixels: u32,
}

impl Part {
    /// Whether it is more than noise or a blinking caret.
    pub(super) fn counts(self) -> bool {
        self.rect.w.min(self.rect.h) >= LEAST_SIDE && self.pixels >= LEAST_PIXELS
    }
}

/// What changed between two pictures.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    /// All parts, from top to bottom.
    pub(super) parts: Vec<Part>,
    /// Columns and rows of changed blocks.
    pub(super) blocks: Vec<(u16, u16)>,
    /// Share of the blocks that changed, 0 to 1.
    pub(super) share: f32,
}

impl Changes {
    /// Compares a picture with the one before.
    pub(super) fn between(before: &Screen, after: &Screen) -> Self {
        let (columns, rows) = grid(after);
        let mut found: Vec<Block> = Vec::new();
        after.for_changed_tiles(before, |tile, levels| {
            // Many tiles were only refined by the codec.
            if levels.iter().copied().fold(0, u8::max) <= CHANGED {
                return;
            }
            for y in (tile.y..tile.bottom()).step_by(BLOCK as usize) {
                for x in (tile.x..tile.right()).step_by(BLOCK as usize) {
                    let Some(block) = Rect::new(x, y, BLOCK, BLOCK).common(tile) else {
                        continue;
                    };
                    let rows = (block.y..block.bottom()).map(|y| {
                        let start = (y - tile.y) as usize * TILE + (block.x - tile.x) as usize;
                        &levels[start..start + block.w as usize]
                    });
                    found.extend(Block::of(block, rows));
                }
            }
        });
        Self {
            share: found.len() as f32 / (columns * rows) as f32,
            blocks: found
                .iter()
                .map(|block| (block.column as u16, block.row as u16))
                .collect(),
            parts: join(&found, columns, rows),
        }
    }
}

/// Columns and rows of blocks in a picture.
pub(super) fn grid(screen: &Screen) -> (i32, i32) {
    (
        (screen.width() + BLOCK - 1) / BLOCK,
        (screen.height() + BLOCK - 1) / BLOCK,
    )
}

struct Block {
    column: i32,
    row: i32,
    rect: Rect,
    pixels: u32,
}

impl Block {
    fn of<'a>(block: Rect, rows: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut pixels = 0;
        let (mut left, mut right, mut top, mut bottom) = (BLOCK, -1, BLOCK, -1);
        for (y, row) in (0..).zip(rows) {
            // Most blocks of a changed tile did not change: look before counting.
            if row.iter().copied().fold(0, u8::max) <= CHANGED {
                continue;
            }
            for (x, _) in (0..).zip(row).filter(|(_, level)| **level > CHANGED) {
                pixels += 1;
                (left, right) = (left.min(x), right.max(x));
            }
            (top, bottom) = (top.min(y), y);
        }
        (pixels >= LEAST_IN_BLOCK).then(|| Self {
            column: block.x / BLOCK,
            row: block.y / BLOCK,
            rect: Rect::new(block.x + left, block.y + top, right - left + 1, bottom - top + 1),
            pixels,
        })
    }
}

/// Joins blocks with at most one unchanged block between them, corners included.
fn join(blocks: &[Block], columns: i32, rows: i32) -> Vec<Part> {
    const NONE: u32 = u32::MAX;
    const REACH: i32 = 2;
    let mut at = vec![NONE; (columns * rows) as usize];
    for (index, block) in (0..).zip(blocks) {
        at[(block.row * columns + block.column) as usize] = index;
    }
    let mut seen = vec![false; blocks.len()];
    let mut parts = Vec::new();
    let mut stack = Vec::new();
    for first in 0..blocks.len() {
        if std::mem::replace(&mut seen[first], true) {
            continue;
        }
        stack.push(first);
        let mut members = Vec::new();
        while let Some(index) = stack.pop() {
            members.push(index);
            let Block { column, row, .. } = blocks[index];
            for y in (row - REACH).max(0)..(row + REACH + 1).min(rows) {
                for x in (column - REACH).max(0)..(column + REACH + 1).min(columns) {
                    let next = at[(y * columns + x) as usize];
                    if next != NONE && !std::mem::replace(&mut seen[next as usize], true) {
                        stack.push(next as usize);
                    }
                }
            }
        }
        if let Some(rect) = union_of(members.iter().map(|index| blocks[*index].rect)) {
            let pixels = members.iter().map(|index| blocks[*index].pixels).sum();
            parts.push(Part { rect, pixels });
        }
    }
    parts.sort_unstable_by_key(|part| (part.rect.y, part.rect.x));
    parts
}

#[cfg(test)]
mod tests {
    use super::super::drawn::Drawing;
    use super::*;

    #[test]
    fn what_stands_apart_is_two_parts_and_what_touches_is_one() {
        let before = Drawing::new(320, 200, 240);
        let after = before
            .clone()
            .rect(20, 20, 30, 10, 10)
            .rect(56, 20, 10, 10, 10)
            .rect(200, 100, 8, 20, 10);
        let changes = Changes::between(&before.screen(), &after.screen());
        let boxes: Vec<Rect> = changes.parts.iter().map(|part| part.rect).collect();
        assert_eq!(boxes, [Rect::new(20, 20, 46, 10), Rect::new(200, 100, 8, 20)]);
        assert_eq!(changes.parts[0].pixels, 400);
    }

    #[test]
    fn noise_of_a_codec_is_no_change_and_a_caret_does_not_count() {
        let before = Drawing::new(320, 200, 240);
        assert!(
            Changes::between(&before.screen(), &before.clone().rect(0, 0, 320, 200, 237).screen())
                .blocks
                .is_empty()
        );
        let caret = before.clone().rect(100, 50, 1, 18, 0);
        let changes = Changes::between(&before.screen(), &caret.screen());
        assert!(!changes.blocks.is_empty() && changes.parts.iter().all(|part| !part.counts()));
    }
}
