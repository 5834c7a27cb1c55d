//! Image files that are nothing but a header: the api looks no further.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A PNG that says it has these dimensions.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// A small GIF.
pub(crate) fn gif() -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([20, 0, 10, 0, 0, 0, 0, 0x3b]);
    bytes
}

/// The first bytes of an MP4.
pub(crate) fn mp4(length: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

/// Bytes as JSON carries them.
pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
