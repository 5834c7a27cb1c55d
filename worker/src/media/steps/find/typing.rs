//! Typing: one line of text grows at its end, while the pointer rests.

use zoetrope_shared::tasks::step_detection::StepType;

use super::super::changes::Part;
use super::super::geometry::{Rect, union_of};
use super::{Draft, Label, Scene, control};

/// Letters of one picture: how high, and how wide.
const LETTER_HEIGHT: i32 = 40;
const LETTERS_WIDTH: i32 = 48;
/// Parts that may change with a letter: itself, the caret, a counter.
const MOST_PARTS: usize = 3;
/// How far the next letter may stand from the last one, pixels back and on; and how far up or down.
const BACK: i32 = 6;
const ON: i32 = 60;
const SAME_LINE: i32 = 14;
/// Longest pause between two letters, ms.
const PAUSE_MS: u64 = 450;
/// Longest pause within what was typed into one line, ms.
const LONG_PAUSE_MS: u64 = 1_500;
/// Pictures with a new letter that make typing, and how far they reach at least, pixels.
const LEAST_LETTERS: usize = 3;
const LEAST_GROWTH: i32 = 7;

struct Run {
    start: usize,
    end: usize,
    letters: Vec<Rect>,
}

/// Finds runs of typing and marks their pictures.
pub(super) fn find(scene: &mut Scene<'_>) -> Vec<Draft> {
    let pause = scene.timeline.pictures_in(PAUSE_MS);
    let mut runs: Vec<Run> = Vec::new();
    let mut open = false;
    for index in 1..scene.len() {
        let parts = scene.content[index].iter().map(|part| part.rect);
        let parts: Vec<Rect> = parts.filter(|rect| !scene.is_ripple(index, *rect)).collect();
        if scene.used[index] || scene.track.moved(index) || parts.is_empty() {
            continue;
        }
        let letter = parts.iter().copied().max_by_key(|rect| rect.right());
        let small = parts.len() <= MOST_PARTS && parts.iter().all(|rect| rect.h <= LETTER_HEIGHT);
        let Some(letter) = letter.filter(|letter| small && letter.w <= LETTERS_WIDTH) else {
            open &= parts.len() <= MOST_PARTS;
            continue;
        };
        match runs.last_mut() {
            Some(run) if open && index - run.end <= pause && run.goes_on_with(letter) => {
                run.end = index;
                run.letters.push(letter);
            }
            _ => runs.push(Run {
                start: index,
                end: index,
                letters: vec![letter],
            }),
        }
        open = true;
    }
    runs.retain(|run| run.is_typing());
    for run in &mut runs {
        run.begin(scene, pause);
    }
    join(&mut runs, scene.timeline.pictures_in(LONG_PAUSE_MS));
    for run in &runs {
        scene.mark(run.start, run.end);
    }
    runs.iter().map(|run| run.draft(scene)).collect()
}

/// Puts together what was typed into one line with a pause to think.
fn join(runs: &mut Vec<Run>, pause: usize) {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs.drain(..) {
        match joined.last_mut() {
            Some(last) if run.start - last.end <= pause && last.goes_on_with(run.letters[0]) => {
                last.end = run.end;
                last.letters.extend(run.letters);
            }
            _ => joined.push(run),
        }
    }
    *runs = joined;
}

impl Run {
    fn goes_on_with(&self, letter: Rect) -> bool {
        self.letters.last().is_some_and(|last| {
            let on = letter.x - last.x;
            // A codec may paint letters again that stand before the new one.
            let again = letter.x <= last.x && (0..=ON).contains(&(letter.right() - last.right()));
            (last.centre().y - letter.centre().y).abs() < SAME_LINE && ((-BACK..=ON).contains(&on) || again)
        })
    }

    fn is_typing(&self) -> bool {
        let (Some(first), Some(last)) = (self.letters.first(), self.letters.last()) else {
            return false;
        };
        let growth = last.x - first.x;
        let quick_pair = self.letters.len() == 2 && (5..=22).contains(&growth) && self.end - self.start <= 2;
        quick_pair || (self.letters.len() >= LEAST_LETTERS && growth >= LEAST_GROWTH)
    }

    /// Takes the first letters along for which a placeholder made room: there all of it changed.
    fn begin(&mut self, scene: &Scene<'_>, pause: usize) {
        const HIGHER: i32 = 8;
        let Some(first) = self.letters.first().copied() else {
            return;
        };
        let is_placeholder = |rect: &Rect| {
            // The edge of a field is higher than what is written in it.
            let in_line = (rect.centre().y - first.centre().y).abs() < SAME_LINE && rect.h <= first.h + HIGHER;
            in_line && rect.w > LETTERS_WIDTH && (0..=ON).contains(&(first.x - rect.x)) && rect.right() > first.right()
        };
        let earliest = self.start.saturating_sub(pause).max(1);
        let last = (earliest..self.start)
            .rev()
            .find(|index| !scene.content[*index].is_empty());
        let Some(index) = last.filter(|index| !scene.used[*index] && !scene.track.moved(*index)) else {
            return;
        };
        let parts = &scene.content[index];
        let placeholder = parts.iter().map(|part| part.rect).find(is_placeholder);
        if let Some(rect) = placeholder.filter(|_| parts.len() <= MOST_PARTS) {
            self.start = index;
            self.letters.insert(
                0,
                Rect {
                    w: LETTERS_WIDTH.min(first.right() - rect.x),
                    ..rect
                },
            );
        }
    }

    /// The picture that shows what was typed, if possible one in which the caret blinks: it touches the last letter.
    fn without_caret(&self, scene: &Scene<'_>, rect: Rect) -> usize {
        const BLINKS_MS: u64 = 1_200;
        const WIDEST: i32 = 3;
        let next = (self.end + 1).min(scene.len() - 1);
        let last = (next + scene.timeline.pictures_in(BLINKS_MS)).min(scene.len());
        let is_caret = |part: &Part| {
            let thin = part.rect.w <= WIDEST && part.rect.h * 4 >= rect.h;
            thin && rect.common(part.rect).is_some()
        };
        let changed = |index: &usize| {
            scene
                .timeline
                .changes(*index)
                .parts
                .iter()
                .any(|part| rect.common(part.rect).is_some())
        };
        let first = (next..last).find(changed);
        let blinks = first.filter(|index| scene.timeline.changes(*index).parts.iter().any(is_caret));
        blinks.unwrap_or(next)
    }

    fn draft(&self, scene: &Scene<'_>) -> Draft {
        let rect = union_of(self.letters.iter().copied())
            .unwrap_or(Rect::new(0, 0, 1, 1))
            .grown(4);
        Draft {
            step: StepType::Type,
            detail: None,
            start: self.start,
            end: self.end,
            rect,
            label: Label::Field {
                clean: control::clean_field(scene, self.start, rect),
                before: self.start.saturating_sub(2),
                after: self.without_caret(scene, rect),
                rect,
            },
            amount: None,
            across: false,
            surface: None,
            confidence: (0.4 + 0.06 * self.letters.len() as f32).min(0.98),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    /// A field with letters in it and a caret behind them.
    fn field(letters: i32, caret: bool) -> Drawing {
        let page = Drawing::new(420, 280, 240).text(60, 120, letters, 3);
        if caret {
            page.rect(60 + 8 * letters, 118, 1, 16, 30)
        } else {
            page
        }
    }

    #[test]
    fn typing_begins_where_the_placeholder_goes_and_is_read_while_the_caret_is_away() {
        let placeholder = Drawing::new(420, 280, 240).text(60, 120, 16, 5);
        let mut pictures = vec![placeholder; 4];
        pictures.extend((1..=5).map(|letters| field(letters, true)));
        pictures.extend([field(5, true), field(5, true), field(5, false), field(5, false)]);
        let mut timeline = Timeline::new(100);
        for (index, picture) in (0..).zip(&pictures) {
            timeline.push(index * 100, picture.after(timeline.last_screen()));
        }
        let restless = Restless::of(&timeline);
        let ripples = Ripples::of(&timeline, &restless);
        let mut track = Track::default();
        track.at.resize(pictures.len(), None);
        track.covers.resize(pictures.len(), None);
        track.arrived.resize(pictures.len(), 0);
        let drafts = find(&mut Scene::new(&timeline, &restless, &ripples, &track));
        let [draft] = &drafts[..] else {
            panic!("{drafts:?}");
        };
        assert_eq!((draft.start, draft.end), (4, 8));
        assert!((50..=60).contains(&draft.rect.x), "{draft:?}");
        assert!(matches!(draft.label, Label::Field { after: 11, .. }), "{draft:?}");
    }
}
