//! Scrolling is measured, not guessed: the rows of a part are those of the picture before, moved. A wheel moves what is
//! below the pointer, by a line at least and, however fast it turns, in more than one step.

use zoetrope_shared::tasks::step_detection::StepType;

use super::super::geometry::{Rect, union_of};
use super::shifts::{Along, Move, moved};
use super::{Draft, Label, Scene};

/// Least size of what scrolls, pixels.
const LEAST_SIDES: (i32, i32) = (120, 90);
/// Shares of the screen that can change by scrolling.
const SHARES: std::ops::Range<f32> = 0.012..0.97;
/// Pictures that a scroll takes of which none is sure.
const LIKELY_PICTURES: usize = 3;
/// Least way of a whole scroll, pixels, and how long it may pause, ms. What lies below something that grew a little moves
/// by less than a line.
const LEAST_SCROLL: i32 = 14;
const PAUSE_MS: u64 = 350;
/// Farthest that a wheel turns a page within one picture, pixels, where nothing moved before or after: more is a jump to
/// another place of the page. How far from what scrolls the pointer may be.
const FARTHEST_AT_ONCE: i32 = 150;
const BESIDE: i32 = 24;
/// How soon after a click what it does is seen, ms.
const CLICKED_MS: u64 = 300;

struct Run {
    start: usize,
    end: usize,
    moved: i32,
    along: Along,
    rect: Rect,
    pictures: usize,
    /// How many of them are sure.
    sure: usize,
}

/// Finds runs of scrolling and marks their pictures.
pub(super) fn find(scene: &mut Scene<'_>) -> Vec<Draft> {
    let pause = scene.timeline.pictures_in(PAUSE_MS);
    let mut runs: Vec<Run> = Vec::new();
    for index in 1..scene.len() {
        let Some((rect, step)) = shift(scene, index) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if index - run.end <= pause && run.goes_on_with(rect, step) => {
                run.end = index;
                run.moved += step.by;
                run.rect = run.rect.union(rect);
                run.pictures += 1;
                run.sure += usize::from(step.sure);
            }
            _ => runs.push(Run {
                start: index,
                end: index,
                moved: step.by,
                along: step.along,
                rect,
                pictures: 1,
                sure: usize::from(step.sure),
            }),
        }
    }
    runs.retain(|run| run.is_scroll(scene));
    for run in &runs {
        scene.mark(run.start.saturating_sub(1), run.end + 1);
    }
    runs.iter().map(Run::draft).collect()
}

impl Run {
    fn goes_on_with(&self, rect: Rect, step: Move) -> bool {
        self.along == step.along && self.moved.signum() == step.by.signum() && self.rect.common(rect).is_some()
    }

    fn is_scroll(&self, scene: &Scene<'_>) -> bool {
        let far = self.moved.abs() >= LEAST_SCROLL && (self.sure > 0 || self.pictures >= LIKELY_PICTURES);
        far && (self.pictures > 1 || self.is_wheeled(scene))
    }

    /// Whether one move alone can come from a wheel. A click moves what is below something that unfolds, at once, and
    /// nobody scrolls in the moment of a click.
    fn is_wheeled(&self, scene: &Scene<'_>) -> bool {
        let soon = scene.timeline.pictures_in(CLICKED_MS);
        let mut ripples = scene.ripples.iter();
        let clicked = ripples.any(|ripple| (ripple.at..=ripple.at + soon).contains(&self.start));
        let reached = match scene.pointer(self.start) {
            Some(pointer) => self.rect.holds(pointer, BESIDE),
            None => self.moved.abs() <= FARTHEST_AT_ONCE,
        };
        reached && !clicked
    }

    fn draft(&self) -> Draft {
        Draft {
            step: StepType::Scroll,
            detail: None,
            start: self.start,
            end: self.end,
            rect: self.rect,
            label: Label::None,
            amount: Some(self.moved),
            across: self.along == Along::Columns,
            surface: None,
            confidence: (0.5 + 0.1 * self.pictures as f32).min(0.98),
        }
    }
}

/// What moved into this picture, and how.
fn shift(scene: &Scene<'_>, index: usize) -> Option<(Rect, Move)> {
    let changes = scene.timeline.changes(index);
    if !SHARES.contains(&changes.share) {
        return None;
    }
    let mut candidates = candidates(scene, index).into_iter().flatten();
    candidates.find_map(|rect| {
        let (before, after) = (
            scene.timeline.screen(index - 1).luma(rect),
            scene.timeline.screen(index).luma(rect),
        );
        let moved = moved(&before, &after, Along::Rows).or_else(|| moved(&before, &after, Along::Columns));
        moved.map(|moved| (rect, moved))
    })
}

/// What may have scrolled: all that is large; or, where rows stand too far apart to be one part, all that is neither the
/// pointer nor restless. The larger one first: a part of a page may look like another one.
fn candidates(scene: &Scene<'_>, index: usize) -> [Option<Rect>; 2] {
    /// Parts that rows make at least.
    const ROWS: usize = 3;
    let large = |rect: &Rect| rect.w > LEAST_SIDES.0 && rect.h > LEAST_SIDES.1;
    let parts = scene.timeline.changes(index).parts.iter();
    let of_large = union_of(parts.map(|part| part.rect).filter(large));
    let rows = &scene.content[index];
    let of_rows = union_of(rows.iter().map(|part| part.rect)).filter(|rect| rows.len() >= ROWS && large(rect));
    let of_rows = of_rows.filter(|rect| of_large != Some(*rect));
    let area = |rect: Option<Rect>| rect.map_or(0, Rect::area);
    if area(of_rows) > area(of_large) {
        [of_rows, of_large]
    } else {
        [of_large, of_rows]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::geometry::Point;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    const SIZE: (usize, usize) = (480, 400);
    const WITHIN: Option<Point> = Some(Point { x: 240, y: 200 });

    /// A page of lines scrolled so far, below a head that stays.
    fn page(scrolled: i32) -> Drawing {
        let page = (0..60).fold(Drawing::new(SIZE.0, SIZE.1, 245), |page, line| {
            page.text(30 + line % 3 * 10, 60 + line * 26 - scrolled, 14 + line % 7 * 5, line)
        });
        page.rect(0, 0, 480, 56, 200).text(20, 20, 12, 77)
    }

    /// The same as a codec in a hurry draws it: with a shade beside some of its lines.
    fn smeared(scrolled: i32, index: i32) -> Drawing {
        let lines = (0..60).filter(|line| (line * 7 + index * 3) % 10 < 3);
        lines.fold(page(scrolled), |page, line| {
            let (x, y) = ((index * 97 + line * 53) % 440, 60 + line * 26 - scrolled);
            if y < 56 { page } else { page.rect(x, y, 18, 12, 220) }
        })
    }

    /// First and last picture and way of each scroll.
    fn told(pictures: &[Drawing], pointer: Option<Point>) -> Vec<(usize, usize, Option<i32>)> {
        let mut timeline = Timeline::new(100);
        let mut track = Track::default();
        for (index, picture) in (0..).zip(pictures) {
            timeline.push(index * 100, picture.after(timeline.last_screen()));
            track.at.push(pointer);
            track.covers.push(None);
            track.arrived.push(0);
        }
        let restless = Restless::of(&timeline);
        let ripples = Ripples::of(&timeline, &restless);
        let mut scene = Scene::new(&timeline, &restless, &ripples, &track);
        let drafts = find(&mut scene);
        let told = drafts.iter().map(|draft| (draft.start, draft.end, draft.amount));
        told.collect()
    }

    #[test]
    fn a_notch_of_the_wheel_scrolls_what_is_below_the_pointer() {
        let pictures = [page(0), page(0), page(100), page(100), page(100)];
        assert_eq!(told(&pictures, WITHIN), [(2, 2, Some(100))]);
        assert_eq!(told(&pictures, None), [(2, 2, Some(100))]);
    }

    #[test]
    fn a_page_that_jumps_far_from_the_pointer_or_too_far_at_once_was_not_scrolled() {
        let back = [page(260), page(260), page(0), page(0), page(0)];
        assert_eq!(told(&back, Some(Point { x: 240, y: 12 })), []);
        assert_eq!(told(&back, None), []);
    }

    #[test]
    fn rows_below_one_that_grew_by_a_few_pixels_did_not_scroll() {
        assert_eq!(told(&[page(0), page(0), page(4), page(4)], WITHIN), []);
    }

    #[test]
    fn rows_that_a_codec_smears_scroll_if_several_pictures_agree() {
        let pictures: Vec<Drawing> = (0..8).map(|index| smeared(40 * index.clamp(1, 6), index)).collect();
        assert_eq!(told(&pictures, WITHIN), [(2, 6, Some(200))]);
    }
}
