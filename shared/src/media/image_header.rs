//! Whether an image's header is one we would decode: told from magic bytes and dimensions, without decoding.

use super::MediaType;

/// Most pixels of an image: a 0.75 MB PNG of 16000x16000 costs its decoder 800 MB.
pub const MAX_PIXELS: u64 = 50_000_000;
/// Largest image, bytes.
pub const MAX_IMAGE_BYTES: u64 = 64 * 1024 * 1024;

/// What an image's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// By its magic bytes.
    pub media_type: MediaType,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Why bytes are not an image that we would decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaProblem {
    /// No bytes.
    #[error("the media is empty")]
    Empty,
    /// Another type than the field takes.
    #[error("{}; {}", found_sentence(*.found), accepted_sentence(.accepts))]
    NotAccepted {
        /// What it is, if we know.
        found: Option<MediaType>,
        /// What would do.
        accepts: Vec<MediaType>,
    },
    /// The type fits, the header cannot be read.
    #[error("the {} header is damaged or cut off", .0.extension())]
    Unreadable(MediaType),
    /// More pixels than are decoded.
    #[error("the image has {width} x {height} pixels; at most {MAX_PIXELS} pixels are allowed")]
    TooManyPixels {
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
    },
}

/// Checks magic bytes and header dimensions. What only decoding can show is left to the media child.
pub fn check_image(bytes: &[u8], accepts: &[MediaType]) -> Result<ImageHeader, MediaProblem> {
    if bytes.is_empty() {
        return Err(MediaProblem::Empty);
    }
    let found = MediaType::sniff(bytes);
    let Some(media_type) = found.filter(|found| accepts.contains(found)) else {
        return Err(MediaProblem::NotAccepted {
            found,
            accepts: accepts.to_vec(),
        });
    };
    let size = imagesize::blob_size(bytes).map_err(|_| MediaProblem::Unreadable(media_type))?;
    let (width, height) = (size.width as u64, size.height as u64);
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(MediaProblem::TooManyPixels { width, height });
    }
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok(ImageHeader {
            media_type,
            width,
            height,
        }),
        _ => Err(MediaProblem::Unreadable(media_type)),
    }
}

fn found_sentence(found: Option<MediaType>) -> String {
    match found {
        Some(media_type) => format!("the content is {}", media_type.content_type()),
        None => "the content is of no known media type".to_owned(),
    }
}

fn accepted_sentence(accepts: &[MediaType]) -> String {
    let names: Vec<_> = accepts.iter().map(|media_type| media_type.extension()).collect();
    format!("accepted: {}", names.join(", "))
}
