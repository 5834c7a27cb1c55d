//! Fragments: `moof` with the times and sizes of some samples, `mdat` with the samples (ISO/IEC 14496-12, 8.8).
//! `zoetrope_shared::recordings::Fragments` reads what is written here.

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

/// The samples of one track in a fragment.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The track.
    pub track: u32,
    /// Decode time of the first.
    pub time: u64,
    /// At least one.
    pub samples: &'a [Sample],
    /// Their bytes, one after the other.
    pub data: &'a [u8],
}

/// A fragment of some tracks.
pub fn fragment(number: u32, runs: &[Run<'_>]) -> Vec<u8> {
    let bytes: usize = runs
        .iter()
        .map(|run| run.data.len() + run.samples.len() * 16 + 128)
        .sum();
    let mut out = Vec::with_capacity(bytes);
    let mut offsets_at = Vec::new();
    boxed(&mut out, b"moof", |out| {
        versioned(out, b"mfhd", 0, 0, |out| numbers(out, &[number]));
        for run in runs {
            boxed(out, b"traf", |out| offsets_at.push(track_run(out, run)));
        }
    });
    let mut data_at = out.len() as u32 + 8;
    for (run, at) in runs.iter().zip(offsets_at) {
        out[at..at + 4].copy_from_slice(&data_at.to_be_bytes());
        data_at += run.data.len() as u32;
    }
    boxed(&mut out, b"mdat", |out| {
        for run in runs {
            out.extend_from_slice(run.data);
        }
    });
    out
}

/// Appends the samples of a track, and answers where the place of their data is to be written.
fn track_run(out: &mut Vec<u8>, run: &Run<'_>) -> usize {
    let mut offset_at = 0;
    versioned(out, b"tfhd", 0, BASE_IS_MOOF, |out| numbers(out, &[run.track]));
    versioned(out, b"tfdt", 1, 0, |out| out.extend_from_slice(&run.time.to_be_bytes()));
    // Version 1: offsets may be negative, where a stream does not keep what it promised.
    versioned(out, b"trun", 1, RUN_FLAGS, |out| {
        numbers(out, &[run.samples.len() as u32]);
        offset_at = out.len();
        numbers(out, &[0]);
        for sample in run.samples {
            let flags = if sample.is_key { KEY_SAMPLE } else { OTHER_SAMPLE };
            numbers(
                out,
                &[sample.duration, sample.size, flags, sample.offset.cast_unsigned()],
            );
        }
    });
    offset_at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zoetrope_shared::recordings::{Fragments, SOUND_TRACK, VIDEO_TRACK};

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

    /// A fragment of pictures, with sound beside them that is none of their business.
    fn written(number: u32, time: u64, samples: &[Sample], data: &[u8]) -> Vec<u8> {
        let sound = Sample {
            duration: 1_024,
            size: 3,
            offset: 0,
            is_key: true,
        };
        let pictures = Run {
            track: VIDEO_TRACK,
            time,
            samples,
            data,
        };
        let sound = Run {
            track: SOUND_TRACK,
            time,
            samples: &[sound],
            data: &[1, 2, 3],
        };
        fragment(number, &[pictures, sound])
    }

    proptest! {
        #[test]
        fn fragments_are_read_as_they_were_written_up_to_where_they_were_cut(parts in proptest::collection::vec((any::<u64>(), samples()), 1..5), cut in 0_usize..200) {
            let (mut bytes, mut ends, mut ticks) = (Vec::new(), vec![0], vec![0_u64]);
            for (number, (time, samples)) in parts.iter().enumerate() {
                let size: u32 = samples.iter().map(|sample| sample.size).sum();
                bytes.extend(written(number as u32, *time, samples, &vec![7; size as usize]));
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
            let mut bytes = written(5, time, &samples, &data);
            let mut number = 0;
            Fragments::of(&bytes).expect("it is ours").shift(&mut bytes, |_| 1_000, &mut number);
            prop_assert_eq!(bytes, written(1, time - 1_000, &samples, &data));
        }
    }
}
