//! One file per command, except `up`, which has its own module.

mod cancel;
mod doctor;
mod follow;
mod fsck;
mod get;
mod key;
mod kinds;
mod list;
mod queue;
mod rules;
mod steps;
mod stream;
mod submit;
mod wait;
mod why;
mod worker;

pub(crate) use self::cancel::cancel;
pub(crate) use self::doctor::doctor;
pub(crate) use self::fsck::fsck;
pub(crate) use self::get::get;
pub(crate) use self::key::key;
pub(crate) use self::kinds::kinds;
pub(crate) use self::list::list;
pub(crate) use self::queue::queue;
pub(crate) use self::steps::steps;
pub(crate) use self::stream::stream;
pub(crate) use self::submit::submit;
pub(crate) use self::wait::{wait, wait_for};
pub(crate) use self::why::why;
pub(crate) use self::worker::worker;
