//! NAL units in Annex B form (ITU-T H.264 and H.265, annex B): start codes between them, no lengths.

use crate::protocol_streams::Codec;

/// What a unit is to a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// Video parameter set, of H.265 alone.
    Vps,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Says nothing that a file does not say: a delimiter, an end, filler.
    Framing,
    /// Part of the picture, or words about it.
    Other,
}

/// The kind of a unit, by its first byte.
pub fn kind_of(codec: Codec, unit: &[u8]) -> UnitKind {
    let first = unit.first().copied().unwrap_or_default();
    match codec {
        Codec::H264 => match first & 0x1f {
            7 => UnitKind::Sps,
            8 => UnitKind::Pps,
            9..=12 => UnitKind::Framing,
            _ => UnitKind::Other,
        },
        Codec::H265 => match (first >> 1) & 0x3f {
            32 => UnitKind::Vps,
            33 => UnitKind::Sps,
            34 => UnitKind::Pps,
            35..=38 => UnitKind::Framing,
            _ => UnitKind::Other,
        },
    }
}

/// The units of a picture, without start codes and the zeros that may follow a unit.
pub fn units(picture: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(picture);
    std::iter::from_fn(move || {
        loop {
            let unit = rest?;
            let (this, next) = match start_code(unit) {
                Some(at) => (&unit[..at], Some(&unit[at + 3..])),
                None => (unit, None),
            };
            rest = next;
            let zeros = this.iter().rev().take_while(|byte| **byte == 0).count();
            if this.len() > zeros {
                return Some(&this[..this.len() - zeros]);
            }
        }
    })
}

/// Adds a picture's units to a sample, each behind its length in four bytes. Parameter sets and what only frames the stream
/// are left out.
pub fn append_sample(codec: Codec, picture: &[u8], sample: &mut Vec<u8>) {
    for unit in units(picture).filter(|unit| kind_of(codec, unit) == UnitKind::Other) {
        sample.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        sample.extend_from_slice(unit);
    }
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    start_code(bytes).map(|at| &bytes[at + 3..])
}

/// Where the next start code of three bytes is.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + 3 <= bytes.len() {
        // The last of the three decides how far the next one can be.
        match bytes[at + 2] {
            0 => at += 1,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_part_units() {
        let picture = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0, 0, 0, 0, 1, 0x41, 0, 7];
        let found: Vec<&[u8]> = units(&picture).collect();
        assert_eq!(found, [&[9, 0xf0][..], &[0x65, 0x88], &[0x41, 0, 7]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn a_sample_holds_the_picture_and_no_parameter_sets() {
        let picture = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 6, 5, 0, 0, 1, 0x65, 3];
        let mut sample = Vec::new();
        append_sample(Codec::H264, &picture, &mut sample);
        assert_eq!(sample, [0, 0, 0, 2, 6, 5, 0, 0, 0, 2, 0x65, 3]);
    }

    proptest! {
        #[test]
        fn units_are_found_as_they_were_joined(parts in proptest::collection::vec(proptest::collection::vec(2_u8.., 1..40), 0..8), long: bool) {
            let code = if long { &[0, 0, 0, 1][..] } else { &[0, 0, 1] };
            let picture: Vec<u8> = parts.iter().flat_map(|part| [code, part].concat()).collect();
            let found: Vec<Vec<u8>> = units(&picture).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, parts);
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(0_u8..4, 0..200)) {
            let mut sample = Vec::new();
            append_sample(Codec::H264, &bytes, &mut sample);
            prop_assert!(sample.len() <= bytes.len() * 3);
        }
    }
}
