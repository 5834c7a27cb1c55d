//! AAC as it comes in MPEG-TS: a head before every frame says how it is coded (ISO/IEC 13818-7, 6.2, "ADTS").

use super::aac::{AacConfig, CHANNELS, RATES, plain_config};

/// Bytes of a head without a checksum, and with one.
const HEAD: usize = 7;
const HEAD_CHECKED: usize = 9;
/// Samples of a frame that heads can speak of.
const SAMPLES: u32 = 1_024;
/// A frame's length has 13 bits, head included.
const MAX_FRAME: usize = (1 << 13) - 1;

/// A frame, read.
#[derive(Debug, PartialEq, Eq)]
pub struct AdtsFrame<'a> {
    /// How it is coded.
    pub config: AacConfig,
    /// The frame without its head, as files hold it.
    pub data: &'a [u8],
}

/// Reads one frame, of which these are all bytes.
pub fn read(bytes: &[u8]) -> Option<AdtsFrame<'_>> {
    let [0xff, second, third, fourth, fifth, sixth, last, ..] = *bytes else {
        return None;
    };
    // The rest of the sync word, and the layer, which is 0.
    if second & 0xf6 != 0xf0 {
        return None;
    }
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    let head = if second & 1 == 1 { HEAD } else { HEAD_CHECKED };
    // One block of 1,024 samples, as everybody writes: more would need to be cut apart.
    if length != bytes.len() || length <= head || last & 3 != 0 {
        return None;
    }
    let object = u32::from(third >> 6) + 1;
    let index = u32::from(third >> 2 & 15);
    let channels = u32::from(third & 1) << 2 | u32::from(fourth >> 6);
    let config = AacConfig::read(&plain_config(object, index, channels))?;
    let data = &bytes[head..];
    Some(AdtsFrame { config, data })
}

/// The head of a frame of so many bytes; none of a frame, or a coding, that no head can speak of.
pub fn head(config: &AacConfig, bytes: usize) -> Option<[u8; HEAD]> {
    let index = RATES.iter().position(|rate| *rate == config.rate)? as u8;
    let channels = CHANNELS.iter().position(|channels| *channels == config.channels)? as u8;
    let length = bytes + HEAD;
    if bytes == 0 || length > MAX_FRAME || config.samples != SAMPLES {
        return None;
    }
    let profile = (config.object - 1) as u8;
    Some([
        0xff,
        0xf1,
        profile << 6 | index << 2 | channels >> 2,
        channels << 6 | (length >> 11) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(config: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let head = head(&AacConfig::read(config)?, data.len())?;
        Some([&head[..], data].concat())
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        // Low complexity, stereo at 44,100 Hz and mono at 8,000; SBR over 22,050 Hz, of which heads tell the core alone.
        for (config, told) in [
            (&[0x12, 0x10][..], [0x12, 0x10]),
            (&[0x15, 0x88], [0x15, 0x88]),
            (&[0x2b, 0x92, 0x08, 0x00], [0x13, 0x90]),
        ] {
            let frame = framed(config, b"sound").expect("a head can speak of it");
            let read = read(&frame).expect("it is whole");
            assert_eq!(read.data, b"sound");
            assert_eq!(Some(read.config), AacConfig::read(&told));
        }
        assert_eq!(framed(&[0x12, 0x14], b"short blocks"), None);
        assert_eq!(framed(&[0x12, 0x10], &[0; MAX_FRAME]), None);
    }

    #[test]
    fn heads_of_other_writers_are_read_with_their_checksum_or_without() {
        // As FFmpeg writes stereo at 48,000 Hz; then with a checksum of two bytes.
        let plain = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 7, 8];
        let checked = [0xff, 0xf0, 0x4c, 0x80, 0x01, 0x7f, 0xfc, 1, 2, 7, 8];
        for frame in [&plain[..], &checked] {
            let read = read(frame).expect("it is whole");
            assert_eq!(
                (read.config.rate, read.config.channels, read.data),
                (48_000, 2, &[7, 8][..])
            );
        }
        let mut two_blocks = plain;
        two_blocks[6] |= 1;
        for none in [&plain[..8], &two_blocks, &checked[1..], b""] {
            assert_eq!(read(none), None, "{none:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
