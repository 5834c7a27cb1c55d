//! AAC as files hold it: what an `AudioSpecificConfig` says (ISO/IEC 14496-3, 1.6.2.1), and the sample entry made of it
//! (ISO/IEC 14496-14, 5.6.1).

use h264_reader::rbsp::{BitRead, BitReader};

use super::boxes::{boxed, numbers, versioned};
use super::sound::{SoundCoding, SoundTrack};

/// Longest configuration: real ones are two to seven bytes, and sizes of descriptors here have one byte.
const MAX_CONFIG: usize = 32;
/// Sampling rates by their index.
pub(super) const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
/// Index that says that the rate follows.
const RATE_FOLLOWS: u32 = 15;
/// Object types: the four of MPEG-2 and long-term prediction, and those that wrap one of them (SBR, parametric stereo).
const PLAIN: std::ops::RangeInclusive<u32> = 1..=4;
const WRAPPED: [u32; 2] = [5, 29];
/// Low complexity, which every encoder makes.
const LOW_COMPLEXITY: u32 = 2;
/// Channels by their configuration; 0 would describe them elsewhere.
pub(super) const CHANNELS: [u16; 8] = [0, 1, 2, 3, 4, 5, 6, 8];
/// Samples of a frame, and of one whose configuration says that it is short.
const FRAME: u32 = 1_024;
const SHORT_FRAME: u32 = 960;

/// How a stream of AAC is to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    config: Vec<u8>,
    /// Its object type, of what is wrapped where something is.
    pub(super) object: u32,
    /// Samples a second, as frames count them.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// Samples of a frame.
    pub samples: u32,
}

impl AacConfig {
    /// Reads an `AudioSpecificConfig`; nothing of one that a file cannot hold.
    pub fn read(config: &[u8]) -> Option<Self> {
        if config.len() > MAX_CONFIG {
            return None;
        }
        let mut bits = BitReader::new(config);
        let object: u32 = bits.read(5, "audioObjectType").ok()?;
        let rate = read_rate(&mut bits)?;
        let channels: u32 = bits.read(4, "channelConfiguration").ok()?;
        let object = if WRAPPED.contains(&object) {
            read_rate(&mut bits)?;
            bits.read(5, "audioObjectType").ok()?
        } else {
            object
        };
        let is_short = bits.read_bool("frameLengthFlag").ok()?;
        let channels = *CHANNELS.get(channels as usize).filter(|channels| **channels > 0)?;
        PLAIN.contains(&object).then(|| Self {
            config: config.to_vec(),
            object,
            rate,
            channels,
            samples: if is_short { SHORT_FRAME } else { FRAME },
        })
    }

    /// Low complexity at one of the standard's rates, one channel.
    pub fn mono(rate: u32) -> Option<Self> {
        let index = RATES.iter().position(|known| *known == rate)?;
        Self::read(&plain_config(LOW_COMPLEXITY, index as u32, 1))
    }

    /// What a recording has to know.
    pub fn track(&self) -> SoundTrack {
        SoundTrack {
            rate: self.rate,
            entry: self.sample_entry().into(),
            coding: SoundCoding::Aac,
        }
    }

    fn sample_entry(&self) -> Vec<u8> {
        let mut entry = Vec::new();
        boxed(&mut entry, b"mp4a", |out| {
            // The data is in this very file.
            numbers(out, &[0, 1, 0, 0]);
            // Samples of 16 bits, as everybody writes.
            numbers(out, &[u32::from(self.channels) << 16 | 16, 0]);
            // A rate that 16 bits do not hold is told by the configuration alone.
            numbers(out, &[u16::try_from(self.rate).map_or(0, |rate| u32::from(rate) << 16)]);
            versioned(out, b"esds", 0, 0, |out| {
                let specific = descriptor(5, &self.config);
                // Audio of MPEG-4, downstream; buffer and bit rates are not known.
                let decoder = [&[0x40, 0x15][..], &[0; 11], &specific].concat();
                // No id, no dependence; times are the file's.
                let stream = [&[0; 3][..], &descriptor(4, &decoder), &descriptor(6, &[2])].concat();
                out.extend(descriptor(3, &stream));
            });
        });
        entry
    }
}

/// The configuration of these three.
pub(super) fn plain_config(object: u32, index: u32, channels: u32) -> [u8; 2] {
    ((object << 11 | index << 7 | channels << 3) as u16).to_be_bytes()
}

fn read_rate(bits: &mut impl BitRead) -> Option<u32> {
    let index: u32 = bits.read(4, "samplingFrequencyIndex").ok()?;
    let rate = if index == RATE_FOLLOWS {
        bits.read(24, "samplingFrequency").ok()?
    } else {
        *RATES.get(index as usize)?
    };
    (1..=RATES[0]).contains(&rate).then_some(rate)
}

/// A descriptor of MPEG-4 systems: its tag, its size, its content.
fn descriptor(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, content.len() as u8][..], content].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(config: &[u8]) -> Option<(u32, u16, u32)> {
        AacConfig::read(config).map(|config| (config.rate, config.channels, config.samples))
    }

    #[test]
    fn configurations_say_rate_channels_and_the_length_of_a_frame() {
        assert_eq!(told(&[0x12, 0x10]), Some((44_100, 2, 1_024)));
        assert_eq!(told(&[0x15, 0x88]), Some((8_000, 1, 1_024)));
        assert_eq!(told(&[0x12, 0x14]), Some((44_100, 2, 960)));
        // SBR over 22,050 Hz, named explicitly.
        assert_eq!(told(&[0x2b, 0x92, 0x08, 0x00]), Some((22_050, 2, 1_024)));
        for none in [
            &[][..],
            &[0x12],
            &[0x12, 0x00],
            &[0x17, 0x10],
            &[0xf8, 0x10],
            &[0x12; 40],
        ] {
            assert_eq!(told(none), None, "{none:x?}");
        }
        let mono = AacConfig::mono(8_000).map(|config| config.config);
        assert_eq!((mono, AacConfig::mono(8_001)), (Some(vec![0x15, 0x88]), None));
    }

    #[test]
    fn the_sample_entry_is_as_other_writers_write_it() {
        let track = AacConfig::read(&[0x12, 0x10]).expect("it reads").track();
        let expected = [
            &[0, 0, 0, 75][..],
            b"mp4a",
            &[
                0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 0, 0xac, 0x44, 0, 0,
            ],
            &[0, 0, 0, 39],
            b"esds",
            &[
                0, 0, 0, 0, 3, 25, 0, 0, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            &[5, 2, 0x12, 0x10, 6, 1, 2],
        ]
        .concat();
        assert_eq!((track.rate, &track.entry[..]), (44_100, &expected[..]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = AacConfig::read(&bytes).map(|config| config.track());
        }
    }
}
