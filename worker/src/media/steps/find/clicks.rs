//! Clicks, and what they open, close and lead to. A click is a change that begins while the pointer rests; what changes
//! as the pointer comes or goes is hovering.

use std::ops::Range;

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

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
        if let Some(click) = found.filter(|click| !is_same(scene, &drafts, click)) {
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
                    open.push(Surface::new(t_ms, rect, detail, &around));
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
    let Some(pointer) = scene.pointer(start) else {
        return (!scene.track.exists()).then(|| unseen(scene, burst, effects))?;
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
    if effects.is_empty() && (moving || !near) {
        return None;
    }
    if at_keys && !scene.is_pressed(start, pointer) {
        return Some(key(burst, pointer, "Enter"));
    }
    // Closed from afar and nothing else changed: a key.
    let closed = effects.iter().find_map(|effect| match effect {
        Effect::Close(index) => Some(&open[*index]),
        _ => None,
    });
    if let (Some(surface), 1) = (closed, effects.len())
        && surfaces::distance(surface, pointer) > 4
        && !scene.is_pressed(start, pointer)
    {
        return Some(key(burst, pointer, "Escape"));
    }
    let picked = closed.filter(|surface| surfaces::distance(surface, pointer) <= 4 && surface.is_choice(around));
    let picture = control::clean_picture(scene, start, pointer);
    let found = control::under(scene, burst, pointer, picture);
    let rect = found.map(|(rect, _)| rect);
    let opens_list = effects.iter().any(|effect| match effect {
        Effect::Open(list, _) => rect.is_some_and(|rect| surfaces::hangs_from(*list, rect)),
        _ => false,
    });
    Some(Draft {
        step: if picked.is_some() {
            StepType::Select
        } else {
            StepType::Click
        },
        detail: picked.map(|_| StepDetail::Dropdown),
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
        confidence: 0.5 + if effects.is_empty() { 0.0 } else { 0.2 } + if near { 0.2 } else { 0.0 },
    })
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

/// A click without a pointer in the picture: what changed first is what was clicked, as far as anyone can tell.
fn unseen(scene: &Scene<'_>, burst: &Burst, effects: &[Effect]) -> Option<Draft> {
    /// Area of a usual control, pixels.
    const USUAL: i32 = 2_500;
    if let [Effect::Close(_)] = effects {
        return None;
    }
    let first = scene.content[burst.start].iter().map(|part| part.rect);
    let rect = first.min_by_key(|rect| (rect.area() - USUAL).abs())?;
    Some(Draft {
        step: StepType::Click,
        detail: None,
        start: burst.start,
        end: burst.start,
        rect,
        label: Label::Control(Control {
            picture: burst.start - 1,
            rect,
            point: rect.centre(),
            exact: true,
            holds_value: false,
        }),
        amount: None,
        across: false,
        surface: None,
        confidence: 0.7 * UNSEEN,
    })
}
