//! Clicks, and what they open, close and lead to. A click is a change that begins while the pointer rests; what changes
//! as the pointer comes or goes is hovering.

use std::ops::Range;

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

use super::super::geometry::{Point, Rect};
use super::bursts::{self, Burst};
use super::passing::{is_going, is_hovered, is_passing};
use super::surfaces::{self, Around, Effect, Surface};
use super::{Control, Draft, Label, Scene, control};

/// What can be open at once; more is a mistake, and each holds a picture.
const MOST_OPEN: usize = 6;
/// How near the pointer something must change for a click to be certain, pixels.
const NEAR: i32 = 60;
/// Height of a row whose far end may change when it is clicked, and how far that may be, pixels.
const ROW: i32 = 56;
const FAR_IN_ROW: i32 = 520;
/// Time after a click in which the rest of its effect comes, ms.
const SAME_MS: u64 = 700;
/// Time after typing in which what happens is taken for the Enter key, ms, unless something was pressed.
const ENTER_MS: u64 = 1_200;
/// What is taken for the control where nothing tells its size.
const POINTED: (i32, i32) = (40, 20);
/// Without a pointer the place is a guess.
const UNSEEN: f32 = 0.6;

/// Finds clicks and effects.
pub(super) fn find(scene: &Scene<'_>, range: Range<usize>, open: &mut Vec<Surface>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for burst in bursts::of(scene)
        .into_iter()
        .filter(|burst| range.contains(&burst.start))
    {
        let now_ms = scene.timeline.moments[burst.start].t_ms;
        open.retain(|surface| !surface.is_forgotten(now_ms));
        let around = Around::of(scene, &burst);
        let effects = surfaces::effects(scene, &burst, &around, open);
        let found = click(scene, &burst, &effects, (&drafts, open), &around);
        let control = found.as_ref().and_then(|click| match click.label {
            Label::Control(control) => Some(control),
            _ => None,
        });
        let summoned = found.as_ref().and_then(|click| match (click.step, control) {
            (StepType::RightClick, Some(control)) => Some(control.point),
            _ => None,
        });
        if let Some(click) = found.filter(|click| burst.ripple.is_some() || !is_same(scene, &drafts, click)) {
            drafts.push(click);
        }
        for effect in effects {
            let label = match effect {
                Effect::Close(index) => Label::Opened {
                    surface: open[index].number,
                },
                _ => surfaces::label(effect, &burst, scene.len()),
            };
            let (step, detail, rect, surface) = match effect {
                Effect::Open(rect, detail) => {
                    let t_ms = scene.timeline.moments[burst.start].t_ms;
                    let hangs = control.is_some_and(|control| control.holds_value);
                    let detail = if hangs { StepDetail::Dropdown } else { detail };
                    // A field is not much narrower than its list; the name of a menu is.
                    let is_loose = control.is_none_or(|control| !control.exact || control.rect.w * 2 >= rect.w);
                    let mut surface = Surface::new(t_ms, rect, detail, is_loose, &around);
                    surface.summoned = summoned;
                    open.push(surface);
                    if open.len() > MOST_OPEN {
                        open.remove(0);
                    }
                    (StepType::Open, Some(detail), rect, Some(t_ms))
                }
                Effect::Close(index) => {
                    let surface = open.remove(index);
                    (
                        StepType::Close,
                        Some(surface.detail),
                        surface.rect,
                        Some(surface.number),
                    )
                }
                Effect::Navigate(rect) => {
                    open.clear();
                    (StepType::Navigate, None, rect, None)
                }
            };
            drafts.push(Draft {
                step,
                detail,
                start: burst.end.min(burst.start + 1),
                end: burst.end,
                rect,
                label,
                amount: None,
                across: false,
                surface,
                confidence: 0.8,
            });
        }
    }
    drafts
}

/// Whether a click is only more of what the last one did: nobody has moved since, and it is too soon for another.
fn is_same(scene: &Scene<'_>, drafts: &[Draft], click: &Draft) -> bool {
    let last = drafts.iter().rev().find(|draft| draft.step.is_action());
    last.is_some_and(|last| {
        let still = scene
            .pointer(last.start)
            .zip(scene.pointer(click.start))
            .is_none_or(|(a, b)| a.reach(b) <= 4);
        still && click.start - last.start <= scene.timeline.pictures_in(SAME_MS)
    })
}

/// The click that began a burst, if it was one.
fn click(
    scene: &Scene<'_>,
    burst: &Burst,
    effects: &[Effect],
    (told, open): (&[Draft], &[Surface]),
    around: &Around<'_>,
) -> Option<Draft> {
    let start = burst.start;
    let pressed = burst.ripple.map(|ripple| ripple.centre);
    let Some(pointer) = pressed.or_else(|| scene.pointer(start)) else {
        let came_by_itself = effects.is_empty() && (is_passing(scene, burst) || is_going(scene, burst, told));
        let clicked = !scene.track.exists() && !came_by_itself;
        return clicked.then(|| unseen(scene, burst, effects, open, around))?;
    };
    let typed = scene.typed.iter().rev().find(|(_, end)| *end < start);
    let at_keys = typed.is_some_and(|(began, end)| {
        // A page that comes at once may seem to move the pointer, because its looks depend on what is below it.
        let rested = [start, start - 1]
            .iter()
            .any(|index| scene.track.arrived[*index] <= *began);
        start - end <= scene.timeline.pictures_in(ENTER_MS) && rested
    });
    let moving = scene.track.moved(start) || scene.track.moved((start + 1).min(scene.len() - 1));
    let near = burst.parts.iter().any(|part| {
        part.rect.holds(pointer, NEAR)
            || (part.rect.h <= ROW
                && (part.rect.centre().y - pointer.y).abs() <= 14
                && part.rect.holds(pointer, FAR_IN_ROW))
    });
    if pressed.is_none() && effects.is_empty() && (moving || !near || is_hovered(scene, burst)) {
        return None;
    }
    let by_key = pressed.is_none() && !scene.is_pressed(start, pointer);
    if at_keys && by_key {
        return Some(key(burst, pointer, "Enter"));
    }
    // Closed from afar and nothing else changed: a key.
    let closed = effects.iter().find_map(|effect| match effect {
        Effect::Close(index) => Some(&open[*index]),
        _ => None,
    });
    let afar = |surface: &&Surface| by_key && surfaces::distance(surface, pointer) > 4;
    let left = |surface: &&Surface| pressed.is_none() && surface.is_left(pointer);
    if effects.len() == 1 && closed.is_some_and(|surface| afar(&surface) || left(&surface)) {
        return Some(key(burst, pointer, "Escape"));
    }
    if pressed.is_none() && effects.is_empty() && scene.ripples.mark_clicks() {
        return None;
    }
    let picked = closed.is_some_and(|surface| surfaces::distance(surface, pointer) <= 4 && surface.is_choice(around));
    let confidence = match pressed {
        Some(_) => 0.95,
        None => 0.5 + if effects.is_empty() { 0.0 } else { 0.2 } + if near { 0.2 } else { 0.0 },
    };
    Some(Draft {
        confidence,
        ..on_control(scene, burst, effects, pointer, picked)
    })
}

/// The click on what is below the pointer; `picked` if that is an item of a list of choices.
fn on_control(scene: &Scene<'_>, burst: &Burst, effects: &[Effect], pointer: Point, picked: bool) -> Draft {
    let start = burst.start;
    let picture = control::clean_picture(scene, start, pointer);
    let found = control::under(scene, burst, pointer, picture);
    let rect = found.map(|(rect, _)| rect);
    let opens_list = effects.iter().any(|effect| match effect {
        Effect::Open(list, _) => rect.is_some_and(|rect| surfaces::hangs_from(*list, rect)),
        _ => false,
    });
    let doubled = burst.ripple.is_some_and(|ripple| scene.ripples.is_double(&ripple));
    let context = effects.iter().any(|effect| match effect {
        Effect::Open(list, StepDetail::Menu) => surfaces::begins_at(*list, pointer),
        _ => false,
    });
    Draft {
        step: match (picked, context, doubled) {
            (true, ..) => StepType::Select,
            (_, true, _) => StepType::RightClick,
            (.., true) => StepType::DoubleClick,
            _ => StepType::Click,
        },
        detail: picked.then_some(StepDetail::Dropdown),
        start,
        end: start,
        rect: rect.unwrap_or(Rect::around(pointer, POINTED.0, POINTED.1)),
        label: Label::Control(Control {
            picture,
            rect: rect.unwrap_or(Rect::around(pointer, 0, 0)),
            point: pointer,
            exact: found.is_some_and(|(_, exact)| exact),
            holds_value: opens_list,
        }),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.0,
    }
}

/// A key that did something, while the pointer rested elsewhere.
fn key(burst: &Burst, pointer: Point, name: &'static str) -> Draft {
    Draft {
        step: StepType::Key,
        detail: None,
        start: burst.start,
        end: burst.start,
        rect: Rect::around(pointer, POINTED.0, POINTED.1),
        label: Label::Key(name),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.4,
    }
}

/// A click without a pointer in the picture: what changed first is what was clicked, as far as anyone can tell; unless it
/// opened a list, whose place tells, or chose from one.
fn unseen(
    scene: &Scene<'_>,
    burst: &Burst,
    effects: &[Effect],
    open: &[Surface],
    around: &Around<'_>,
) -> Option<Draft> {
    /// Area of a usual control, pixels.
    const USUAL: i32 = 2_500;
    let closed = effects.iter().find_map(|effect| match effect {
        Effect::Close(index) => Some(&open[*index]),
        _ => None,
    });
    let opened = effects.iter().find_map(|effect| match effect {
        Effect::Open(list, StepDetail::Menu) => Some(*list),
        _ => None,
    });
    let row = closed.and_then(|surface| surfaces::lit_row(scene, surface, burst.start));
    let opener = opened.and_then(|list| surfaces::opener(around.before, list));
    if row.is_none() && matches!(effects, [Effect::Close(_)]) {
        return None;
    }
    let first = scene.content[burst.start].iter().map(|part| part.rect);
    let rect = row
        .or(opener)
        .or_else(|| first.min_by_key(|rect| (rect.area() - USUAL).abs()))?;
    let picked = row.is_some() && closed.is_some_and(|surface| surface.is_choice(around));
    let hangs = opened.is_some_and(|list| surfaces::hangs_from(list, rect));
    Some(Draft {
        step: if picked { StepType::Select } else { StepType::Click },
        detail: picked.then_some(StepDetail::Dropdown),
        start: burst.start,
        end: burst.start,
        rect,
        label: Label::Control(Control {
            picture: burst.start - 1,
            rect,
            point: rect.centre(),
            exact: true,
            holds_value: hangs,
        }),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.7 * UNSEEN,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::drawn::Drawing;
    use super::super::super::pointer::{Ripples, Track};
    use super::super::super::timeline::{Restless, Timeline};
    use super::*;

    fn page() -> Drawing {
        let page = Drawing::new(800, 500, 240);
        (0..12).fold(page, |page, line| page.text(40, 40 + line * 34, 40 + line % 5, line))
    }

    /// What is told of pictures without a pointer, each shown so many times.
    fn told(shown: &[(Drawing, usize)]) -> Vec<(StepType, usize)> {
        let pictures = shown
            .iter()
            .flat_map(|(picture, times)| std::iter::repeat_n(picture, *times));
        let mut timeline = Timeline::new(100);
        for (index, picture) in (0..).zip(pictures) {
            timeline.push(index * 100, picture.after(timeline.last_screen()));
        }
        let restless = Restless::of(&timeline);
        let (ripples, track) = (Ripples::of(&timeline, &restless), Track::default());
        let scene = Scene::new(&timeline, &restless, &ripples, &track);
        let drafts = find(&scene, 0..scene.len(), &mut Vec::new());
        drafts.iter().map(|draft| (draft.step, draft.start)).collect()
    }

    #[test]
    fn messages_that_come_and_go_are_no_clicks_not_even_the_last_one() {
        let message = |w: i32| page().rect(20, 440, w, 40, 50);
        let shown = [(page(), 10), (message(140), 25), (page(), 40), (message(200), 8)];
        assert_eq!(told(&shown), []);
        assert_eq!(told(&[(page(), 10), (message(140), 80)]), [(StepType::Click, 10)]);
    }

    #[test]
    fn a_dialog_in_front_of_a_page_that_fades_out_is_opened_once_and_closed_soon() {
        let dialog = |light: u32| page().dimmed(light).rect(250, 150, 300, 180, 250).text(280, 180, 20, 9);
        let shown = [
            (page(), 10),
            (dialog(70), 4),
            (dialog(45), 1),
            (dialog(35), 20),
            (page(), 10),
        ];
        let steps: Vec<StepType> = told(&shown).into_iter().map(|(step, _)| step).collect();
        assert!(!steps.contains(&StepType::Navigate), "{steps:?}");
        let opened = |step: StepType| steps.iter().filter(|other| **other == step).count();
        assert_eq!((opened(StepType::Open), opened(StepType::Close)), (1, 1), "{steps:?}");
        let shortly = told(&[(page(), 10), (dialog(45), 4), (page(), 10)]);
        let effects: Vec<(StepType, usize)> = shortly.into_iter().filter(|(step, _)| !step.is_action()).collect();
        assert_eq!(
            effects.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
            [StepType::Open, StepType::Close]
        );
    }

    #[test]
    fn the_edge_of_a_field_opens_nothing() {
        let edged = page().rect(300, 200, 300, 90, 40).rect(303, 203, 294, 84, 240);
        let field = page().rect(300, 200, 300, 90, 200).rect(303, 203, 294, 84, 240);
        let shown = [(field.clone(), 10), (edged, 30), (field, 20)];
        assert!(told(&shown).iter().all(|(step, _)| *step == StepType::Click));
    }

    #[test]
    fn a_row_that_is_faintly_lit_when_its_list_closes_was_chosen() {
        let control = |seed: i32| {
            page()
                .rect(300, 100, 200, 32, 150)
                .rect(301, 101, 198, 30, 240)
                .text(312, 110, 9, seed)
        };
        let rows = |lit: u8| {
            let list = control(3).rect(300, 136, 200, 110, 120).rect(301, 137, 198, 108, 250);
            let list = list.rect(301, 172, 198, 34, lit);
            (0..3).fold(list, |list, row| list.text(312, 148 + row * 34, 9, row + 3))
        };
        let shown = [(control(3), 10), (rows(250), 12), (rows(241), 10), (control(4), 10)];
        let steps = told(&shown);
        assert!(steps.contains(&(StepType::Select, 32)), "{steps:?}");
    }
}
