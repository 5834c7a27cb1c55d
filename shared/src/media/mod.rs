//! Media: how a client points at it, what its first bytes say it is, and whether a header is one we would decode.
//! Decoding belongs in the worker's media children, fetching in `netguard`, storing in `artifacts`.

mod image_header;
mod jpeg;
mod media_ref;
mod media_type;

pub use image_header::{ImageHeader, MAX_IMAGE_BYTES, MAX_PIXELS, MediaProblem, check_image};
pub use media_ref::{MEDIA_REF_FORMS, MediaRef};
pub use media_type::{DOCUMENT_TYPES, IMAGE_TYPES, MAX_VIDEO_BYTES, MediaType, VIDEO_TYPES};
