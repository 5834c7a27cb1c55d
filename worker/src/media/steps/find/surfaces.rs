//! What opens over a page and closes again: dialogs, drawers, menus, dropdowns; and pages that replace each other.
//!
//! A surface is told by what it does to the rest: a dialog dims it, a menu gives it back when it closes.

use zoetrope_shared::tasks::step_detection::StepDetail;

use super::super::changes::CHANGED;
use super::super::geometry::{Point, Rect};
use super::super::screen::{Grey, Screen};
use super::bursts::Burst;
use super::{Label, Scene, control, dimming};

/// How long a menu may stay open and still be known by what it gives back, ms.
const MENU_MS: u64 = 9_000;
/// Least width, height and area of a menu, and largest share of the screen and width.
const LEAST_MENU: (i32, i32, i32) = (60, 44, 5_000);
const LARGEST_MENU: f32 = 0.40;
const WIDEST_MENU: f32 = 0.72;
/// Share of a menu's pixels that are given back.
const GIVEN_BACK: f32 = 0.85;
/// Share of an open surface's pixels that are gone when it has closed.
const GONE: f32 = 0.6;
/// Share of what is drawn on the screen that is replaced when another page comes.
const REPLACED: f32 = 0.45;
/// The top of a browser, where the names of tabs and the address stand, pixels; and least share that changes with them.
const TOP: i32 = 64;
const LEAST_PAGE: f32 = 0.02;
/// How far from the pointer a menu opens, pixels.
const MENU_NEAR: i32 = 90;

/// Something that is open.
pub(in super::super) struct Surface {
    /// When it opened, ms: its name among all.
    pub(super) number: u64,
    pub(super) rect: Rect,
    pub(super) detail: StepDetail,
    /// Whether it is not known what it hangs from.
    pub(super) is_loose: bool,
    /// Where the right button was pressed for it.
    pub(super) summoned: Option<Point>,
    /// The page before it opened, and with it.
    before: Screen,
    look: Screen,
}

/// What a burst did to the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Effect {
    /// A surface opened in this box.
    Open(Rect, StepDetail),
    /// The surface at this index of the open ones closed.
    Close(usize),
    /// Another page came.
    Navigate(Rect),
}

/// The pictures around a burst.
pub(super) struct Around<'a> {
    pub(super) before: &'a Screen,
    pub(super) after: &'a Screen,
    difference: Grey,
}

impl<'a> Around<'a> {
    pub(super) fn of(scene: &'a Scene<'_>, burst: &Burst) -> Self {
        let before = scene.timeline.screen(burst.start - 1);
        let after = scene.timeline.screen(burst.end + 1);
        Self {
            difference: after.difference(before, after.bounds()),
            before,
            after,
        }
    }
}

/// What a burst did, given what is open.
pub(super) fn effects(scene: &Scene<'_>, burst: &Burst, around: &Around<'_>, open: &[Surface]) -> Vec<Effect> {
    let mut effects = Vec::new();
    let darker = dimming::ratio(around);
    let closed = open.iter().rposition(|surface| is_closed(surface, around));
    effects.extend(closed.map(Effect::Close));
    if let Some((rect, detail)) = darker.and_then(|ratio| dimming::dialog(around, ratio)) {
        effects.push(Effect::Open(rect, detail));
    } else if let Some(rect) =
        menu(scene, burst, around).filter(|rect| closed.is_none_or(|closed| !is_part_of(*rect, open[closed].rect)))
    {
        effects.push(Effect::Open(rect, StepDetail::Menu));
    } else if closed.is_none_or(|closed| !matches!(open[closed].detail, StepDetail::Dialog | StepDetail::Drawer))
        && !darker.is_some_and(|ratio| dimming::is_only_darker(around, ratio))
        && let Some(rect) = new_page(around, burst)
    {
        effects.push(Effect::Navigate(rect));
    }
    effects
}

impl Surface {
    pub(super) fn new(number: u64, rect: Rect, detail: StepDetail, is_loose: bool, around: &Around<'_>) -> Self {
        Self {
            number,
            rect,
            detail,
            is_loose,
            summoned: None,
            before: around.before.clone(),
            look: around.after.clone(),
        }
    }
}

impl Surface {
    /// Whether nobody waits for it to close any more.
    pub(super) fn is_forgotten(&self, now_ms: u64) -> bool {
        /// A menu is not left open for long; a dialog may be.
        const MENU_OPEN_MS: u64 = 15_000;
        matches!(self.detail, StepDetail::Menu | StepDetail::Dropdown) && now_ms > self.number + MENU_OPEN_MS
    }

    /// Whether nobody has moved since it was called by the right button: pressed there again, it would not close.
    pub(super) fn is_left(&self, pointer: Point) -> bool {
        self.summoned.is_some_and(|point| point.reach(pointer) <= 4)
    }

    /// Whether who clicks into it chooses a value: it hangs from a field as lists of choices do; or, where that is not
    /// known, what it hangs from changed when it closed.
    pub(super) fn is_choice(&self, around: &Around<'_>) -> bool {
        self.detail == StepDetail::Dropdown || (self.is_loose && self.changed_opener(around))
    }

    fn changed_opener(&self, around: &Around<'_>) -> bool {
        const HIGH: i32 = 46;
        const LEAST: usize = 16;
        if !matches!(self.detail, StepDetail::Menu | StepDetail::Dropdown) {
            return false;
        }
        let above = Rect::new(self.rect.x + 2, self.rect.y - HIGH, self.rect.w - 4, HIGH - 5);
        let below = Rect::new(self.rect.x + 2, self.rect.bottom() + 5, self.rect.w - 4, HIGH - 5);
        [above, below].into_iter().any(|band| {
            let difference = around.after.difference(around.before, band);
            let changed = difference.levels.iter().filter(|level| **level > CHANGED).count();
            // What it hangs from is one line of text; more is another page.
            changed >= LEAST && changed * 3 < difference.levels.len()
        })
    }
}

/// Whether most of a box is inside another one.
fn is_part_of(rect: Rect, whole: Rect) -> bool {
    whole
        .common(rect)
        .is_some_and(|common| common.area() * 10 >= rect.area() * 7)
}

/// Whether a list hangs from a box as that of a dropdown does: below or above it, and as wide.
pub(super) fn hangs_from(list: Rect, control: Rect) -> bool {
    const OFF: i32 = 9;
    let along = (list.x - control.x).abs() <= OFF && (list.right() - control.right()).abs() <= OFF;
    along && list.h > control.h
}

/// Whether most of what the surface painted is there no longer.
fn is_closed(surface: &Surface, around: &Around<'_>) -> bool {
    let painted = surface.look.difference(&surface.before, surface.rect);
    let now = around.after.difference(&surface.look, surface.rect);
    let was = around.before.difference(&surface.look, surface.rect);
    let (mut all, mut gone, mut gone_before) = (0_u32, 0_u32, 0_u32);
    for ((painted, now), was) in painted.levels.iter().zip(&now.levels).zip(&was.levels) {
        if *painted > CHANGED {
            all += 1;
            gone += u32::from(*now > CHANGED / 2);
            gone_before += u32::from(*was > CHANGED / 2);
        }
    }
    all > 0 && gone as f32 > GONE * all as f32 && gone_before as f32 <= GONE * all as f32
}

/// A filled box that appeared near the pointer and whose place is given back later.
fn menu(scene: &Scene<'_>, burst: &Burst, around: &Around<'_>) -> Option<Rect> {
    let (width, height) = (around.after.width(), around.after.height());
    let candidates = burst.parts.iter().filter(|part| {
        let Rect { w, h, .. } = part.rect;
        w >= LEAST_MENU.0
            && h >= LEAST_MENU.1
            && part.rect.area() >= LEAST_MENU.2
            && (part.rect.area() as f32) < LARGEST_MENU * (width * height) as f32
            && (w as f32) < WIDEST_MENU * width as f32
            && !is_frame(around, part.rect)
    });
    let rect = candidates.max_by_key(|part| part.rect.area())?.rect;
    let pointer = burst
        .ripple
        .map(|ripple| ripple.centre)
        .or_else(|| scene.pointer(burst.start));
    if pointer.is_some_and(|pointer| !rect.holds(pointer, MENU_NEAR)) {
        return None;
    }
    // The pointer itself stands in front of what it pressed.
    let clean = |pointer| {
        scene
            .timeline
            .screen(control::clean_picture(scene, burst.start, pointer))
    };
    let rect = pointer.map_or(rect, |pointer| without_opener(clean(pointer), rect, pointer));
    let last = scene.len().min(burst.end + scene.timeline.pictures_in(MENU_MS));
    let painted = around.after.difference(around.before, rect);
    let soon = burst.end + scene.timeline.pictures_in(200);
    let back = (soon..last).any(|later| {
        let touched = scene
            .timeline
            .changes(later)
            .parts
            .iter()
            .any(|other| other.rect.common(rect).is_some());
        touched && given_back(&painted, around.before, scene.timeline.screen(later), rect)
    });
    let listed = || pointer.is_some_and(|pointer| !rect.holds(pointer, 0)) && is_list(around.after, rect);
    (back || listed()).then_some(rect)
}

/// Whether nothing but the edge of a box changed, as when a field is clicked into.
fn is_frame(around: &Around<'_>, rect: Rect) -> bool {
    const EDGE: i32 = 8;
    const LEAST_INSIDE: f32 = 0.01;
    let inside = around.after.difference(around.before, rect.grown(-EDGE));
    inside.share_above(CHANGED) < LEAST_INSIDE
}

/// What changed without the control below the pointer, which changes its looks when its list opens.
fn without_opener(screen: &Screen, rect: Rect, pointer: Point) -> Rect {
    let Some(opener) = control::edges(screen, pointer).filter(|opener| rect.holds(opener.centre(), 0)) else {
        return rect;
    };
    let below = rect.bottom() - opener.bottom();
    let above = opener.y - rect.y;
    if below >= LEAST_MENU.1 && below > above {
        Rect::new(rect.x, opener.bottom(), rect.w, below)
    } else if above >= LEAST_MENU.1 {
        Rect::new(rect.x, rect.y, rect.w, above)
    } else {
        rect
    }
}

/// Whether a box looks like a list of commands: one ground, and lines of text on it that all begin at the same side.
fn is_list(screen: &Screen, rect: Rect) -> bool {
    /// Shares of the ground, and of the pixels at the left side that are ground; lines at least; widest and highest.
    const GROUND: f32 = 0.7;
    const SIDE: f32 = 0.97;
    const LINES: usize = 2;
    const MARGIN: i32 = 6;
    const WIDEST: i32 = 420;
    if rect.w > WIDEST {
        return false;
    }
    let inner = screen.luma(rect.grown(-4));
    let mut levels = [0_u32; 256];
    inner.levels.iter().for_each(|level| levels[usize::from(*level)] += 1);
    let ground = (0..256).max_by_key(|level| levels[*level]).unwrap_or(0) as i32;
    let is_ground = |level: &u8| (i32::from(*level) - ground).abs() <= 10;
    let share =
        |levels: &[u8]| levels.iter().filter(|level| is_ground(level)).count() as f32 / levels.len().max(1) as f32;
    let side: Vec<u8> = inner
        .rows()
        .flat_map(|row| row.iter().take(MARGIN as usize).copied())
        .collect();
    let inked: Vec<bool> = inner.rows().map(|row| share(row) < 0.985).collect();
    let lines = inked.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    share(&inner.levels) > GROUND && share(&side) > SIDE && lines >= LINES
}

fn given_back(painted: &Grey, before: &Screen, later: &Screen, rect: Rect) -> bool {
    let now = later.difference(before, rect);
    let (mut all, mut back) = (0_u32, 0_u32);
    for (painted, now) in painted.levels.iter().zip(&now.levels) {
        if *painted > CHANGED {
            all += 1;
            back += u32::from(*now <= CHANGED);
        }
    }
    back as f32 > GIVEN_BACK * all as f32
}

/// The part that was replaced, if another page came.
fn new_page(around: &Around<'_>, burst: &Burst) -> Option<Rect> {
    let changed = around.difference.share_above(CHANGED);
    let rect = around.difference.box_above(CHANGED)?;
    let large = rect.area() as f32 > 0.45 * around.after.bounds().area() as f32;
    let replaced = burst.share.max(changed) > REPLACED;
    (large && (replaced || (burst.share > LEAST_PAGE && has_new_address(&around.difference)))).then_some(rect)
}

/// Whether two lines of text changed at the top, one above the other: the name of a tab and an address.
fn has_new_address(difference: &Grey) -> bool {
    const HEIGHTS: std::ops::RangeInclusive<usize> = 5..=24;
    const LEAST_PIXELS: usize = 3;
    /// Another text differs by more, levels: where a codec draws a page anew, the edges of the letters differ as well.
    const REWRITTEN: u8 = 45;
    /// Rows in which letters have little to differ in.
    const GAP: usize = 2;
    let is_inked = |row: &[u8]| row.iter().filter(|level| **level > REWRITTEN).count() >= LEAST_PIXELS;
    let rows = difference.rows().take(TOP as usize).enumerate();
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for (y, _) in rows.filter(|(_, row)| is_inked(row)) {
        match lines.last_mut() {
            Some((_, last)) if y - *last <= GAP + 1 => *last = y,
            _ => lines.push((y, y)),
        }
    }
    let lines = lines
        .iter()
        .filter(|(first, last)| HEIGHTS.contains(&(last - first + 1)));
    lines.count() >= 2
}

/// Where the label of an effect is to be read.
pub(super) fn label(effect: Effect, burst: &Burst, pictures: usize) -> Label {
    let settled = (burst.end + 2).min(pictures - 1);
    match effect {
        Effect::Open(rect, StepDetail::Dialog | StepDetail::Drawer) => Label::Title { picture: settled, rect },
        Effect::Open(rect, _) => Label::Opener { picture: settled, rect },
        Effect::Close(_) => Label::None,
        Effect::Navigate(_) => Label::Page {
            before: burst.start - 1,
            after: (burst.end + 3).min(pictures - 1),
        },
    }
}

/// Whether a corner of a menu is where the pointer points: it belongs to what is there, and no button opened it.
pub(super) fn begins_at(list: Rect, pointer: Point) -> bool {
    const OFF: i32 = 8;
    let across = (list.x - pointer.x).abs().min((list.right() - pointer.x).abs());
    let down = (list.y - pointer.y).abs().min((list.bottom() - pointer.y).abs());
    across <= OFF && down <= OFF
}

/// The control that a menu hangs from: the box right above or below it that begins or ends where it does.
pub(super) fn opener(screen: &Screen, list: Rect) -> Option<Rect> {
    const OFF: i32 = 12;
    let levels = [12, 18, 26]
        .map(|off| [list.y - off, list.bottom() + off])
        .into_iter()
        .flatten();
    let points = levels.flat_map(|y| [list.x + 20, list.centre().x, list.right() - 20].map(|x| Point { x, y }));
    let hangs = |control: &Rect| {
        let below = (list.y - control.bottom()).abs() <= OFF || (control.y - list.bottom()).abs() <= OFF;
        let along = (list.x - control.x).abs() <= OFF || (list.right() - control.right()).abs() <= OFF;
        below && along
    };
    points.filter_map(|point| control::edges(screen, point)).find(hangs)
}

/// The row of an open surface that was lit last before a picture: where a pointer that is not shown must be.
pub(super) fn lit_row(scene: &Scene<'_>, surface: &Surface, until: usize) -> Option<Rect> {
    const HEIGHTS: std::ops::RangeInclusive<i32> = 14..=64;
    let is_row =
        |rect: &Rect| HEIGHTS.contains(&rect.h) && rect.w * 10 >= surface.rect.w * 6 && is_part_of(*rect, surface.rect);
    let shown = scene.timeline.screen(until.saturating_sub(1));
    let is_lit = |rect: &Rect| shown.difference(&surface.look, *rect).share_above(CHANGED / 4) > 0.4;
    let opened = (0..until)
        .rev()
        .take_while(|index| scene.timeline.moments[*index].t_ms > surface.number);
    let mut rows = opened.flat_map(|index| scene.timeline.changes(index).parts.iter().map(|part| part.rect));
    rows.find(|rect| is_row(rect) && is_lit(rect))
        .or_else(|| tinted_band(surface, shown).filter(is_row))
}

/// The rows of an open surface that have another tint than when it opened, too faint a one to be a change.
fn tinted_band(surface: &Surface, shown: &Screen) -> Option<Rect> {
    const LEAST_SHARE: f32 = 0.6;
    let difference = shown.difference(&surface.look, surface.rect);
    let is_tinted = |row: &[u8]| {
        let tinted = row.iter().filter(|level| **level > CHANGED / 4).count();
        tinted as f32 >= LEAST_SHARE * row.len() as f32
    };
    let rows: Vec<bool> = difference.rows().map(is_tinted).collect();
    let (start, end) = rows
        .chunk_by(|a, b| a == b)
        .scan(0, |at, run| {
            *at += run.len();
            Some((run[0], *at - run.len(), *at))
        })
        .filter(|(tinted, ..)| *tinted)
        .map(|(_, start, end)| (start as i32, end as i32))
        .max_by_key(|(start, end)| end - start)?;
    let place = difference.place;
    Some(Rect::new(place.x, place.y + start, place.w, end - start))
}

/// How far a surface is from a point, pixels.
pub(super) fn distance(surface: &Surface, point: Point) -> i32 {
    surface.rect.distance(point)
}
