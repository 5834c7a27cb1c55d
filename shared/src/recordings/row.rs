//! One row of a recording's index: 32 bytes, little endian.
//!
//! | bytes | of a segment | of a gap |
//! |---|---|---|
//! | 0 to 7 | start, Unix milliseconds | the same |
//! | 8 to 11 | duration, milliseconds | the same |
//! | 12 to 15 | bytes | 0 |
//! | 16 to 19 | epoch of the journal's claim | the same |
//! | 20 to 23 | number within the epoch | the same |
//! | 24 to 27 | its init segment | 0 |
//! | 28 | 1 | 2 |
//! | 29 | 1: not continuous with the segment before; 2: does not begin with a key frame | 0 |
//! | 30 | 0 | cause |
//! | 31 | version of this layout, 1 | the same |

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::InitName;

/// Bytes of a row.
pub const ROW_BYTES: usize = 32;

const VERSION: u8 = 1;
const SEGMENT: u8 = 1;
const GAP: u8 = 2;
const NEW_STRETCH: u8 = 1;
const WITHOUT_KEY: u8 = 2;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Something is stored.
    Segment(Segment),
    /// Nothing is, and why.
    Gap(Gap),
}

/// A stored piece of a stream, from a key frame on as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Time of its first picture, Unix milliseconds.
    pub start_ms: u64,
    /// How long it lasts, milliseconds.
    pub duration_ms: u32,
    /// Its size.
    pub bytes: u32,
    /// Of the claim under which it was written: rises from worker to worker.
    pub epoch: u32,
    /// Its number within the epoch.
    pub seq: u32,
    /// What a player has to know before it.
    pub init: InitName,
    /// Whether it is not the continuation of the segment before.
    pub new_stretch: bool,
    /// Whether decoding can start with it.
    pub starts_with_key: bool,
}

/// A time of which nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Its start, Unix milliseconds.
    pub start_ms: u64,
    /// How long it lasts, milliseconds.
    pub duration_ms: u32,
    /// Why.
    pub cause: GapCause,
    /// Of the claim under which it was written.
    pub epoch: u32,
    /// Its number within the epoch, which it shares with segments.
    pub seq: u32,
}

/// Why nothing is stored of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The source was away, or sent nothing that could be decoded from.
    Source,
    /// The worker died or handed the stream over.
    Worker,
    /// The store did not keep up, or refused what was written.
    StorageSlow,
    /// Nobody recorded: the stream was stopped.
    Stopped,
    /// It was stored, and what was stored is gone.
    Lost,
}

impl Row {
    /// Start, Unix milliseconds.
    pub fn start_ms(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.start_ms,
            Self::Gap(gap) => gap.start_ms,
        }
    }

    /// End, Unix milliseconds.
    pub fn end_ms(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.end_ms(),
            Self::Gap(gap) => gap.start_ms + u64::from(gap.duration_ms),
        }
    }

    /// Bytes in the store.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Segment(segment) => u64::from(segment.bytes),
            Self::Gap(_) => 0,
        }
    }

    /// As it is kept.
    pub fn encode(&self) -> [u8; ROW_BYTES] {
        let (numbers, init, tail) = match self {
            Self::Segment(segment) => {
                let mut flags = 0;
                flags |= if segment.new_stretch { NEW_STRETCH } else { 0 };
                flags |= if segment.starts_with_key { 0 } else { WITHOUT_KEY };
                let numbers = [segment.duration_ms, segment.bytes, segment.epoch, segment.seq];
                (numbers, segment.init.0, [SEGMENT, flags, 0, VERSION])
            }
            Self::Gap(gap) => {
                let numbers = [gap.duration_ms, 0, gap.epoch, gap.seq];
                (numbers, 0, [GAP, 0, gap.cause as u8, VERSION])
            }
        };
        let mut row = [0; ROW_BYTES];
        row[..8].copy_from_slice(&self.start_ms().to_le_bytes());
        for (place, number) in row[8..24].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        row[24..28].copy_from_slice(&init.to_le_bytes());
        row[28..].copy_from_slice(&tail);
        row
    }

    /// From what is kept; `None` for a layout of another version.
    pub fn decode(row: &[u8; ROW_BYTES]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
        let start_ms = u64::from(number(0)) | u64::from(number(4)) << 32;
        let (duration_ms, epoch, seq) = (number(8), number(16), number(20));
        // Beyond all calendars; sums with durations stay within bounds.
        if row[31] != VERSION || start_ms > u64::MAX / 2 {
            return None;
        }
        match row[28] {
            SEGMENT => Some(Self::Segment(Segment {
                start_ms,
                duration_ms,
                bytes: number(12),
                epoch,
                seq,
                init: InitName(number(24)),
                new_stretch: row[29] & NEW_STRETCH != 0,
                starts_with_key: row[29] & WITHOUT_KEY == 0,
            })),
            GAP => Some(Self::Gap(Gap {
                start_ms,
                duration_ms,
                cause: GapCause::ALL.into_iter().find(|cause| *cause as u8 == row[30])?,
                epoch,
                seq,
            })),
            _ => None,
        }
    }

    /// The rows of a page. Those that do not read are passed over.
    pub fn decode_page(page: &[u8]) -> Vec<Self> {
        let (rows, _) = page.as_chunks::<ROW_BYTES>();
        rows.iter().filter_map(Self::decode).collect()
    }
}

impl Segment {
    /// End, Unix milliseconds.
    pub fn end_ms(&self) -> u64 {
        self.start_ms + u64::from(self.duration_ms)
    }
}

impl GapCause {
    /// Every cause.
    pub const ALL: [Self; 5] = [Self::Source, Self::Worker, Self::StorageSlow, Self::Stopped, Self::Lost];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Worker => "worker",
            Self::StorageSlow => "storage_slow",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Row> {
        let numbers = (
            0..u64::MAX / 2,
            any::<[u32; 4]>(),
            any::<u32>(),
            any::<bool>(),
            any::<bool>(),
        );
        let segments = numbers.prop_map(|(start_ms, [duration_ms, bytes, epoch, seq], init, new_stretch, key)| {
            Row::Segment(Segment {
                start_ms,
                duration_ms,
                bytes,
                epoch,
                seq,
                init: InitName(init),
                new_stretch,
                starts_with_key: key,
            })
        });
        let gaps = (0..u64::MAX / 2, any::<[u32; 3]>(), 0..GapCause::ALL.len());
        let gaps = gaps.prop_map(|(start_ms, [duration_ms, epoch, seq], cause)| {
            Row::Gap(Gap {
                start_ms,
                duration_ms,
                cause: GapCause::ALL[cause],
                epoch,
                seq,
            })
        });
        prop_oneof![segments, gaps]
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_was_written(row in rows()) {
            prop_assert_eq!(Row::decode(&row.encode()), Some(row));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for row in Row::decode_page(&bytes) {
                prop_assert!(row.end_ms() >= row.start_ms());
            }
        }
    }

    #[test]
    fn a_row_of_another_version_is_passed_over() {
        let gap = Row::Gap(Gap {
            start_ms: 5,
            duration_ms: 6,
            cause: GapCause::Worker,
            epoch: 1,
            seq: 2,
        });
        let mut page = [gap.encode(), gap.encode()].concat();
        page[31] = 9;
        assert_eq!(Row::decode_page(&page), [gap]);
    }
}
