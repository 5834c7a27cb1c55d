//! HLS: what comes in segments.

pub mod demuxed;
