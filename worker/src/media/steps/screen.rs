//! A picture of the screen in tiles that it shares with the picture before: what does not change costs neither memory
//! nor comparison. A recording of a quiet screen is mostly one picture.

use std::sync::Arc;

use image::GrayImage;

use super::geometry::Rect;

/// Side of a tile, pixels.
pub(super) const TILE: usize = 32;
const HALF: usize = TILE / 2;

/// Pixels that differ by no more are the same: a codec goes on refining a picture that stands still.
const STILL: u8 = 2;

/// What one tile costs, bytes.
pub(super) const TILE_BYTES: usize = TILE * TILE + 2 * HALF * HALF;

struct Tile {
    luma: [u8; TILE * TILE],
    /// Blue and red difference at half the size.
    cb: [u8; HALF * HALF],
    cr: [u8; HALF * HALF],
}

/// A decoded picture in planar YUV 4:2:0.
pub(super) struct Planes<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Luma, then the two colour differences, each with the bytes of one of its rows.
    pub(super) planes: [(&'a [u8], usize); 3],
}

/// One picture.
#[derive(Clone)]
pub(super) struct Screen {
    width: i32,
    height: i32,
    columns: usize,
    tiles: Vec<Arc<Tile>>,
    /// Tiles that are not those of the picture before.
    fresh: usize,
}

impl Screen {
    /// Takes a picture over; tiles that are as good as those of `before` are shared with it. They are compared with what
    /// is kept and not with what came last, so that something that changes slowly is seen in time.
    pub(super) fn of(planes: &Planes<'_>, before: Option<&Self>) -> Self {
        let (columns, rows) = (planes.width.div_ceil(TILE), planes.height.div_ceil(TILE));
        let before =
            before.filter(|before| (before.width as usize, before.height as usize) == (planes.width, planes.height));
        let mut fresh = 0;
        let tiles = (0..rows * columns)
            .map(|index| {
                let place = (index % columns, index / columns);
                match before.map(|before| &before.tiles[index]) {
                    Some(old) if old.is_still(planes, place) => Arc::clone(old),
                    _ => {
                        fresh += 1;
                        Arc::new(Tile::cut(planes, place))
                    }
                }
            })
            .collect();
        Self {
            width: planes.width as i32,
            height: planes.height as i32,
            columns,
            tiles,
            fresh,
        }
    }

    /// The same picture once more, which costs nothing.
    pub(super) fn again(&self) -> Self {
        Self {
            fresh: 0,
            ..self.clone()
        }
    }

    pub(super) fn width(&self) -> i32 {
        self.width
    }

    pub(super) fn height(&self) -> i32 {
        self.height
    }

    /// The whole picture.
    pub(super) fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// Memory that this picture holds and the one before does not, bytes.
    pub(super) fn own_bytes(&self) -> usize {
        self.fresh * TILE_BYTES + self.tiles.len() * size_of::<usize>()
    }

    /// Luma of a pixel inside the picture.
    pub(super) fn luma_at(&self, x: i32, y: i32) -> u8 {
        let (x, y) = (x as usize, y as usize);
        self.tiles[(y / TILE) * self.columns + x / TILE].luma[(y % TILE) * TILE + x % TILE]
    }

    /// The luma of a part, clipped to the picture.
    pub(super) fn luma(&self, part: Rect) -> Grey {
        let part = part.within(self.width, self.height).unwrap_or(Rect::new(0, 0, 0, 0));
        let mut grey = Grey::black(part);
        for y in 0..part.h {
            let row = &mut grey.levels[(y * part.w) as usize..((y + 1) * part.w) as usize];
            let py = (part.y + y) as usize;
            let tiles = &self.tiles[(py / TILE) * self.columns..];
            let mut x = 0;
            while x < part.w {
                let px = (part.x + x) as usize;
                let run = (TILE - px % TILE).min((part.w - x) as usize);
                let start = (py % TILE) * TILE + px % TILE;
                row[x as usize..x as usize + run].copy_from_slice(&tiles[px / TILE].luma[start..start + run]);
                x += run as i32;
            }
        }
        grey
    }

    /// How much each pixel of a part differs from another picture of the same size, 0 to 255; clipped to the picture.
    pub(super) fn difference(&self, other: &Self, part: Rect) -> Grey {
        let part = part.within(self.width, self.height).unwrap_or(Rect::new(0, 0, 0, 0));
        let mut grey = Grey::black(part);
        for_tiles(part, |column, row, inside| {
            let index = row * self.columns + column;
            let (a, b) = (&self.tiles[index], &other.tiles[index]);
            if Arc::ptr_eq(a, b) {
                return;
            }
            for y in inside.y..inside.bottom() {
                let to = ((y - part.y) * part.w + inside.x - part.x) as usize;
                let out = &mut grey.levels[to..to + inside.w as usize];
                a.differences(b, inside.x as usize % TILE, y as usize % TILE, out);
            }
        });
        grey
    }

    /// Calls back for every tile that is not the other picture's, with its place and by how much each of its pixels
    /// differs, row by row, [`TILE`] in each.
    pub(super) fn for_changed_tiles(&self, other: &Self, mut each: impl FnMut(Rect, &[u8])) {
        let mut differences = [0; TILE * TILE];
        for (index, (a, b)) in self.tiles.iter().zip(&other.tiles).enumerate() {
            if Arc::ptr_eq(a, b) {
                continue;
            }
            for (y, row) in differences.chunks_exact_mut(TILE).enumerate() {
                a.differences(b, 0, y, row);
            }
            let (column, row) = (index % self.columns, index / self.columns);
            let place = Rect::new((column * TILE) as i32, (row * TILE) as i32, TILE as i32, TILE as i32);
            if let Some(place) = place.within(self.width, self.height) {
                each(place, &differences);
            }
        }
    }

    /// Calls back for every run of a row that lies in one tile, from left to right, with its luma and, at half the width,
    /// its blue and red differences.
    pub(super) fn for_row(&self, y: i32, mut each: impl FnMut(&[u8], &[u8], &[u8])) {
        let (row, y) = (y as usize / TILE, y as usize % TILE);
        let tiles = &self.tiles[row * self.columns..(row + 1) * self.columns];
        for (column, tile) in tiles.iter().enumerate() {
            let run = TILE.min(self.width as usize - column * TILE);
            let half = (y / 2) * HALF..(y / 2) * HALF + run.div_ceil(2);
            each(
                &tile.luma[y * TILE..y * TILE + run],
                &tile.cb[half.clone()],
                &tile.cr[half],
            );
        }
    }
}

fn for_tiles(part: Rect, mut each: impl FnMut(usize, usize, Rect)) {
    let side = TILE as i32;
    for row in part.y / side..(part.bottom() + side - 1) / side {
        for column in part.x / side..(part.right() + side - 1) / side {
            if let Some(inside) = Rect::new(column * side, row * side, side, side).common(part) {
                each(column as usize, row as usize, inside);
            }
        }
    }
}

impl Tile {
    fn cut(planes: &Planes<'_>, (column, row): (usize, usize)) -> Self {
        let mut tile = Self {
            luma: [0; TILE * TILE],
            cb: [128; HALF * HALF],
            cr: [128; HALF * HALF],
        };
        let (x, y) = (column * TILE, row * TILE);
        let [luma, cb, cr] = planes.planes;
        copy(luma, (x, y), (planes.width, planes.height), &mut tile.luma, TILE);
        let half = (planes.width.div_ceil(2), planes.height.div_ceil(2));
        copy(cb, (x / 2, y / 2), half, &mut tile.cb, HALF);
        copy(cr, (x / 2, y / 2), half, &mut tile.cr, HALF);
        tile
    }

    /// Whether a picture still shows the tile at its place.
    fn is_still(&self, planes: &Planes<'_>, (column, row): (usize, usize)) -> bool {
        let (x, y) = (column * TILE, row * TILE);
        let half = (planes.width.div_ceil(2), planes.height.div_ceil(2));
        let [luma, cb, cr] = planes.planes;
        is_like(luma, (x, y), (planes.width, planes.height), &self.luma, TILE)
            && is_like(cb, (x / 2, y / 2), half, &self.cb, HALF)
            && is_like(cr, (x / 2, y / 2), half, &self.cr, HALF)
    }

    /// One row of differences from column `x` on. Colour counts too: hovering and selecting often change the hue alone.
    fn differences(&self, other: &Self, x: usize, y: usize, out: &mut [u8]) {
        let row = y * TILE + x;
        let (a, b) = (&self.luma[row..row + out.len()], &other.luma[row..row + out.len()]);
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a.abs_diff(*b);
        }
        let half = (y / 2) * HALF..(y / 2 + 1) * HALF;
        let blue = self.cb[half.clone()].iter().zip(&other.cb[half.clone()]);
        let red = self.cr[half.clone()].iter().zip(&other.cr[half]);
        let mut colour = [0; HALF];
        for ((colour, (a, b)), (c, d)) in colour.iter_mut().zip(blue).zip(red) {
            let most = a.abs_diff(*b).max(c.abs_diff(*d));
            *colour = most.saturating_add(most / 2);
        }
        if colour == [0; HALF] {
            return;
        }
        let doubled: [u8; TILE] = std::array::from_fn(|x| colour[x / 2]);
        for (out, colour) in out.iter_mut().zip(&doubled[x..]) {
            *out = (*out).max(*colour);
        }
    }
}

/// Whether all of a tile's pixels that lie inside the plane differ by no more than a codec's noise.
fn is_like(
    (plane, stride): (&[u8], usize),
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    tile: &[u8],
    side: usize,
) -> bool {
    let run = side.min(width.saturating_sub(x));
    let mut rows = tile.chunks_exact(side).enumerate().take(height.saturating_sub(y));
    rows.all(|(row, tile)| {
        let start = (y + row) * stride + x;
        plane.get(start..start + run).is_none_or(|now| {
            let differences = now.iter().zip(tile).map(|(now, tile)| now.abs_diff(*tile));
            differences.fold(0, u8::max) <= STILL
        })
    })
}

fn copy(
    (plane, stride): (&[u8], usize),
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    to: &mut [u8],
    side: usize,
) {
    let run = side.min(width.saturating_sub(x));
    for (row, to) in to.chunks_exact_mut(side).enumerate().take(height.saturating_sub(y)) {
        let start = (y + row) * stride + x;
        if let Some(from) = plane.get(start..start + run) {
            to[..run].copy_from_slice(from);
        }
    }
}

/// Levels of a part of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grey {
    /// Where it was cut out.
    pub(super) place: Rect,
    pub(super) levels: Vec<u8>,
}

impl Grey {
    fn black(place: Rect) -> Self {
        Self {
            place,
            levels: vec![0; (place.w * place.h).max(0) as usize],
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.levels.chunks_exact(self.place.w.max(1) as usize)
    }

    /// The level of a pixel given in pixels of the whole picture; `None` outside the part.
    pub(super) fn at(&self, x: i32, y: i32) -> Option<u8> {
        let (x, y) = (x - self.place.x, y - self.place.y);
        let inside = x >= 0 && y >= 0 && x < self.place.w && y < self.place.h;
        inside.then(|| self.levels[(y * self.place.w + x) as usize])
    }

    /// Share of the levels above a limit; 0 for nothing.
    pub(super) fn share_above(&self, limit: u8) -> f32 {
        let above = self.levels.iter().filter(|level| **level > limit).count();
        above as f32 / self.levels.len().max(1) as f32
    }

    /// The smallest box, in pixels of the whole picture, around all levels above a limit.
    pub(super) fn box_above(&self, limit: u8) -> Option<Rect> {
        let (mut left, mut right, mut top, mut bottom) = (i32::MAX, -1, i32::MAX, -1);
        for (y, row) in (0..).zip(self.rows()) {
            let Some(first) = row.iter().position(|level| *level > limit) else {
                continue;
            };
            let last = row.iter().rposition(|level| *level > limit).unwrap_or(first);
            (left, right) = (left.min(first as i32), right.max(last as i32));
            (top, bottom) = (top.min(y), y);
        }
        (right >= 0).then(|| {
            Rect::new(
                self.place.x + left,
                self.place.y + top,
                right - left + 1,
                bottom - top + 1,
            )
        })
    }

    /// As an image.
    pub(super) fn into_image(self) -> Option<GrayImage> {
        GrayImage::from_raw(self.place.w as u32, self.place.h as u32, self.levels)
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawn::Drawing;
    use super::*;

    #[test]
    fn what_a_codec_refines_is_shared_and_what_changes_slowly_is_seen_in_time() {
        let page = |level: u8| Drawing::new(96, 64, 200).rect(8, 8, 60, 20, level);
        let first = page(100).screen();
        let refined = page(102).after(Some(&first));
        assert_eq!((refined.fresh, refined.luma_at(10, 10)), (0, 100));
        let slower = page(103).after(Some(&refined));
        assert_eq!((slower.fresh, slower.luma_at(10, 10)), (3, 103));
    }

    #[test]
    fn only_tiles_that_changed_are_told_and_colour_alone_is_a_change() {
        let (luma, half) = (vec![120; 96 * 64], vec![128; 48 * 32]);
        let mut blue = half.clone();
        blue[20 * 48 + 20] = 168;
        let screen = |cb: &[u8], before: Option<&Screen>| {
            let planes = Planes {
                width: 96,
                height: 64,
                planes: [(&luma, 96), (cb, 48), (&half, 48)],
            };
            Screen::of(&planes, before)
        };
        let before = screen(&half, None);
        let after = screen(&blue, Some(&before));
        let mut told = Vec::new();
        after.for_changed_tiles(&before, |place, levels| {
            let changed = levels.iter().filter(|level| **level > 0).count();
            told.push((place, changed, levels[8 * TILE + 8]));
        });
        assert_eq!(told, [(Rect::new(32, 32, 32, 32), 4, 60)]);
        let all = after.difference(&before, after.bounds());
        assert_eq!(
            (all.at(40, 40), all.at(41, 41), all.at(42, 40)),
            (Some(60), Some(60), Some(0))
        );
    }
}
