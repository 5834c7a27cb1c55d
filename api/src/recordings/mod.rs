//! Recordings of streams, below `/api/v1/streams/{id}`: what there is, HLS playlists of any part of it, the media behind them,
//! one MP4 of a part, a picture of a moment. Nothing here decodes or encodes anything: pieces are handed out as they were written, and
//! a worker makes the picture.

pub(crate) mod export;
pub(crate) mod grant;
pub(crate) mod media;
pub(crate) mod overview;
pub(crate) mod player;
pub(crate) mod playlist;
pub(crate) mod still;

mod hls;
mod range;
