//! A pointer's shape: the pixels that it paints, and how well they fit at a place.

use super::super::geometry::{Point, Rect};
use super::super::screen::Grey;

/// Root mean square error at which a shape still fits, levels.
pub(super) const FITS: f32 = 30.0;
/// Least difference between a shape and what surrounds it, levels, and the share of its edge that shows it: a black
/// arrow fits into every black surface.
const EDGE: u8 = 24;
const EDGE_SHARE: f32 = 0.45;
/// Shares of the box that must agree when a shape is mirrored, for it to be a beam or a cross.
const SYMMETRIC: f32 = 0.72;

/// Dots after which a place is judged; places in a row that are tried at once, and dots that they are tried with. That
/// many squares of the usual limit fit into two bytes.
const CHUNK: usize = 8;
const LANES: usize = 16;
const FIRST_DOTS: usize = 24;

/// One painted pixel.
#[derive(Debug, Clone, Copy)]
struct Dot {
    x: i16,
    y: i16,
    level: u8,
}

/// What a pointer looks like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(super) width: i32,
    pub(super) height: i32,
    /// In an order that spreads over the shape, so that few of them tell most places that do not fit.
    dots: Vec<Dot>,
    /// Pixels just outside, with the level of the nearest painted one.
    edge: Vec<Dot>,
    /// The pixel that points.
    hot: (i32, i32),
}

impl Shape {
    /// From a mask and levels of `width` columns; `None` if too little is painted.
    pub(super) fn new(width: i32, height: i32, mask: &[bool], levels: &[u8]) -> Option<Self> {
        /// Fewer painted pixels fit by chance.
        const LEAST_DOTS: usize = 36;
        let at = |x: i32, y: i32| x >= 0 && y >= 0 && x < width && y < height && mask[(y * width + x) as usize];
        let painted = || {
            (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .filter(|(x, y)| at(*x, *y))
        };
        let mut dots: Vec<Dot> = painted()
            .map(|(x, y)| dot(x, y, levels[(y * width + x) as usize]))
            .collect();
        if dots.len() < LEAST_DOTS {
            return None;
        }
        let mut edge = Vec::new();
        for (y, x) in (-2..height + 2).flat_map(|y| (-2..width + 2).map(move |x| (y, x))) {
            if at(x, y) {
                continue;
            }
            let near = [(-1, 0), (1, 0), (0, -1), (0, 1), (-2, 0), (2, 0), (0, -2), (0, 2)];
            let nearest = near.iter().map(|(dx, dy)| (x + dx, y + dy)).find(|(x, y)| at(*x, *y));
            if let Some((nx, ny)) = nearest {
                edge.push(dot(x, y, levels[(ny * width + nx) as usize]));
            }
        }
        spread(&mut dots);
        let hot = hot_spot(width, height, &at);
        Some(Self {
            width,
            height,
            dots,
            edge,
            hot,
        })
    }

    /// The point that a shape at this place points at.
    pub(super) fn hot_at(&self, place: Point) -> Point {
        Point {
            x: place.x + self.hot.0,
            y: place.y + self.hot.1,
        }
    }

    pub(super) fn rect_at(&self, place: Point) -> Rect {
        Rect::new(place.x, place.y, self.width, self.height)
    }

    pub(super) fn dots(&self) -> usize {
        self.dots.len()
    }

    /// The best place in a part of a picture, and its error; `None` if nothing fits to `limit`.
    pub(super) fn find(&self, part: &Grey, limit: f32) -> Option<(Point, f32)> {
        self.find_all(part, limit).into_iter().next()
    }

    /// All places in a part of a picture that are not next to a better one, best first, with their errors.
    pub(super) fn find_all(&self, part: &Grey, limit: f32) -> Vec<(Point, f32)> {
        /// Places nearer than this are one place, pixels; and most places.
        const NEXT: i32 = 6;
        const MOST: usize = 3;
        let place = part.place;
        let mut found: Vec<(Point, f32)> = Vec::new();
        for y in place.y - 2..place.bottom() - self.height + 3 {
            let last = place.right() - self.width + 2;
            let mut x = place.x - 2;
            while x <= last {
                let hopeful = self.hopeful(part, Point { x, y }, limit);
                let tried = hopeful.map_or(1, |_| LANES as i32);
                for lane in (0..tried).filter(|lane| hopeful.is_none_or(|hopeful| hopeful[*lane as usize])) {
                    let place = Point { x: x + lane, y };
                    found.extend(self.error_at(part, place, limit).map(|error| (place, error)));
                }
                x += tried;
            }
        }
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut best: Vec<(Point, f32)> = Vec::new();
        for (place, error) in found {
            if best.iter().all(|(other, _)| other.reach(place) > NEXT) && self.stands_out(part, place) {
                best.push((place, error));
                if best.len() == MOST {
                    break;
                }
            }
        }
        best
    }

    /// Which of the next [`LANES`] places to the right the first dots do not rule out, by the very rule of
    /// [`Shape::error_at`]; `None` where one of them hangs over the edge of the part.
    fn hopeful(&self, part: &Grey, place: Point, limit: f32) -> Option<[bool; LANES]> {
        let (x, y) = (place.x - part.place.x, place.y - part.place.y);
        let right = x + LANES as i32 - 1 + self.width;
        if x < 0 || y < 0 || right > part.place.w || y + self.height > part.place.h || self.dots.len() < FIRST_DOTS {
            return None;
        }
        let width = part.place.w as usize;
        let start = y as usize * width + x as usize;
        let (mut sums, mut most) = ([0_u16; LANES], u16::MAX);
        let mut seen = 0;
        for dots in self.dots[..FIRST_DOTS].chunks_exact(CHUNK) {
            for dot in dots {
                let at = start + dot.y as usize * width + dot.x as usize;
                for (sum, level) in sums.iter_mut().zip(&part.levels[at..at + LANES]) {
                    let difference = u16::from(level.abs_diff(dot.level));
                    *sum = sum.saturating_add(difference * difference);
                }
            }
            seen += CHUNK as u32;
            // No sum is above what two bytes hold: then the place is left to be judged alone.
            most = most_error(limit * limit, seen) as u16;
            if sums.iter().all(|sum| *sum > most) {
                break;
            }
        }
        Some(sums.map(|sum| sum <= most))
    }

    /// Root mean square error at a place; `None` if it is above the limit.
    pub(super) fn error_at(&self, part: &Grey, place: Point, limit: f32) -> Option<f32> {
        let limit = limit * limit;
        let (mut sum, mut seen) = (0_u32, 0_u32);
        for dots in self.dots.chunks(CHUNK) {
            for dot in dots {
                // A pointer may hang over the edge of the screen: what is outside says nothing.
                if let Some(level) = part.at(place.x + i32::from(dot.x), place.y + i32::from(dot.y)) {
                    let difference = u32::from(level.abs_diff(dot.level));
                    sum += difference * difference;
                    seen += 1;
                }
            }
            if sum as f32 > most_error(limit, seen.max(1)) {
                return None;
            }
        }
        let error = sum as f32 / seen.max(1) as f32;
        (seen as usize * 2 >= self.dots.len() && error < limit).then(|| error.sqrt())
    }

    /// Whether the shape differs from what is around it.
    pub(super) fn stands_out(&self, part: &Grey, place: Point) -> bool {
        let (mut differ, mut seen) = (0, 0);
        for dot in &self.edge {
            if let Some(level) = part.at(place.x + i32::from(dot.x), place.y + i32::from(dot.y)) {
                seen += 1;
                differ += usize::from(level.abs_diff(dot.level) > EDGE);
            }
        }
        differ as f32 >= EDGE_SHARE * seen as f32
    }
}

/// The largest sum of squares of this many dots at which the rest may still make up for it: the fewer are seen, the more
/// they may err by chance.
fn most_error(square_limit: f32, seen: u32) -> f32 {
    let slack = 1.0 + 24.0 / seen as f32;
    square_limit * slack * seen as f32
}

fn dot(x: i32, y: i32, level: u8) -> Dot {
    Dot {
        x: x as i16,
        y: y as i16,
        level,
    }
}

/// Orders dots by a stride that has no factor in common with their number.
fn spread(dots: &mut Vec<Dot>) {
    let count = dots.len();
    let stride = [37, 41, 43, 47]
        .into_iter()
        .find(|stride| !count.is_multiple_of(*stride))
        .unwrap_or(1);
    *dots = (0..count).map(|index| dots[index * stride % count]).collect();
}

/// The middle of what is symmetric (a beam, a cross); else the middle of the topmost row: the tip of an arrow, the
/// finger of a hand.
fn hot_spot(width: i32, height: i32, at: &impl Fn(i32, i32) -> bool) -> (i32, i32) {
    let (mut painted, mut across, mut down) = (0_u32, 0_u32, 0_u32);
    for (y, x) in (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .filter(|(y, x)| at(*x, *y))
    {
        painted += 1;
        across += u32::from(at(width - 1 - x, y));
        down += u32::from(at(x, height - 1 - y));
    }
    let symmetric = |agree: u32| agree as f32 > SYMMETRIC * painted as f32;
    if symmetric(across) && symmetric(down) {
        return (width / 2, height / 2);
    }
    let top = (0..height).find(|y| (0..width).any(|x| at(x, *y))).unwrap_or(0);
    let row: Vec<i32> = (0..width).filter(|x| at(*x, top)).collect();
    (row.iter().sum::<i32>() / row.len().max(1) as i32, top + 1)
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::*;

    fn arrow() -> Shape {
        let page = Drawing::new(64, 64, 128);
        let place = Rect::new(20, 20, 16, 18);
        let (before, after) = (page.screen(), page.pointer(22, 20).screen());
        let levels = after.luma(place).levels;
        let mask: Vec<bool> = after
            .difference(&before, place)
            .levels
            .iter()
            .map(|level| *level > 40)
            .collect();
        Shape::new(16, 18, &mask, &levels).expect("an arrow has many pixels")
    }

    #[test]
    fn a_shape_is_found_where_it_was_drawn_and_points_with_its_tip() {
        let shape = arrow();
        let screen = Drawing::new(200, 150, 220).text(60, 66, 8, 3).pointer(90, 70).screen();
        let (place, error) = shape.find(&screen.luma(screen.bounds()), FITS).expect("it is there");
        assert!(error < 1.0);
        assert!(shape.hot_at(place).reach(Point { x: 90, y: 71 }) <= 1);
    }

    #[test]
    fn places_tried_at_once_are_those_tried_one_by_one() {
        let shape = arrow();
        let screen = Drawing::new(200, 150, 220)
            .text(20, 30, 14, 3)
            .rect(120, 60, 40, 50, 20)
            .pointer(90, 70)
            .screen();
        let part = screen.luma(screen.bounds());
        let mut tried = 0;
        for (x, y) in (0..150).flat_map(|y| (0..200).map(move |x| (x, y))) {
            let Some(hopeful) = shape.hopeful(&part, Point { x, y }, FITS) else {
                continue;
            };
            for (lane, hopeful) in (0..).zip(hopeful) {
                let fits = shape.error_at(&part, Point { x: x + lane, y }, FITS).is_some();
                assert!(hopeful || !fits, "{} {y}", x + lane);
                tried += usize::from(hopeful);
            }
        }
        assert!((1..4_000).contains(&tried), "{tried}");
    }

    #[test]
    fn text_and_dark_surfaces_are_no_pointer() {
        let shape = arrow();
        let screen = Drawing::new(200, 150, 240)
            .rect(100, 0, 100, 150, 0)
            .text(10, 60, 8, 3)
            .screen();
        assert!(shape.find(&screen.luma(screen.bounds()), FITS).is_none());
    }
}
