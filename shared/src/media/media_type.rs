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

    /// The type that the first bytes show (64 are enough for most, 4 KiB for Matroska); `None` if we take no such type.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        Some(match infer::get(bytes)?.mime_type() {
            "image/png" => Self::Png,
            "image/jpeg" => Self::Jpeg,
            "image/webp" => Self::Webp,
            "image/bmp" => Self::Bmp,
            "image/gif" => Self::Gif,
            "image/tiff" => Self::Tiff,
            "video/mp4" => Self::Mp4,
            "video/x-msvideo" => Self::Avi,
            "video/quicktime" => Self::Mov,
            "video/x-matroska" => Self::Mkv,
            "video/webm" => Self::Webm,
            "audio/x-wav" => Self::Wav,
            "audio/mpeg" => Self::Mp3,
            "audio/ogg" => Self::Ogg,
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
