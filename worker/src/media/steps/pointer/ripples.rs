//! Ripples: the discs and growing rings that many recorders draw around the pointer when a button is pressed. Nothing
//! else on a screen is round, keeps its middle while it changes, and is gone after half a second; so they tell for
//! certain when and where somebody clicked, and in a recording that has them, that nobody clicked elsewhere.

use super::super::changes::{CHANGED, Part};
use super::super::geometry::{Point, Rect};
use super::super::timeline::{Restless, Timeline};

/// Sides of a ripple, pixels, and how much they may differ.
const SIDES: std::ops::RangeInclusive<i32> = 10..=84;
const OVAL: i32 = 2;
const OVAL_OF_SIDE: i32 = 12;
/// How far its middle may wander, pixels.
const WANDER: i32 = 4;
/// Longest life of a ripple, ms, and the least of one that does not grow.
const LONGEST_MS: u64 = 700;
const SHORTEST_MS: u64 = 200;
/// Growth from one picture to a later one, pixels, that makes a ring.
const GROWTH: i32 = 8;
const HIDDEN_GROWTH: i32 = 5;
/// Share of its box that a disc fills when it comes and when it goes.
const FILLED: f32 = 0.5;
/// Ripples that show that the recorder draws them, and how alike they begin: sides in pixels, filled share.
const STYLE: usize = 2;
const LIKE_SIDE: i32 = 4;
const LIKE_FILLED: f32 = 0.15;
/// Ripples from which on a click without one is none.
const MARKING: usize = 3;

/// One ripple.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ripple {
    /// Indices of the first and last picture in which it changed.
    pub(crate) at: usize,
    pub(crate) end: usize,
    /// Where the pointer points.
    pub(crate) centre: Point,
    /// All that it ever covered.
    rect: Rect,
    /// Side and filled share of how it began.
    side: i32,
    filled: f32,
    /// How long it was there, ms; 0 if its end was not seen.
    lived_ms: u64,
}

/// All ripples of a stretch, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Ripples(Vec<Ripple>);

impl Ripples {
    /// Those that come and go by themselves; and those that only begin like them, because a page replaces the rest.
    pub(crate) fn of(timeline: &Timeline, restless: &Restless) -> Self {
        let mut found = Self::default();
        for index in 1..timeline.len() {
            for part in round(timeline, restless, index) {
                if !found.covers(index, part.rect) {
                    found.0.extend(whole(timeline, restless, index, part));
                }
            }
        }
        found.drop_places();
        if found.0.len() < STYLE {
            return Self::default();
        }
        let mut begun = Vec::new();
        for index in 1..timeline.len() {
            let parts = round(timeline, restless, index);
            begun.extend(parts.filter_map(|part| found.begun(timeline, index, part)));
        }
        found.0.extend(begun);
        found.0.sort_by_key(|ripple| ripple.at);
        found
    }

    /// Whether a part that changed in a picture is only a ripple.
    pub(crate) fn covers(&self, index: usize, rect: Rect) -> bool {
        self.0.iter().any(|ripple| {
            (ripple.at..=ripple.end).contains(&index) && ripple.rect.grown(3).union(rect) == ripple.rect.grown(3)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Ripple> {
        self.0.iter()
    }

    /// Whether the recorder draws one for every click.
    pub(crate) fn mark_clicks(&self) -> bool {
        self.0.len() >= MARKING
    }

    /// Whether it was there for so long that it was begun again: two presses at one place.
    pub(crate) fn is_double(&self, ripple: &Ripple) -> bool {
        let mut lives: Vec<u64> = self.0.iter().map(|other| other.lived_ms).filter(|ms| *ms > 0).collect();
        lives.sort_unstable();
        let usual = lives.get(lives.len() / 2).copied().unwrap_or(0);
        lives.len() >= MARKING && ripple.lived_ms * 2 >= usual * 3
    }

    /// What pulses at one place over and over is on the page.
    fn drop_places(&mut self) {
        const MOST_AT_A_PLACE: usize = 4;
        let places: Vec<Point> = self.0.iter().map(|ripple| ripple.centre).collect();
        let crowded = |centre: Point| places.iter().filter(|place| place.reach(centre) <= 2).count();
        self.0.retain(|ripple| {
            let here = crowded(ripple.centre);
            here <= MOST_AT_A_PLACE || here * 2 <= places.len()
        });
    }

    /// The ripple that a part begins, if it begins as the known ones do.
    fn begun(&self, timeline: &Timeline, index: usize, part: &Part) -> Option<Ripple> {
        let filled = filled(part);
        let like = |other: &&Ripple| {
            (other.side - part.rect.w.max(part.rect.h)).abs() <= LIKE_SIDE
                && (other.filled - filled).abs() <= LIKE_FILLED
        };
        if self.covers(index, part.rect) || self.0.iter().filter(like).count() < STYLE {
            return None;
        }
        // Its place was calm before: the pointer rests before it presses, and nothing else of a pointer's size changes.
        let near = part.rect.grown(6);
        let was_calm = |other: &Part| other.rect.common(near).is_none();
        let is_calm = |other: &Part| other.rect == part.rect || !is_pointer_sized(other.rect);
        let calm = timeline.changes(index - 1).parts.iter().all(was_calm)
            && timeline
                .changes(index)
                .parts
                .iter()
                .filter(|other| other.counts())
                .all(is_calm);
        let end = (index + timeline.pictures_in(LONGEST_MS)).min(timeline.len() - 1);
        let largest = self.0.iter().map(|ripple| ripple.rect.w).max().unwrap_or(part.rect.w);
        calm.then(|| Ripple {
            at: index,
            end,
            centre: part.rect.centre(),
            rect: Rect::around(part.rect.centre(), largest, largest),
            side: part.rect.w.max(part.rect.h),
            filled,
            lived_ms: 0,
        })
    }
}

/// The round parts of a picture.
fn round<'a>(timeline: &'a Timeline, restless: &'a Restless, index: usize) -> impl Iterator<Item = &'a Part> {
    /// More parts of a text are round by chance.
    const MOST: usize = 3;
    /// Two of one size are a halo around a pointer that left one place for the other, pixels.
    const ONE_SIZE: i32 = 3;
    let changes = timeline.changes(index);
    let shaped: Vec<Rect> = changes
        .parts
        .iter()
        .map(|part| part.rect)
        .filter(|rect| is_round(*rect))
        .collect();
    let alike = |a: &Rect, b: &Rect| a != b && (a.w - b.w).abs() <= ONE_SIZE && (a.h - b.h).abs() <= ONE_SIZE;
    let halo = shaped.iter().any(|a| shaped.iter().any(|b| alike(a, b)));
    let calm = shaped.len() <= MOST && !halo;
    let parts = changes.parts.iter().filter(move |_| calm);
    parts.filter(move |part| is_round(part.rect) && !restless.is_noise(part) && is_cornerless(timeline, index, part))
}

fn is_round(rect: Rect) -> bool {
    SIDES.contains(&rect.w)
        && SIDES.contains(&rect.h)
        && (rect.w - rect.h).abs() <= OVAL + rect.w.max(rect.h) / OVAL_OF_SIDE
}

/// Whether nothing changed in the corners of a part's box.
fn is_cornerless(timeline: &Timeline, index: usize, part: &Part) -> bool {
    let rect = part.rect;
    let side = (rect.w.min(rect.h) / 8).max(1);
    let difference = timeline.screen(index).difference(timeline.screen(index - 1), rect);
    let is_empty = |x: i32, y: i32| {
        let mut pixels = (y..y + side).flat_map(|y| (x..x + side).map(move |x| (x, y)));
        pixels.all(|(x, y)| difference.at(x, y).is_none_or(|level| level <= CHANGED))
    };
    let (right, bottom) = (rect.right() - side, rect.bottom() - side);
    let corners = [(rect.x, rect.y), (right, rect.y), (rect.x, bottom), (right, bottom)];
    corners.iter().filter(|(x, y)| is_empty(*x, *y)).count() >= 3
}

fn is_pointer_sized(rect: Rect) -> bool {
    (8..=44).contains(&rect.w) && (10..=50).contains(&rect.h)
}

fn filled(part: &Part) -> f32 {
    part.pixels as f32 / part.rect.area().max(1) as f32
}

/// The ripple that begins with a part, if it is seen to its end: a ring grows, a disc goes as it came.
fn whole(timeline: &Timeline, restless: &Restless, index: usize, part: &Part) -> Option<Ripple> {
    let centre = part.rect.centre();
    let last = (index + timeline.pictures_in(LONGEST_MS)).min(timeline.len() - 1);
    let (mut rect, mut end, mut pictures) = (part.rect, index, 1);
    let mut gone = 0.0;
    for later in index + 1..=last {
        let same = round(timeline, restless, later).find(|other| other.rect.centre().reach(centre) <= WANDER);
        if let Some(other) = same {
            rect = rect.union(other.rect);
            (end, gone) = (later, filled(other));
            pictures += 1;
        }
    }
    let at = pressed(timeline, index, centre);
    // Of one that was hidden when it began less is left to grow.
    let growth = if at < index { HIDDEN_GROWTH } else { GROWTH };
    let grew = rect.w - part.rect.w >= growth && pictures >= 2;
    let lived = timeline.moments[end].t_ms - timeline.moments[index].t_ms;
    let went = filled(part) >= FILLED && gone >= FILLED && lived >= SHORTEST_MS && {
        let now = timeline.screen(end).difference(timeline.screen(index - 1), part.rect);
        pictures >= 3 || now.share_above(CHANGED) < 0.1
    };
    (grew || went).then(|| Ripple {
        at,
        end,
        centre,
        rect,
        side: part.rect.w.max(part.rect.h),
        filled: filled(part),
        lived_ms: lived,
    })
}

/// When a ripple that is seen from a picture on really began: what it opened may have hidden how it did.
fn pressed(timeline: &Timeline, seen: usize, centre: Point) -> usize {
    const HIDDEN: usize = 2;
    const LARGE: i32 = 4_000;
    let hides = |index: &usize| {
        let mut parts = timeline.changes(*index).parts.iter();
        parts.any(|part| part.rect.area() >= LARGE && part.rect.holds(centre, 0))
    };
    let earliest = seen.saturating_sub(HIDDEN).max(1);
    (earliest..seen).rev().take_while(hides).last().unwrap_or(seen)
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::*;

    /// Pictures of a page with these circles, one after the other: middle, radius, level; 0 is none.
    fn recorded(circles: &[(i32, i32, i32)]) -> Ripples {
        let page = (0..8).fold(Drawing::new(420, 280, 236), |page, line| {
            page.text(20, 20 + line * 32, 22, line)
        });
        let mut timeline = Timeline::new(100);
        for (index, (x, y, radius)) in circles.iter().enumerate() {
            let drawn = page.clone().disc(*x, *y, *radius, 120);
            let screen = drawn.after(timeline.last_screen());
            timeline.push(index as u64 * 100, screen);
        }
        Ripples::of(&timeline, &Restless::of(&timeline))
    }

    fn ripple(x: i32, y: i32, radii: [i32; 5]) -> Vec<(i32, i32, i32)> {
        radii
            .iter()
            .map(|radius| (x, y, *radius))
            .chain([(0, 0, 0); 6])
            .collect()
    }

    #[test]
    fn what_grows_around_a_point_and_goes_again_tells_when_and_where_it_was_pressed() {
        let ripples = recorded(
            &[
                vec![(0, 0, 0); 4],
                ripple(100, 60, [7, 12, 17, 22, 25]),
                ripple(300, 200, [7, 12, 17, 22, 25]),
            ]
            .concat(),
        );
        let told: Vec<_> = ripples.iter().map(|ripple| (ripple.at, ripple.centre)).collect();
        assert_eq!(told, [(4, Point { x: 100, y: 60 }), (15, Point { x: 300, y: 200 })]);
        assert!(ripples.covers(6, Rect::new(90, 50, 20, 20)) && !ripples.covers(6, Rect::new(90, 50, 80, 20)));
        assert!(!ripples.mark_clicks());
    }

    #[test]
    fn one_that_a_page_replaces_is_known_by_how_the_others_begin_and_a_button_that_stays_is_none() {
        let mut circles = vec![(0, 0, 0); 4];
        circles.extend(ripple(100, 60, [16, 16, 16, 16, 0]));
        circles.extend(ripple(300, 200, [16, 16, 16, 16, 0]));
        circles.extend([(200, 100, 16); 12]);
        let ripples = recorded(&circles);
        assert_eq!(ripples.iter().map(|ripple| ripple.at).collect::<Vec<_>>(), [4, 15, 26]);
        assert!(ripples.mark_clicks());
        let still = recorded(&[vec![(0, 0, 0); 4], vec![(200, 100, 16); 12]].concat());
        assert_eq!(still.iter().count(), 0);
    }
}
