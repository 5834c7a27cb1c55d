//! Units behind their lengths, as files and RTMP carry them (ISO/IEC 14496-15), and what becomes of them: Annex B, with start
//! codes between them, as everything here takes pictures.

use crate::protocol_streams::Codec;

const START: [u8; 4] = [0, 0, 0, 1];
/// Parameter sets are some hundred bytes.
const MAX_PARAMETERS: usize = 64 * 1_024;

/// How the units of a track come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// Bytes of a unit's length: 1, 2 or 4.
    length: usize,
    /// Parameter sets, Annex B; none where they come with the pictures.
    pub sets: Vec<u8>,
}

impl Units {
    /// Reads a decoder's configuration record, of H.264 or of H.265.
    pub fn read(codec: Codec, record: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => avc(record),
            Codec::H265 => hevc(record),
        }
    }

    /// Appends a picture's units. Nothing of a picture that is malformed can be used, whatever was appended.
    pub fn append(&self, data: &mut Vec<u8>, mut picture: &[u8]) -> Option<()> {
        data.reserve(picture.len() + 16);
        while !picture.is_empty() {
            let (size, after) = picture.split_at_checked(self.length)?;
            let size = size.iter().fold(0_usize, |size, byte| (size << 8) | usize::from(*byte));
            let (unit, after) = after.split_at_checked(size)?;
            data.extend(START);
            data.extend(unit);
            picture = after;
        }
        Some(())
    }

    fn bounded(length: usize, sets: Vec<u8>) -> Option<Self> {
        (length != 3 && sets.len() <= MAX_PARAMETERS).then_some(Self { length, sets })
    }
}

/// An `AVCDecoderConfigurationRecord` (5.3.3.1).
fn avc(record: &[u8]) -> Option<Units> {
    let (head, mut rest) = record.split_at_checked(5)?;
    let mut sets = Vec::new();
    for mask in [0x1f, 0xff] {
        let (count, after) = rest.split_first()?;
        rest = append_sets(&mut sets, after, usize::from(count & mask))?;
    }
    Units::bounded(usize::from(head[4] & 3) + 1, sets)
}

/// An `HEVCDecoderConfigurationRecord` (8.3.3.1).
fn hevc(record: &[u8]) -> Option<Units> {
    let (head, rest) = record.split_at_checked(22)?;
    let (arrays, mut rest) = rest.split_first()?;
    let mut sets = Vec::new();
    for _ in 0..*arrays {
        let ([_, high, low], after) = rest.split_first_chunk::<3>()?;
        rest = append_sets(&mut sets, after, usize::from(u16::from_be_bytes([*high, *low])))?;
    }
    Units::bounded(usize::from(head[21] & 3) + 1, sets)
}

/// Sets with their lengths in two bytes; what follows them.
fn append_sets<'a>(sets: &mut Vec<u8>, mut rest: &'a [u8], count: usize) -> Option<&'a [u8]> {
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        sets.extend(START);
        sets.extend(set);
        rest = after;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_say_how_long_lengths_are_and_may_name_no_sets() {
        let avc = |length: u8| Units::read(Codec::H264, &[1, 0x64, 0, 30, 0xfc | length, 0xe0, 0]);
        assert_eq!(avc(3).map(|units| (units.length, units.sets)), Some((4, Vec::new())));
        assert_eq!(avc(2), None, "no length has three bytes");
        let mut record = vec![0; 21];
        record.extend([0xfd, 1, 33, 0, 1, 0, 2, 0x42, 1]);
        let hevc = Units::read(Codec::H265, &record).expect("it is whole");
        assert_eq!((hevc.length, &hevc.sets[..]), (2, &[0, 0, 0, 1, 0x42, 1][..]));
        assert_eq!(Units::read(Codec::H265, &record[..29]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(record in prop::collection::vec(any::<u8>(), 0..60), picture in prop::collection::vec(any::<u8>(), 0..60)) {
            for codec in [Codec::H264, Codec::H265] {
                let Some(units) = Units::read(codec, &record) else { continue };
                let mut data = Vec::new();
                let _ = units.append(&mut data, &picture);
                // Four bytes stand in the place of one.
                prop_assert!(data.len() <= 4 * picture.len());
            }
        }
    }
}
