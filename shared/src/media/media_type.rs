//! What bytes are, told by the bytes. Names and declared types are never trusted.

/// The image types that the kinds decode.
pub const IMAGE_TYPES: &[MediaType] = &[
    MediaType::Png,
    MediaType::Jpeg,
    MediaType::Webp,
    MediaType::Bmp,
    MediaType::Gif,
    MediaType::Tiff,
];

/// The image types, and documents whose pages are read as images.
pub const DOCUMENT_TYPES: &[MediaType] = &[
    MediaType::Png,
    MediaType::Jpeg,
    MediaType::Webp,
    MediaType::Bmp,
    MediaType::Gif,
    MediaType::Tiff,
    MediaType::Pdf,
];

/// The video types that the kinds decode.
pub const VIDEO_TYPES: &[MediaType] = &[
    MediaType::Mp4,
    MediaType::Mov,
    MediaType::Mkv,
    MediaType::Webm,
    MediaType::Avi,
];

/// Largest video, bytes: what an upload may have.
pub const MAX_VIDEO_BYTES: u64 = 500 * 1024 * 1024;
/// Where the name of its kind stands in a Matroska file.
const EBML_HEAD_BYTES: usize = 4_096;

/// A type of media that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// PNG image.
    Png,
    /// JPEG image.
    Jpeg,
    /// WebP image.
    Webp,
    /// Windows bitmap.
    Bmp,
    /// GIF image.
    Gif,
    /// TIFF image, one or more pages.
    Tiff,
    /// PDF document, one or more pages.
    Pdf,
    /// MPEG-4 video.
    Mp4,
    /// AVI video.
    Avi,
    /// `QuickTime` video.
    Mov,
    /// Matroska video.
    Mkv,
    /// `WebM` video.
    Webm,
    /// WAVE audio.
    Wav,
    /// MP3 audio.
    Mp3,
    /// Ogg audio (Vorbis, Opus).
    Ogg,
    /// FLAC audio.
    Flac,
    /// MPEG-4 audio.
    M4a,
    /// AAC audio in ADTS.
    Aac,
}

impl MediaType {
    /// Every type.
    pub const ALL: &[Self] = &[
        Self::Png,
        Self::Jpeg,
        Self::Webp,
        Self::Bmp,
        Self::Gif,
        Self::Tiff,
        Self::Pdf,
        Self::Mp4,
        Self::Avi,
        Self::Mov,
        Self::Mkv,
        Self::Webm,
        Self::Wav,
        Self::Mp3,
        Self::Ogg,
        Self::Flac,
        Self::M4a,
        Self::Aac,
    ];

    /// The type that the first 4 KiB show; `None` if we take no such type.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"BM") {
            // Two letters would make a bitmap of every text on BMW.
            return bmp_dimensions(bytes).map(|_| Self::Bmp);
        }
        if bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
            let head = &bytes[..bytes.len().min(EBML_HEAD_BYTES)];
            let names = |doctype: &[u8]| head.windows(doctype.len()).any(|window| window == doctype);
            return if names(b"webm") {
                Some(Self::Webm)
            } else {
                names(b"matroska").then_some(Self::Mkv)
            };
        }
        Some(match infer::get(bytes)?.mime_type() {
            "image/png" => Self::Png,
            "image/jpeg" => Self::Jpeg,
            "image/webp" => Self::Webp,
            "image/gif" => Self::Gif,
            "image/tiff" => Self::Tiff,
            "application/pdf" => Self::Pdf,
            "video/mp4" | "video/x-m4v" => Self::Mp4,
            "video/x-msvideo" => Self::Avi,
            "video/quicktime" => Self::Mov,
            "audio/x-wav" => Self::Wav,
            "audio/mpeg" => Self::Mp3,
            "audio/ogg" | "audio/opus" => Self::Ogg,
            "audio/x-flac" => Self::Flac,
            "audio/m4a" => Self::M4a,
            "audio/aac" => Self::Aac,
            _ => return None,
        })
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Bmp => "image/bmp",
            Self::Gif => "image/gif",
            Self::Tiff => "image/tiff",
            Self::Pdf => "application/pdf",
            Self::Mp4 => "video/mp4",
            Self::Avi => "video/x-msvideo",
            Self::Mov => "video/quicktime",
            Self::Mkv => "video/x-matroska",
            Self::Webm => "video/webm",
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::M4a => "audio/mp4",
            Self::Aac => "audio/aac",
        }
    }

    /// Its usual file extension, without a dot; also its name in messages.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Bmp => "bmp",
            Self::Gif => "gif",
            Self::Tiff => "tiff",
            Self::Pdf => "pdf",
            Self::Mp4 => "mp4",
            Self::Avi => "avi",
            Self::Mov => "mov",
            Self::Mkv => "mkv",
            Self::Webm => "webm",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::M4a => "m4a",
            Self::Aac => "aac",
        }
    }

    /// Whether it is a still image (GIF counts).
    pub const fn is_image(self) -> bool {
        matches!(
            self,
            Self::Png | Self::Jpeg | Self::Webp | Self::Bmp | Self::Gif | Self::Tiff
        )
    }
}

/// Width and height by a bitmap's header; `None` if it is none that exists.
pub(super) fn bmp_dimensions(bytes: &[u8]) -> Option<(u64, u64)> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let i32_at = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match i32_at(14)? {
        12 => Some((u16_at(18)?.into(), u16_at(20)?.into())),
        // A negative height means that the rows run downwards.
        40 | 52 | 56 | 64 | 108 | 124 => Some((
            u64::try_from(i32_at(18)?).unwrap_or(0),
            i32_at(22)?.unsigned_abs().into(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_content() {
        let ebml = |doctype: &[u8]| [&[0x1a, 0x45, 0xdf, 0xa3, 0xa3, 0x42, 0x82, 0x88], doctype, &[0; 8]].concat();
        let cases: [(&[u8], Option<MediaType>); 17] = [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(MediaType::Png)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some(MediaType::Jpeg)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some(MediaType::Webp)),
            (b"RIFF\x24\0\0\0WAVEfmt ", Some(MediaType::Wav)),
            (b"RIFF\x24\0\0\0AVI LIST", Some(MediaType::Avi)),
            (b"GIF89a\x01\0\x01\0", Some(MediaType::Gif)),
            (b"II*\0\x08\0\0\0\x02\0\0\x01", Some(MediaType::Tiff)),
            (b"%PDF-1.7\n", Some(MediaType::Pdf)),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", Some(MediaType::Mp4)),
            (b"\0\0\0\x14ftypqt  \0\0\x02\0", Some(MediaType::Mov)),
            (b"fLaC\0\0\0\x22", Some(MediaType::Flac)),
            (b"OggS\0\x02", Some(MediaType::Ogg)),
            (&ebml(b"matroska"), Some(MediaType::Mkv)),
            (&ebml(b"webm"), Some(MediaType::Webm)),
            (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", None),
            (b"ffconcat version 1.0\nfile /etc/passwd", None),
            (b"BMW builds cars, and this is a text about them.", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(MediaType::sniff(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
        for bytes in [
            &b""[..],
            b"a",
            &[0xff; 64],
            &[0; 64],
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        ] {
            assert_eq!(MediaType::sniff(bytes), None, "{bytes:?}");
        }
    }
}
