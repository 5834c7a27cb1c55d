//! Clicks, and what they open, close and lead to. A click is a change that begins while the pointer rests; what changes
//! as the pointer comes or goes is hovering.

use std::ops::Range;

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::bursts::{self, Burst};
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
        let found = click(scene, &burst, &effects, open, &around);
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
fn click(scene: &Scene<'_>, burst: &Burst, effects: &[Effect], open: &[Surface], around: &Around<'_>) -> Option<Draft> {
    let start = burst.start;
    let pressed = burst.ripple.map(|ripple| ripple.centre);
    let Some(pointer) = pressed.or_else(|| scene.pointer(start)) else {
        return (!scene.track.exists()).then(|| unseen(scene, burst, effects, open, around))?;
    };
    let typed = scene.typed.iter().rev().find(|(_, end)| *end < start);
    let at_keys = typed.is_some_and(|(began, end)| {
        start - end <= scene.timeline.pictures_in(ENTER_MS) && scene.track.arrived[start] <= *began
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
    if row.is_none() && (matches!(effects, [Effect::Close(_)]) || (effects.is_empty() && is_passing(scene, burst))) {
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

/// Whether something only lit up a moment after the pointer came, as what fades in does, and went out again when it left.
fn is_hovered(scene: &Scene<'_>, burst: &Burst) -> bool {
    const FADES_MS: u64 = 250;
    let since = burst.start - scene.track.arrived[burst.start];
    since <= scene.timeline.pictures_in(FADES_MS) && is_passing(scene, burst)
}

/// Whether all that changed is soon as it was before: something lit up as a pointer passed that is not shown.
fn is_passing(scene: &Scene<'_>, burst: &Burst) -> bool {
    const LONGEST_MS: u64 = 6_000;
    const BACK: f32 = 0.04;
    let before = scene.timeline.screen(burst.start - 1);
    let last = (burst.end + scene.timeline.pictures_in(LONGEST_MS)).min(scene.len() - 1);
    burst.parts.iter().all(|part| {
        let mut later = (burst.end + 1..=last).filter(|index| {
            let mut parts = scene.timeline.changes(*index).parts.iter();
            parts.any(|other| other.rect.common(part.rect).is_some())
        });
        later.any(|index| {
            let now = scene.timeline.screen(index).difference(before, part.rect);
            now.share_above(CHANGED) < BACK
        })
    })
}
