//! Sliding where no pointer is shown: a thumb goes along its track, picture by picture, and leaves nothing of itself
//! behind. Letters that are typed go along a line as well, but stay.

use zoetrope_shared::tasks::step_detection::StepType;

use super::super::changes::{CHANGED, Part};
use super::super::geometry::{Point, Rect};
use super::{Control, Draft, Label, Scene};

/// Sides of what a thumb changes in a picture, pixels: its height, and its width with the way that it went.
const HEIGHTS: std::ops::RangeInclusive<i32> = 10..=48;
const WIDEST: i32 = 200;
/// How far its middle may wander up and down, pixels.
const WANDER: i32 = 4;
/// Pictures that sliding takes at least, longest pause in it, ms, and the least way, pixels.
const LEAST_PICTURES: usize = 4;
const PAUSE_MS: u64 = 250;
const LEAST_WAY: i32 = 30;
/// Share of the thumb's pixels that are found where it went, and of the pictures in which they must be.
const SAME_THUMB: f32 = 0.85;
const SAME_PICTURES: f32 = 0.7;
/// Share of the pixels where it was that show something else afterwards.
const GONE: f32 = 0.3;

/// One part after the other in one row.
struct Run {
    start: usize,
    end: usize,
    parts: Vec<(usize, Rect)>,
}

/// Finds slides and marks their pictures; none where there is a pointer, which tells more.
pub(super) fn find(scene: &mut Scene<'_>) -> Vec<Draft> {
    if scene.track.exists() {
        return Vec::new();
    }
    let pause = scene.timeline.pictures_in(PAUSE_MS);
    let mut runs: Vec<Run> = Vec::new();
    for index in 1..scene.len() {
        let Some(rect) = thumb(&scene.content[index]).filter(|_| !scene.used[index]) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if index - run.end <= pause && run.goes_on_with(rect) => {
                run.end = index;
                run.parts.push((index, rect));
            }
            _ => runs.push(Run {
                start: index,
                end: index,
                parts: vec![(index, rect)],
            }),
        }
    }
    let drafts: Vec<Draft> = runs.iter().filter_map(|run| run.draft(scene)).collect();
    for draft in &drafts {
        scene.mark(draft.start.saturating_sub(1), draft.end + 1);
    }
    drafts
}

/// The only thing that changed, if it may be a thumb; beside it its value may change.
fn thumb(parts: &[Part]) -> Option<Rect> {
    const MOST: usize = 2;
    let mut thumbs = parts
        .iter()
        .map(|part| part.rect)
        .filter(|rect| HEIGHTS.contains(&rect.h) && rect.w <= WIDEST);
    (parts.len() <= MOST).then(|| thumbs.next()).flatten()
}

impl Run {
    fn goes_on_with(&self, rect: Rect) -> bool {
        self.parts.last().is_some_and(|(_, last)| {
            let in_row = (last.centre().y - rect.centre().y).abs() <= WANDER;
            in_row && last.common(rect).is_some()
        })
    }

    fn draft(&self, scene: &Scene<'_>) -> Option<Draft> {
        let ((_, first), (_, last)) = (self.parts.first()?, self.parts.last()?);
        let way = last.centre().x - first.centre().x;
        if self.parts.len() < LEAST_PICTURES || way.abs() < LEAST_WAY {
            return None;
        }
        // A thumb is about as wide as high, and stands at the end of what it changes; when it is taken up, more lights up.
        let middle = |of: fn(&Rect) -> i32| {
            let mut sides: Vec<i32> = self.parts.iter().map(|(_, rect)| of(rect)).collect();
            sides.sort_unstable();
            sides[sides.len() / 2]
        };
        let (side, y) = (middle(|rect| rect.h), middle(|rect| rect.y));
        let from = if way > 0 { first.x } else { first.right() - side };
        let place = Rect::new(from, y, side, side);
        let before = scene.timeline.screen(self.start - 1);
        let gone = scene.timeline.screen(self.end).difference(before, place);
        if gone.share_above(CHANGED) < GONE {
            return None;
        }
        let thumb = before.luma(place);
        let found = self.parts.iter().filter(|(index, rect)| {
            let x = if way > 0 { rect.right() - side } else { rect.x };
            [-2, -1, 0, 1, 2].iter().any(|off| {
                let now = scene.timeline.screen(*index).luma(Rect::new(x + off, y, side, side));
                let pairs = thumb.levels.iter().zip(&now.levels);
                let same = pairs.filter(|(a, b)| a.abs_diff(**b) <= 2 * CHANGED).count();
                same as f32 >= SAME_THUMB * thumb.levels.len().max(1) as f32
            })
        });
        if (found.count() as f32) < SAME_PICTURES * self.parts.len() as f32 {
            return None;
        }
        let Point { x, y } = place.centre();
        Some(Draft {
            step: StepType::Drag,
            detail: None,
            start: self.start,
            end: self.end,
            rect: place,
            label: Label::Control(Control {
                picture: self.start - 1,
                rect: place,
                point: Point { x, y },
                exact: false,
                holds_value: true,
            }),
            amount: None,
            across: false,
            surface: None,
            confidence: 0.5,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    fn found(pictures: &[Drawing]) -> Vec<(usize, usize, Rect)> {
        let mut timeline = Timeline::new(100);
        for (index, picture) in (0..).zip(pictures) {
            let screen = picture.after(timeline.last_screen());
            timeline.push(index * 100, screen);
        }
        let restless = Restless::of(&timeline);
        let (ripples, track) = (Ripples::of(&timeline, &restless), Track::default());
        let mut scene = Scene::new(&timeline, &restless, &ripples, &track);
        let drafts = find(&mut scene);
        drafts
            .iter()
            .map(|draft| (draft.start, draft.end, draft.rect))
            .collect()
    }

    #[test]
    fn a_thumb_that_goes_along_its_track_is_dragged_and_letters_are_not() {
        let page = Drawing::new(420, 280, 236);
        let slider = |at: i32| page.clone().rect(60, 128, 300, 4, 150).disc(at, 130, 10, 40);
        let mut slid = vec![slider(80); 4];
        let lit = page.clone().disc(100, 130, 13, 120).rect(60, 128, 300, 4, 150);
        slid.push(lit.disc(100, 130, 10, 40));
        slid.extend((2..=7).map(|part| slider(80 + 20 * part)));
        slid.extend(vec![slider(220); 4]);
        let told = found(&slid);
        assert_eq!(told.len(), 1, "{told:?}");
        let (start, end, rect) = told[0];
        assert_eq!((start, end), (4, 10));
        assert!(rect.holds(Point { x: 80, y: 130 }, 0) && rect.w <= 24, "{rect:?}");
        let mut typed = vec![page.clone(); 4];
        typed.extend((1..=9).map(|letters| page.clone().text(60, 120, letters, 3)));
        assert_eq!(found(&typed), []);
    }
}
