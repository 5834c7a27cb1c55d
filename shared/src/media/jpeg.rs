//! The size in a JPEG's frame header, found as decoders find it.
//!
//! `imagesize` takes the two bytes after a segment for a marker. The format allows any number of fill bytes (FF) before
//! one, and some cameras write them.

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Width and height by the first frame header; `None` if there is none before the pixels.
pub(super) fn dimensions(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut rest = bytes.strip_prefix(&[0xff, START])?;
    loop {
        let filled = rest.strip_prefix(&[0xff])?;
        let fill = filled.iter().take_while(|byte| **byte == 0xff).count();
        let (marker, after) = filled[fill..].split_first()?;
        rest = match *marker {
            0 | END | SCAN => return None,
            // These stand alone.
            1 | 0xd0..=0xd7 | START => after,
            _ => {
                let length = usize::from(u16_at(after, 0)?);
                let segment = after.get(2..length)?;
                if is_frame(*marker) {
                    // One byte of precision comes first.
                    return Some((u16_at(segment, 3)?.into(), u16_at(segment, 1)?.into()));
                }
                &after[length..]
            }
        };
    }
}

/// The frame headers of baseline, progressive, lossless and arithmetic coding.
const fn is_frame(marker: u8) -> bool {
    // Between them lie Huffman tables (C4), an extension (C8) and arithmetic conditioning (CC).
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
