//! Bursts: changes that belong together because nothing calm lies between them.

use super::super::changes::{CHANGED, Part};
use super::super::pointer::Ripple;
use super::Scene;

/// Longest calm inside a burst, ms: usually, and where most of the screen changes, for a page may be blank meanwhile.
const CALM_MS: u64 = 250;
const LONG_CALM_MS: u64 = 500;
/// Share of the screen that makes a change a large one.
const LARGE_SHARE: f32 = 0.3;
/// Changed pixels below which nothing happened.
const LEAST_PIXELS: u32 = 40;

/// Changes that belong together.
#[derive(Debug, Clone)]
pub(super) struct Burst {
    /// Indices of its first and last picture.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Its parts, of all its pictures.
    pub(super) parts: Vec<Part>,
    /// Largest share of the screen that changed at once.
    pub(super) share: f32,
    /// What the recorder drew when a button was pressed.
    pub(super) ripple: Option<Ripple>,
}

/// The bursts in the pictures that no step explains yet.
pub(super) fn of(scene: &Scene<'_>) -> Vec<Burst> {
    let (calm, long_calm) = (
        scene.timeline.pictures_in(CALM_MS),
        scene.timeline.pictures_in(LONG_CALM_MS),
    );
    let mut bursts: Vec<Burst> = Vec::new();
    for index in 1..scene.len() {
        let parts = &scene.content[index];
        let pixels: u32 = parts.iter().map(|part| part.pixels).sum();
        if scene.used[index] || pixels < LEAST_PIXELS {
            continue;
        }
        let share = scene.timeline.changes(index).share;
        if let Some(last) = bursts.last_mut() {
            let large = last.share.max(share) > LARGE_SHARE;
            let near =
                index - last.end <= calm || (large && index - last.end <= long_calm && !gives_back(scene, last, index));
            let moved = (last.end + 1..=index).any(|index| scene.track.moved(index));
            if near && (large || !moved) {
                last.end = index;
                last.parts.extend_from_slice(parts);
                last.share = last.share.max(share);
                continue;
            }
        }
        bursts.push(Burst {
            start: index,
            end: index,
            parts: parts.clone(),
            share,
            ripple: None,
        });
    }
    press(scene, &mut bursts);
    bursts
}

/// Whether a change after a short calm brings back what was there before a burst: what opened has closed again, and no
/// page was blank meanwhile.
fn gives_back(scene: &Scene<'_>, burst: &Burst, index: usize) -> bool {
    const SAME: f32 = 0.05;
    let before = scene.timeline.screen(burst.start - 1);
    let now = scene.timeline.screen(index);
    now.difference(before, before.bounds()).share_above(CHANGED) < SAME
}

/// Gives each ripple the burst that it led to: the one it is part of, or the next one, or one without changes. What changed
/// before the press is not its doing.
fn press(scene: &Scene<'_>, bursts: &mut Vec<Burst>) {
    /// Longest between a press and what it does, ms.
    const SOON_MS: u64 = 700;
    let soon = scene.timeline.pictures_in(SOON_MS);
    for ripple in scene.ripples.iter().filter(|ripple| !scene.is_dragged(ripple.at)) {
        let led_to = |burst: &&mut Burst| {
            burst.ripple.is_none() && burst.end + 1 >= ripple.at && burst.start <= ripple.at + soon
        };
        if let Some(burst) = bursts.iter_mut().find(led_to) {
            burst.start = ripple.at;
            burst.end = burst.end.max(ripple.at);
            burst.ripple = Some(*ripple);
        } else {
            bursts.push(Burst {
                start: ripple.at,
                end: ripple.at,
                parts: Vec::new(),
                share: 0.0,
                ripple: Some(*ripple),
            });
        }
    }
    bursts.sort_by_key(|burst| burst.start);
}
