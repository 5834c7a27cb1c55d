//! Boxes and points, in pixels of the analysed picture.

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

impl Point {
    /// The larger of the distances across and down.
    pub(super) fn reach(self, other: Self) -> i32 {
        (self.x - other.x).abs().max((self.y - other.y).abs())
    }
}

/// A box: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl Rect {
    pub(super) const fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w, h }
    }

    /// A box of this size around a point.
    pub(super) const fn around(point: Point, w: i32, h: i32) -> Self {
        Self::new(point.x - w / 2, point.y - h / 2, w, h)
    }

    pub(super) const fn right(self) -> i32 {
        self.x + self.w
    }

    pub(super) const fn bottom(self) -> i32 {
        self.y + self.h
    }

    pub(super) const fn area(self) -> i32 {
        self.w * self.h
    }

    pub(super) const fn centre(self) -> Point {
        Point {
            x: self.x + self.w / 2,
            y: self.y + self.h / 2,
        }
    }

    /// Whether a point lies in the box or at most `margin` beside it.
    pub(super) fn holds(self, point: Point, margin: i32) -> bool {
        self.distance(point) <= margin
    }

    /// How far a point lies outside, across or down, whichever is more; 0 inside.
    pub(super) fn distance(self, point: Point) -> i32 {
        let across = (self.x - point.x).max(point.x - self.right() + 1).max(0);
        let down = (self.y - point.y).max(point.y - self.bottom() + 1).max(0);
        across.max(down)
    }

    pub(super) fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Self::new(
            x,
            y,
            self.right().max(other.right()) - x,
            self.bottom().max(other.bottom()) - y,
        )
    }

    /// The common part; `None` if there is none.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (w, h) = (
            self.right().min(other.right()) - x,
            self.bottom().min(other.bottom()) - y,
        );
        (w > 0 && h > 0).then_some(Self::new(x, y, w, h))
    }

    pub(super) const fn grown(self, by: i32) -> Self {
        Self::new(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)
    }

    /// The part inside a picture of this size; `None` if nothing is.
    pub(super) fn within(self, width: i32, height: i32) -> Option<Self> {
        self.common(Self::new(0, 0, width, height))
    }
}

/// The smallest box around all; `None` for none.
pub(super) fn union_of(boxes: impl IntoIterator<Item = Rect>) -> Option<Rect> {
    boxes.into_iter().reduce(Rect::union)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_nothing_inside_and_grows_outside() {
        let rect = Rect::new(10, 10, 20, 10);
        assert_eq!(rect.distance(Point { x: 29, y: 19 }), 0);
        assert_eq!(rect.distance(Point { x: 35, y: 12 }), 6);
        assert!(rect.holds(Point { x: 8, y: 9 }, 2) && !rect.holds(Point { x: 7, y: 9 }, 2));
    }

    #[test]
    fn boxes_that_only_touch_have_nothing_in_common() {
        let left = Rect::new(0, 0, 10, 10);
        assert_eq!(left.common(Rect::new(10, 0, 5, 5)), None);
        assert_eq!(left.common(Rect::new(8, 8, 5, 5)), Some(Rect::new(8, 8, 2, 2)));
        assert_eq!(left.union(Rect::new(20, 5, 2, 2)), Rect::new(0, 0, 22, 10));
    }
}
