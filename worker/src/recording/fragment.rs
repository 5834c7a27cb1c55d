//! Fragments: `moof` with the times and sizes of some samples, `mdat` with the samples (ISO/IEC 14496-12, 8.8).
//! `zoetrope_shared::recordings::Fragments` reads what is written here.

use zoetrope_shared::recordings::VIDEO_TRACK;

use super::boxes::{boxed, numbers, versioned};

/// The data is where the fragment begins to count.
const BASE_IS_MOOF: u32 = 0x02_0000;
/// Where the data begins; and of each sample duration, size, flags, offset.
const RUN_FLAGS: u32 = 0x1 | 0x100 | 0x200 | 0x400 | 0x800;
/// Needs no other sample.
const KEY_SAMPLE: u32 = 0x0200_0000;
/// Needs others, and decoding cannot start with it.
const OTHER_SAMPLE: u32 = 0x0101_0000;

/// One picture in a fragment. Times are ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From its decode time to that of the next.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// From its decode time to when it is shown.
    pub offset: i32,
    /// Whether decoding can start here.
    pub is_key: bool,
}

/// A fragment of the video track: its samples from decode time `time` on, their bytes one after the other in `data`.
pub fn fragment(number: u32, time: u64, samples: &[Sample], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 128 + samples.len() * 16);
    let mut data_offset_at = 0;
    boxed(&mut out, b"moof", |out| {
        versioned(out, b"mfhd", 0, 0, |out| numbers(out, &[number]));
        boxed(out, b"traf", |out| {
            versioned(out, b"tfhd", 0, BASE_IS_MOOF, |out| numbers(out, &[VIDEO_TRACK]));
            versioned(out, b"tfdt", 1, 0, |out| out.extend_from_slice(&time.to_be_bytes()));
            // Version 1: offsets may be negative, where a stream does not keep what it promised.
            versioned(out, b"trun", 1, RUN_FLAGS, |out| {
                numbers(out, &[samples.len() as u32]);
                data_offset_at = out.len();
                numbers(out, &[0]);
                for sample in samples {
                    let flags = if sample.is_key { KEY_SAMPLE } else { OTHER_SAMPLE };
                    numbers(
                        out,
                        &[sample.duration, sample.size, flags, sample.offset.cast_unsigned()],
                    );
                }
            });
        });
    });
    let data_offset = out.len() as u32 + 8;
    out[data_offset_at..data_offset_at + 4].copy_from_slice(&data_offset.to_be_bytes());
    boxed(&mut out, b"mdat", |out| out.extend_from_slice(data));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zoetrope_shared::recordings::Fragments;

    use super::*;

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        let sample = (0_u32..1 << 20, 0_u32..64, any::<i32>(), any::<bool>());
        let sample = sample.prop_map(|(duration, size, offset, is_key)| Sample {
            duration,
            size,
            offset,
            is_key,
        });
        proptest::collection::vec(sample, 1..20)
    }

    proptest! {
        #[test]
        fn fragments_are_read_as_they_were_written_up_to_where_they_were_cut(parts in proptest::collection::vec((any::<u64>(), samples()), 1..5), cut in 0_usize..200) {
            let (mut bytes, mut ends, mut ticks) = (Vec::new(), vec![0], vec![0_u64]);
            for (number, (time, samples)) in parts.iter().enumerate() {
                let size: u32 = samples.iter().map(|sample| sample.size).sum();
                bytes.extend(fragment(number as u32, *time, samples, &vec![7; size as usize]));
                ends.push(bytes.len());
                ticks.push(ticks[number] + samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>());
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            let whole = ends.iter().rposition(|end| *end <= bytes.len()).unwrap_or(0);
            let read = Fragments::of(&bytes).expect("they are ours");
            prop_assert_eq!((read.whole_bytes, read.video_ticks), (ends[whole], ticks[whole]));
            prop_assert_eq!(read.first_time(VIDEO_TRACK), parts.first().map(|part| part.0).filter(|_| whole > 0));
        }

        #[test]
        fn moving_fragments_in_time_changes_nothing_else(time in 1_000_u64.., samples in samples()) {
            let size: u32 = samples.iter().map(|sample| sample.size).sum();
            let data = vec![7; size as usize];
            let mut bytes = fragment(5, time, &samples, &data);
            let mut number = 0;
            Fragments::of(&bytes).expect("it is ours").shift(&mut bytes, |_| 1_000, &mut number);
            prop_assert_eq!(bytes, fragment(1, time - 1_000, &samples, &data));
        }
    }
}
