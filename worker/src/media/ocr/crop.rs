//! Reading a small part of a screen, such as a button: its lines are found by their ink, and read one by one as they are
//! wanted. Finding them costs little, reading them much.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::Line;

use super::engine::Engine;
use super::ink::Ink;
use super::page;
use super::places;
use super::planes::Planes;
use super::strip::Place;
use crate::fault::Fault;

/// A part of a screen, and where its lines stand.
pub(crate) struct Part {
    ink: Ink,
    places: Vec<Place>,
}

impl Part {
    pub(crate) fn of(picture: GrayImage) -> Self {
        let ink = Ink::of(&Planes::grey(picture));
        let mut places = places::of_part(&ink);
        places.sort_unstable_by_key(|place| (place.bounds[1], place.bounds[0]));
        Self { ink, places }
    }

    /// The boxes of its lines, topmost first: left, top, width, height, in pixels of the part.
    pub(crate) fn boxes(&self) -> impl Iterator<Item = [u32; 4]> {
        self.places.iter().map(|place| place.bounds)
    }

    /// The line at an index, in the loaded languages; `None` if nothing can be read there.
    pub(crate) fn line(&self, engine: &Engine, index: usize) -> Result<Option<Line>, Fault> {
        page::read_place_of_part(engine, &self.ink, self.places[index])
    }
}
