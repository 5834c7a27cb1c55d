//! Where the pointer is in every picture. Its shapes are learned from the recording itself: whatever is drawn in the
//! same form at many places, and gives back what was below it when it leaves, is the pointer. No shape is built in, so
//! any theme, size or halo will do.

mod learn;
mod ripples;
mod shape;
mod track;

pub(super) use learn::learn;
pub(super) use ripples::{Ripple, Ripples};
pub(super) use shape::Shape;
pub(super) use track::{Mark, Track, track};
