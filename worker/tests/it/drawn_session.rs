//! A session at a screen with a known truth, drawn picture by picture: buttons, a dialog, a menu, a list that scrolls, a
//! field, and what is no step: hovering, a toast, a clock.

use image::{GrayImage, Luma, imageops};

use crate::drawn_pages::{Tile, tiles};

/// Width and height, pixels, and pictures a second.
pub(crate) const SIZE: (u32, u32) = (720, 460);
pub(crate) const FPS: u64 = 10;

const GROUND: u8 = 240;
const BUTTONS: [(&str, [u32; 4]); 3] = [
    ("Download", [40, 40, 130, 34]),
    ("Settings", [200, 40, 130, 34]),
    ("Invoice", [360, 40, 130, 34]),
];
const CONTINUE: [u32; 4] = [420, 262, 110, 32];
const FIELD: [u32; 4] = [40, 400, 260, 32];
const LIST: [u32; 4] = [40, 110, 460, 250];
/// Pixels that the list is scrolled by, in all.
pub(crate) const SCROLLED: u32 = 120;

/// What is on the screen.
#[derive(Clone, Default)]
struct State {
    pointer: (i32, i32),
    lit: Option<usize>,
    pressed: Option<usize>,
    done: bool,
    dialog: bool,
    menu: Option<(i32, i32)>,
    scrolled: u32,
    letters: usize,
    toast: bool,
}

/// A step that was made: its type, when, and what its label is; an empty one is not compared.
pub(crate) struct Truth {
    pub(crate) step: &'static str,
    pub(crate) t_ms: u64,
    pub(crate) label: &'static str,
}

/// The pictures of the session, one after the other, and its steps.
pub(crate) struct Session {
    pub(crate) pictures: Vec<u8>,
    pub(crate) steps: Vec<Truth>,
    tiles: Vec<Tile>,
    state: State,
    count: u64,
}

/// Plays the whole session.
pub(crate) fn session() -> Session {
    let mut session = Session {
        pictures: Vec::new(),
        steps: Vec::new(),
        tiles: tiles(),
        state: State {
            pointer: (560, 380),
            ..State::default()
        },
        count: 0,
    };
    session.play();
    session
}

impl Session {
    fn play(&mut self) {
        self.show(6);
        self.press(0, |state| state.done = true);
        // Passing over a button lights it up and does nothing.
        self.go(265, 57);
        self.state.lit = Some(1);
        self.show(6);
        self.state.lit = None;
        self.go(590, 230);
        self.state.toast = true;
        self.show(15);
        self.state.toast = false;
        self.show(5);
        self.press(2, |state| state.dialog = true);
        self.go(475, 280);
        self.show(4);
        self.did("click", "Continue");
        self.did("close", "");
        self.state.dialog = false;
        self.show(8);
        self.go(300, 220);
        self.did("scroll", "");
        for part in 1..=4 {
            self.state.scrolled = SCROLLED * part / 4;
            self.show(1);
        }
        self.show(10);
        self.go(230, 250);
        self.show(4);
        self.did("right_click", "");
        self.did("open", "");
        self.state.menu = Some(self.state.pointer);
        self.show(10);
        self.did("key", "");
        self.did("close", "");
        self.state.menu = None;
        self.show(10);
        self.go(640, 330);
        self.show(6);
        self.did("type", "Search");
        for letters in 1..=8 {
            self.state.letters = letters;
            self.show(2);
        }
        self.show(15);
    }

    /// Goes to a button, which lights up, and presses it.
    fn press(&mut self, button: usize, effect: impl FnOnce(&mut State)) {
        let (name, [x, y, w, h]) = BUTTONS[button];
        self.go((x + w / 2) as i32 + 20, (y + h / 2) as i32 + 4);
        self.state.lit = Some(button);
        self.show(5);
        self.did("click", name);
        self.state.pressed = Some(button);
        self.show(1);
        self.state.pressed = None;
        effect(&mut self.state);
        if self.state.dialog {
            self.did("open", "Password");
        }
        self.show(8);
        self.state.lit = None;
    }

    fn did(&mut self, step: &'static str, label: &'static str) {
        let t_ms = self.count * 1000 / FPS;
        self.steps.push(Truth { step, t_ms, label });
    }

    /// Moves the pointer in a few pictures, on a bow as hands do.
    fn go(&mut self, x: i32, y: i32) {
        const MOVES: i32 = 6;
        let (from_x, from_y) = self.state.pointer;
        for part in 1..=MOVES {
            let bow = 3 * part * (MOVES - part);
            self.state.pointer = (
                from_x + (x - from_x) * part / MOVES,
                from_y + (y - from_y) * part / MOVES + bow,
            );
            self.show(1);
        }
    }

    fn show(&mut self, pictures: u64) {
        for _ in 0..pictures {
            let picture = self.picture();
            self.pictures.extend_from_slice(picture.as_raw());
            self.count += 1;
        }
    }

    fn picture(&self) -> GrayImage {
        let mut page = GrayImage::from_pixel(SIZE.0, SIZE.1, Luma([GROUND]));
        let state = &self.state;
        for (index, (name, place)) in BUTTONS.into_iter().enumerate() {
            let ground = match (state.pressed == Some(index), state.lit == Some(index)) {
                (true, _) => 40,
                (_, true) => 120,
                _ => 80,
            };
            fill(&mut page, place, ground);
            self.word(&mut page, name, place[0] + 20, place[1] + 5, (250, ground));
        }
        self.list(&mut page);
        fill(&mut page, FIELD, 150);
        fill(&mut page, grown(FIELD, -1), 255);
        self.word(&mut page, "Search", FIELD[0], FIELD[1] - 30, (20, GROUND));
        let typed = self.tile("yesterday");
        let typed = imageops::crop_imm(typed, 0, 0, typed.width() * state.letters as u32 / 8, typed.height());
        paste(&mut page, &typed.to_image(), FIELD[0] + 10, FIELD[1] + 3, (20, 255));
        if state.done {
            self.word(&mut page, "Version", 560, 44, (20, GROUND));
        }
        // A clock's last digit.
        fill(&mut page, [690, 10, 4 + 3 * (self.count / FPS % 5) as u32, 14], 30);
        if state.toast {
            fill(&mut page, [560, 400, 140, 40], 60);
            self.word(&mut page, "Overdue", 580, 408, (250, 60));
        }
        if let Some((x, y)) = state.menu {
            self.menu(&mut page, x as u32, y as u32);
        }
        if state.dialog {
            page.iter_mut()
                .for_each(|level| *level = (u32::from(*level) * 55 / 100) as u8);
            fill(&mut page, [200, 130, 350, 180], 252);
            self.word(&mut page, "Password", 224, 146, (20, 252));
            self.word(&mut page, "remember", 224, 200, (20, 252));
            fill(&mut page, CONTINUE, 60);
            self.word(&mut page, "Continue", CONTINUE[0] + 14, CONTINUE[1] + 4, (250, 60));
        }
        arrow(&mut page, state.pointer);
        page
    }

    fn list(&self, page: &mut GrayImage) {
        let [x, y, w, h] = LIST;
        let mut list = GrayImage::from_pixel(w, 2 * h, Luma([255]));
        for (index, tile) in (0_u32..).zip(&self.tiles) {
            let place = (14 + index % 3 * 150, 6 + index / 3 * 29);
            paste(&mut list, &tile.pixels, place.0, place.1, (20, 255));
        }
        let shown = imageops::crop_imm(&list, 0, self.state.scrolled, w, h).to_image();
        imageops::replace(page, &shown, i64::from(x), i64::from(y));
    }

    fn menu(&self, page: &mut GrayImage, x: u32, y: u32) {
        fill(page, [x, y, 170, 110], 160);
        fill(page, [x + 1, y + 1, 168, 108], 255);
        for (row, name) in (0..).zip(["README.md", "Settings", "Cancel"]) {
            self.word(page, name, x + 14, y + 6 + row * 34, (20, 255));
        }
    }

    fn word(&self, page: &mut GrayImage, text: &str, x: u32, y: u32, levels: (u8, u8)) {
        paste(page, self.tile(text), x, y, levels);
    }

    fn tile(&self, text: &str) -> &GrayImage {
        let tile = self.tiles.iter().find(|tile| tile.text == text);
        &tile.expect("the sheet has the word").pixels
    }
}

fn grown([x, y, w, h]: [u32; 4], by: i32) -> [u32; 4] {
    let side = |side: u32, by: i32| side.saturating_add_signed(by);
    [side(x, -by), side(y, -by), side(w, 2 * by), side(h, 2 * by)]
}

fn fill(page: &mut GrayImage, [x, y, w, h]: [u32; 4], level: u8) {
    for row in y..(y + h).min(page.height()) {
        for column in x..(x + w).min(page.width()) {
            page.put_pixel(column, row, Luma([level]));
        }
    }
}

/// Draws black on white in the levels of text and ground.
fn paste(page: &mut GrayImage, tile: &GrayImage, x: u32, y: u32, (text, ground): (u8, u8)) {
    for (dx, dy, level) in tile.enumerate_pixels() {
        let (text, ground, share) = (u32::from(text), u32::from(ground), u32::from(level[0]));
        if let Some(pixel) = page.get_pixel_mut_checked(x + dx, y + dy) {
            *pixel = Luma([((text * (255 - share) + ground * share) / 255) as u8]);
        }
    }
}

/// A black arrow with a light edge, its tip at the point.
fn arrow(page: &mut GrayImage, (x, y): (i32, i32)) {
    for row in 0..18 {
        let reach = if row < 13 { row } else { 17 - row };
        for (column, level) in
            (-1..reach + 2).map(|column| (column, if (0..reach).contains(&column) { 0 } else { 255 }))
        {
            if let Some(pixel) = page.get_pixel_mut_checked((x + column) as u32, (y + row) as u32) {
                *pixel = Luma([level]);
            }
        }
    }
}
