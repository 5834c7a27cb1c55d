//! Whether an image's header is one we would decode: told from magic bytes and dimensions, without decoding.

use super::jpeg;
use super::media_type::{MediaType, bmp_dimensions};

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
    let (width, height) = dimensions(media_type, bytes).ok_or(MediaProblem::Unreadable(media_type))?;
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

fn dimensions(media_type: MediaType, bytes: &[u8]) -> Option<(u64, u64)> {
    match media_type {
        // `imagesize` reads the negative height of a bitmap with downward rows as four billion.
        MediaType::Bmp => return bmp_dimensions(bytes),
        MediaType::Jpeg => return jpeg::dimensions(bytes),
        _ => {}
    }
    let size = imagesize::blob_size(bytes).ok()?;
    Some((size.width as u64, size.height as u64))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::IMAGE_TYPES;
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn bmp(width: i32, height: i32) -> Vec<u8> {
        let mut bytes = b"BM".to_vec();
        bytes.extend([0; 12]);
        bytes.extend(40_u32.to_le_bytes());
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([0; 28]);
        bytes
    }

    /// A bitmap of the first sort, with sizes of two bytes.
    fn core_bmp(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"BM".to_vec();
        bytes.extend([0; 12]);
        bytes.extend(12_u32.to_le_bytes());
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([1, 0, 24, 0]);
        bytes
    }

    /// A JPEG whose frame header comes after `before`.
    fn jpeg(before: &[u8], width: u16, height: u16) -> Vec<u8> {
        let mut bytes = [b"\xff\xd8", before, b"\xff\xc0\0\x0b\x08"].concat();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([1, 1, 0x11, 0]);
        bytes
    }

    fn tiff(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x02\0".to_vec();
        for (tag, value) in [(0x100_u16, width), (0x101, height)] {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn headers_tell_type_and_size() {
        let gif = b"GIF89a\x40\x01\xf0\0\0\0\0".to_vec();
        let cases = [
            (png(320, 240), MediaType::Png),
            (bmp(320, 240), MediaType::Bmp),
            (bmp(320, -240), MediaType::Bmp),
            (core_bmp(320, 240), MediaType::Bmp),
            (jpeg(b"\xff\xe0\0\x04JF", 320, 240), MediaType::Jpeg),
            (tiff(320, 240), MediaType::Tiff),
            (gif, MediaType::Gif),
        ];
        for (bytes, media_type) in cases {
            let expected = ImageHeader {
                media_type,
                width: 320,
                height: 240,
            };
            assert_eq!(check_image(&bytes, IMAGE_TYPES), Ok(expected));
        }
    }

    #[test]
    fn a_jpeg_may_have_fill_bytes_and_markers_without_a_length_before_its_size() {
        let befores: [&[u8]; 5] = [
            b"\xff\xff\xff",
            b"\xff\xff\xff\xe0\0\x04JF\xff\xff",
            b"\xff\xe0\0\x04JF\xff\x01",
            b"\xff\xd0\xff\xd7",
            // A thumbnail is an image of its own inside a segment: its size is not the image's.
            b"\xff\xe1\0\x0f\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01",
        ];
        for before in befores {
            let header = check_image(&jpeg(before, 320, 240), IMAGE_TYPES);
            let size = header.map(|header| (header.width, header.height));
            assert_eq!(size, Ok((320, 240)), "{before:x?}");
        }
        for before in [
            &b"\xff\xda\0\x02"[..],
            b"\xff\xd9",
            b"\xff\xe0\0\x01",
            b"\xff\xe0\xff\xff",
        ] {
            let cut_off = check_image(&jpeg(before, 320, 240), IMAGE_TYPES);
            assert_eq!(cut_off, Err(MediaProblem::Unreadable(MediaType::Jpeg)), "{before:x?}");
        }
    }

    #[test]
    fn pixel_bombs_are_refused_by_their_header() {
        let bombs = [
            (png(16_000, 16_000), 16_000, 16_000),
            (png(65_535, 65_535), 65_535, 65_535),
        ];
        let gif = (b"GIF89a\x60\xea\x60\xea\0\0\0".to_vec(), 60_000, 60_000);
        let signed = (bmp(i32::MAX, i32::MIN), i32::MAX as u64, 1 << 31);
        for (bytes, width, height) in bombs
            .into_iter()
            .chain([gif, signed, (tiff(1 << 20, 1 << 20), 1 << 20, 1 << 20)])
        {
            assert_eq!(
                check_image(&bytes, IMAGE_TYPES),
                Err(MediaProblem::TooManyPixels { width, height })
            );
        }
        assert!(
            check_image(&png(10_000, 5_000), IMAGE_TYPES).is_ok(),
            "50 megapixels are allowed"
        );
    }

    #[test]
    fn each_problem_is_a_sentence() {
        let text = check_image(b"just text, named .png", IMAGE_TYPES).expect_err("no image");
        assert_eq!(
            text.to_string(),
            "the content is of no known media type; accepted: png, jpg, webp, bmp, gif, tiff"
        );
        let video = check_image(b"\0\0\0\x20ftypisom\0\0\x02\0", IMAGE_TYPES).expect_err("no image");
        assert!(
            video.to_string().starts_with("the content is video/mp4; accepted: "),
            "{video}"
        );
        assert_eq!(check_image(b"", IMAGE_TYPES), Err(MediaProblem::Empty));
        let cut_off = check_image(&png(320, 240)[..18], IMAGE_TYPES).expect_err("no header");
        assert_eq!(cut_off.to_string(), "the png header is damaged or cut off");
        assert_eq!(
            check_image(&png(0, 240), IMAGE_TYPES),
            Err(MediaProblem::Unreadable(MediaType::Png))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_check_panic(magic in 0..7_usize, tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let magics: [&[u8]; 7] = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"BM", b"GIF89a", b"II*\0"];
            let bytes = [magics[magic], &tail].concat();
            if let Ok(header) = check_image(&bytes, IMAGE_TYPES) {
                prop_assert!(u64::from(header.width) * u64::from(header.height) <= MAX_PIXELS);
            }
        }
    }
}
