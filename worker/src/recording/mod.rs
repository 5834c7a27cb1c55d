//! Recording: compressed pictures of a live stream, as they came, written down as fragmented MP4. What needs no clock, no
//! network and no disk is pure and has its tests in a file of its own; `recorder` does the input and output around it, and
//! `still` reads it again for a picture.
//!
//! ```text
//! Source -pictures-> spool -> encoding -> muxer: units, parameters, order -> fragments -> parts of a segment -> rows of the index
//! spool  full: nothing is taken until the next key frame; the time is a gap named `storage_slow`
//! ```
//! Video is never encoded again. No media library is involved: what is read of strangers' pictures are their parameter
//! sets, bounded and without any effect on the rest of the process.

pub mod aac;
pub mod adts;
pub mod boxes;
pub mod fragment;
pub mod h264;
pub mod h265;
pub mod init;
pub mod muxer;
pub mod order;
pub mod parameters;
pub mod sound;
pub mod units;
pub mod voice;

mod disk;
pub mod encoding;
pub mod recorder;
pub mod spool;
pub mod still;
