//! Speech without sound: text cut into what is spoken at a time, and times made into subtitles. Making sound belongs to
//! media children and providers.

pub mod captions;
pub mod heard;
pub mod overlap;
pub mod pieces;
