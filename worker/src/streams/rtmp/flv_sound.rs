//! Sound as RTMP carries it: the bodies of FLV's audio tags (Adobe, "Video File Format 10.1", E.4.2) with AAC. Whatever else
//! comes is passed over.

use crate::recording::aac::AacConfig;
use crate::recording::sound::{SampleClock, SoundFrame, SoundTrack};

/// AAC's number, in the upper half of a tag's first byte.
const AAC: u8 = 10;
/// Kinds of AAC's tags.
const CONFIG: u8 = 0;
const FRAME: u8 = 1;
/// Times are told in whole milliseconds, some by rounding up and some down.
const ROUNDING_MS: i64 = 2;

/// What a tag holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// How what follows is coded.
    Track(SoundTrack),
    /// A frame.
    Frame(SoundFrame),
    /// Nothing that is recorded.
    Nothing,
}

/// Reads the tags of one stream.
#[derive(Debug, Default)]
pub(super) struct SoundReader {
    config: Option<AacConfig>,
    clock: SampleClock,
}

impl SoundReader {
    /// Reads a tag. Its time is counted from the first picture, as pictures are; there is none before that.
    pub(super) fn read(&mut self, tag: &[u8], since_ms: Option<i64>) -> Heard {
        let Some(([format, kind], body)) = tag.split_first_chunk::<2>() else {
            return Heard::Nothing;
        };
        match (format >> 4, *kind) {
            (AAC, CONFIG) => {
                let Some(config) = AacConfig::read(body) else {
                    return Heard::Nothing;
                };
                let track = config.track();
                self.config = Some(config);
                Heard::Track(track)
            }
            (AAC, FRAME) if !body.is_empty() => {
                let (Some(config), Some(since_ms)) = (&self.config, since_ms) else {
                    return Heard::Nothing;
                };
                let rate = i64::from(config.rate);
                let told = since_ms * rate / 1_000;
                Heard::Frame(SoundFrame {
                    data: body.to_vec(),
                    ticks: self.clock.place(told, config.samples, rate * ROUNDING_MS / 1_000),
                    duration: config.samples,
                })
            }
            _ => Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG_TAG: [u8; 4] = [0xaf, 0, 0x12, 0x10];

    #[test]
    fn frames_of_aac_follow_each_other_although_their_times_are_rounded() {
        let mut reader = SoundReader::default();
        assert_eq!(
            reader.read(&[0xaf, 1, 7], Some(0)),
            Heard::Nothing,
            "nobody knows how it is coded"
        );
        assert!(matches!(reader.read(&CONFIG_TAG, None), Heard::Track(track) if track.rate == 44_100));
        assert_eq!(reader.read(&[0xaf, 1, 7], None), Heard::Nothing, "no picture has come");
        let ticks = [40, 63, 86].map(|ms| match reader.read(&[0xaf, 1, 7], Some(ms)) {
            Heard::Frame(frame) => (frame.ticks, frame.duration, frame.data),
            other => panic!("{other:?}"),
        });
        let expected = [1_764, 2_788, 3_812].map(|ticks| (ticks, 1_024, vec![7]));
        assert_eq!(ticks, expected);
    }

    #[test]
    fn other_sound_is_passed_over() {
        let mut reader = SoundReader::default();
        // MP3, G.711, a configuration that no file can hold, nothing.
        for tag in [&[0x2f, 1, 2][..], &[0x7f, 1, 2], &[0xaf, 0, 0xff], &[0xaf, 2], &[]] {
            assert_eq!(reader.read(tag, Some(0)), Heard::Nothing, "{tag:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_tag_makes_it_panic(tags in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), any::<i32>()), 0..20)) {
            let mut reader = SoundReader::default();
            reader.read(&CONFIG_TAG, None);
            for (tag, ms) in tags {
                let _ = reader.read(&tag, Some(i64::from(ms)));
            }
        }
    }
}
