//! Just enough of the H.264 and H.265 byte streams (ITU-T H.264 and H.265, annex B and the unit headers) to tell a
//! packet that no other needs. Reading headers here is cheaper than handing the decoder what it will throw away.

use crate::protocol_streams::Codec;

/// The units of an Annex B packet: what stands between start codes.
fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(bytes);
    std::iter::from_fn(move || {
        let unit = rest?;
        rest = after_start_code(unit);
        Some(unit)
    })
}

/// What follows the first `00 00 01`. A unit handed out by [`units`] runs to the packet's end; only its first bytes,
/// the header, are read.
fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    bytes.get(at + 3..).filter(|rest| !rest.is_empty())
}

/// Watches one stream for pictures that no later picture refers to.
#[derive(Debug, Default)]
pub struct Disposables {
    /// Highest temporal layer of H.265 seen so far. A "sub-layer non-reference" picture may be needed by a higher one.
    highest_layer: u8,
}

impl Disposables {
    /// Whether decoding all other packets gives the same pictures without this one.
    pub fn is_disposable(&mut self, codec: Codec, packet: &[u8]) -> bool {
        // The first slice tells for its whole picture, so the search ends long before the packet does.
        match codec {
            Codec::H264 => units(packet).find_map(h264_slice_is_reference) == Some(false),
            Codec::H265 => match units(packet).find_map(h265_slice) {
                Some((reference, layer)) => {
                    self.highest_layer = self.highest_layer.max(layer);
                    !reference && layer >= self.highest_layer
                }
                None => false,
            },
        }
    }
}

/// `None` for a unit that is no slice.
fn h264_slice_is_reference(unit: &[u8]) -> Option<bool> {
    let header = *unit.first()?;
    (1..=5).contains(&(header & 0x1f)).then_some(header & 0x60 != 0)
}

/// Whether the slice's picture may be referred to, and its temporal layer; `None` for a unit that is no slice.
fn h265_slice(unit: &[u8]) -> Option<(bool, u8)> {
    const FIRST_RESERVED_NON_REFERENCE: u8 = 16;
    const FIRST_PARAMETER_SET: u8 = 32;
    let [first, second, ..] = *unit else { return None };
    let kind = (first >> 1) & 0x3f;
    let layer = (second & 7).saturating_sub(1);
    let reference = kind >= FIRST_RESERVED_NON_REFERENCE || kind % 2 == 1;
    (kind < FIRST_PARAMETER_SET).then_some((reference, layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_that_nobody_refers_to_is_disposable_and_what_stands_before_it_does_not_matter() {
        let mut disposables = Disposables::default();
        let delimiter = [0, 0, 0, 1, 0x09, 0xf0];
        let slice = |header: u8| [&delimiter[..], &[0, 0, 1, header, 0x9a, 0x00, 0x00]].concat();
        assert!(disposables.is_disposable(Codec::H264, &slice(0x01)));
        for kept in [0x41, 0x61, 0x65, 0x67] {
            assert!(!disposables.is_disposable(Codec::H264, &slice(kept)), "{kept:#x}");
        }
    }

    #[test]
    fn a_lower_layer_of_h265_is_kept_once_a_higher_one_was_seen() {
        let mut disposables = Disposables::default();
        let slice = |kind: u8, layer: u8| [0, 0, 1, kind << 1, layer + 1, 0x80];
        assert!(disposables.is_disposable(Codec::H265, &slice(0, 0)));
        assert!(!disposables.is_disposable(Codec::H265, &slice(1, 0)));
        assert!(disposables.is_disposable(Codec::H265, &slice(0, 1)));
        assert!(!disposables.is_disposable(Codec::H265, &slice(0, 0)));
        assert!(!disposables.is_disposable(Codec::H265, &slice(19, 0)));
    }

    #[test]
    fn bytes_that_are_no_stream_are_kept() {
        let mut disposables = Disposables::default();
        for bytes in [&[][..], &[0, 0, 1], &[0, 0, 1, 0x01], &[0xff; 40], &[0; 40]] {
            assert!(!disposables.is_disposable(Codec::H265, bytes), "{bytes:?}");
        }
        assert!(!disposables.is_disposable(Codec::H264, &[0; 40]));
    }
}
