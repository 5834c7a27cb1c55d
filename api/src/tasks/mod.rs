//! Tasks that are in the queue: read, waited for, listed, cancelled.

pub(crate) mod ask;
pub(crate) mod list;
pub(crate) mod one;
pub(crate) mod view;
pub(crate) mod wait;
pub(crate) mod why;
