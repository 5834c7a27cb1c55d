//! Watching streams: from a source to scenes. What needs no network and no clock is a state machine with its tests in
//! a file of its own; `rtsp` and `film` do the input and output around them, and `live` joins the stages.
//!
//! ```text
//! Source -packets-> link 1 -> media child: decode, sample, gate -frames-> link 2 -> windows -> scenes
//!                                                                                \-> link 3 -> a model -/
//! link 1  full: skip to the next key frame, count it
//! link 2  full: drop the oldest frame, count it
//! link 3  busy: the newest window waits, those that it replaces are described locally and counted
//! ```
//! Only live streams drop. Films wait: the next piece is asked for once the last one is described.

pub mod backoff;
pub mod bitstream;
pub mod budget;
pub mod cause;
pub mod clocks;
pub mod connection;
pub mod describe;
pub mod desk;
pub mod purse;
pub mod reading;
pub mod rtmp;
pub mod sampler;
pub mod shutter;
pub mod watchdog;
pub mod windows;

mod decoding;
pub mod film;
pub mod frame_link;
pub mod groups;
pub mod hls;
pub mod latest;
pub mod length_prefixed;
pub mod live;
pub mod narrator;
pub mod opening;
pub mod packet_link;
pub mod recorded;
pub mod reporting;
pub mod rtsp;
pub mod scribe;
mod sources;
pub mod status;
pub mod thread;
pub mod trial;
pub mod view;
