//! Reading fragments of MP4 as our own writer makes them: `moof`, `mdat`, `moof`, `mdat`, ... (ISO/IEC 14496-12). Enough to tell
//! which of them are whole and how long they last, and to move them in time. Whatever else is in a file is an error.

use std::collections::BTreeMap;
use std::ops::Range;

/// The id of the video track.
pub const VIDEO_TRACK: u32 = 1;
/// The id of the track of sound.
pub const SOUND_TRACK: u32 = 2;
/// Ticks a second of the video track, those of RTP.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// Ticks a second of each track of an init segment of ours.
///
/// # Errors
/// When it is none.
pub fn timescales(init: &[u8]) -> Result<BTreeMap<u32, u32>, FragmentError> {
    let mut found = BTreeMap::new();
    for moov in inside(init, 0..init.len(), b"moov")? {
        for trak in inside(init, moov, b"trak")? {
            let id = inside(init, trak.clone(), b"tkhd")?.into_iter().next();
            let mdia = inside(init, trak, b"mdia")?.into_iter().next();
            let mdhd = mdia.map(|mdia| inside(init, mdia, b"mdhd")).transpose()?;
            let mdhd = mdhd.and_then(|mdhd| mdhd.into_iter().next());
            let (Some(id), Some(mdhd)) = (id, mdhd) else {
                return Err(FragmentError("a track lacks its head"));
            };
            // Both stand behind version, flags and two times of four bytes.
            let id = number(init, field(init, id.start + 12, id.end)?);
            found.insert(id, number(init, field(init, mdhd.start + 12, mdhd.end)?));
        }
    }
    Ok(found)
}

/// The contents of the boxes of this type in a range.
fn inside(bytes: &[u8], range: Range<usize>, kind: &[u8; 4]) -> Result<Vec<Range<usize>>, FragmentError> {
    let (mut at, mut found) = (range.start, Vec::new());
    while at < range.end {
        let (this, end) = within(bytes, at, range.end)?;
        found.extend((this == *kind).then_some(at + HEADER..end));
        at = end;
    }
    Ok(found)
}

/// Bytes of a box's size and type.
const HEADER: usize = 8;

/// Where the fragments of a segment lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragments {
    /// Bytes of whole fragments; what follows was not written to its end.
    pub whole_bytes: usize,
    /// How long the video of the whole ones lasts, ticks of [`VIDEO_TIMESCALE`].
    pub video_ticks: u64,
    /// Where the 64-bit decode times of the tracks lie: position, track, time.
    times: Vec<(usize, u32, u64)>,
    /// Where the 32-bit numbers of fragments lie.
    numbers: Vec<usize>,
}

/// These are no fragments of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a segment of ours: {0}")]
pub struct FragmentError(&'static str);

impl Fragments {
    /// Reads the fragments of a segment, which may end in the middle of one.
    ///
    /// # Errors
    /// When a box is not one that our writer makes.
    pub fn of(bytes: &[u8]) -> Result<Self, FragmentError> {
        let mut found = Self::default();
        loop {
            let at = found.whole_bytes;
            let Some((kind, moof)) = next_box(bytes, at)? else {
                return Ok(found);
            };
            if kind != *b"moof" {
                return Err(FragmentError("a fragment does not begin with moof"));
            }
            let Some((kind, mdat)) = next_box(bytes, moof.end)? else {
                return Ok(found);
            };
            if kind != *b"mdat" {
                return Err(FragmentError("moof is not followed by mdat"));
            }
            found.read_moof(bytes, moof.start + HEADER, moof.end)?;
            found.whole_bytes = mdat.end;
        }
    }

    /// Decode time of a track's first sample, its own ticks.
    pub fn first_time(&self, track: u32) -> Option<u64> {
        self.times
            .iter()
            .find(|(_, of, _)| *of == track)
            .map(|(_, _, time)| *time)
    }

    /// The tracks, each once, in the order in which they appear.
    pub fn tracks(&self) -> Vec<u32> {
        let mut tracks: Vec<u32> = Vec::new();
        for (_, track, _) in &self.times {
            if !tracks.contains(track) {
                tracks.push(*track);
            }
        }
        tracks
    }

    /// Moves every track back by its ticks (`earlier` answers them by track), and numbers fragments on from `number`.
    pub fn shift(&self, bytes: &mut [u8], earlier: impl Fn(u32) -> u64, number: &mut u32) {
        for (at, track, time) in &self.times {
            let moved = time.saturating_sub(earlier(*track));
            bytes[*at..*at + 8].copy_from_slice(&moved.to_be_bytes());
        }
        for at in &self.numbers {
            *number = number.wrapping_add(1);
            bytes[*at..*at + 4].copy_from_slice(&number.to_be_bytes());
        }
    }

    fn read_moof(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), FragmentError> {
        let mut at = start;
        while at < end {
            let inner = within(bytes, at, end)?;
            match &inner.0 {
                b"mfhd" => self.numbers.push(field(bytes, at + HEADER + 4, inner.1)?),
                b"traf" => self.read_traf(bytes, at + HEADER, inner.1)?,
                _ => return Err(FragmentError("an unknown box in moof")),
            }
            at = inner.1;
        }
        Ok(())
    }

    fn read_traf(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), FragmentError> {
        let (mut at, mut track) = (start, 0);
        while at < end {
            let (kind, next) = within(bytes, at, end)?;
            match &kind {
                b"tfhd" => track = number(bytes, field(bytes, at + HEADER + 4, next)?),
                b"tfdt" => {
                    let low = field(bytes, at + HEADER + 8, next)?;
                    let time = u64::from(number(bytes, low - 4)) << 32 | u64::from(number(bytes, low));
                    self.times.push((low - 4, track, time));
                }
                b"trun" if track == VIDEO_TRACK => self.video_ticks += durations(bytes, at, next)?,
                b"trun" => {}
                _ => return Err(FragmentError("an unknown box in traf")),
            }
            at = next;
        }
        Ok(())
    }
}

/// The sum of the durations in a `trun` of duration, size, flags and offset for every sample.
fn durations(bytes: &[u8], at: usize, end: usize) -> Result<u64, FragmentError> {
    const SAMPLE: usize = 16;
    let count = number(bytes, field(bytes, at + HEADER + 4, end)?) as usize;
    let samples = at + HEADER + 12;
    let fits = count.checked_mul(SAMPLE).and_then(|length| length.checked_add(samples)) == Some(end);
    if !fits {
        return Err(FragmentError("trun is not as long as its samples"));
    }
    let each = bytes[samples..end].chunks_exact(SAMPLE);
    Ok(each.map(|sample| u64::from(number(sample, 0))).sum())
}

/// The position of four bytes that lie before `end`.
fn field(bytes: &[u8], at: usize, end: usize) -> Result<usize, FragmentError> {
    let fits = at + 4 <= end && end <= bytes.len();
    fits.then_some(at).ok_or(FragmentError("a box is too short"))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Type and end of the box inside of another one.
fn within(bytes: &[u8], at: usize, end: usize) -> Result<([u8; 4], usize), FragmentError> {
    match next_box(bytes, at)? {
        Some((kind, range)) if range.end <= end => Ok((kind, range.end)),
        _ => Err(FragmentError("a box ends outside of the one around it")),
    }
}

/// Type and place of a box.
type Found = ([u8; 4], Range<usize>);

/// Type and place of the box at this position; `None` if it is not whole.
fn next_box(bytes: &[u8], at: usize) -> Result<Option<Found>, FragmentError> {
    let Some(head) = bytes.get(at..at + HEADER) else {
        return Ok(None);
    };
    let size = number(head, 0) as usize;
    if size < HEADER {
        return Err(FragmentError("a box is smaller than its head"));
    }
    let end = at + size;
    Ok((end <= bytes.len()).then(|| ([head[4], head[5], head[6], head[7]], at..end)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_and_half_a_box_are_no_fragments_and_foreign_boxes_are_errors() {
        assert_eq!(Fragments::of(&[]), Ok(Fragments::default()));
        assert_eq!(
            Fragments::of(&[0, 0, 0, 20, b'm', b'o', b'o', b'f']),
            Ok(Fragments::default())
        );
        assert!(Fragments::of(&[0, 0, 0, 8, b'f', b'r', b'e', b'e']).is_err());
        assert!(Fragments::of(&[0, 0, 0, 7, b'm', b'o', b'o', b'f']).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kinds in proptest::collection::vec((0_usize..100, 0_usize..7), 0..6)) {
            let names = [b"moof", b"mdat", b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun"];
            for (at, kind) in kinds {
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(names[kind]);
                }
                if let Some(place) = at.checked_sub(4).and_then(|at| bytes.get_mut(at..at + 3)) {
                    place.fill(0);
                }
            }
            // Whatever it says.
            let _ = timescales(&bytes);
            if let Ok(found) = Fragments::of(&bytes) {
                prop_assert!(found.whole_bytes <= bytes.len());
            }
        }
    }
}
