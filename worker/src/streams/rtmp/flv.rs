//! Video as RTMP carries it: the bodies of FLV's video tags (Adobe, "Video File Format 10.1", E.4.3) with H.264, and H.265
//! both as Chinese encoders number it and as "Enhanced RTMP 1" names it. What comes out is Annex B.

use crate::protocol_streams::Codec;
use crate::recording::parameters::ParameterSets;
use crate::streams::length_prefixed::Units;

/// What a tag holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// How what follows is coded.
    Parameters,
    /// A compressed picture.
    Picture {
        data: Vec<u8>,
        is_key: bool,
        /// When it is shown after its tag's time, ms.
        offset_ms: i32,
    },
    /// Nothing to decode.
    Nothing,
}

/// Reads the tags of one stream.
#[derive(Debug, Default)]
pub(super) struct VideoReader {
    /// How units come, with parameter sets.
    parameters: Option<(Codec, Units)>,
}

/// What the head of a tag says.
enum Packet {
    Parameters,
    Units(i32),
    Other,
}

impl VideoReader {
    /// How pictures are coded; not known before the parameters came.
    pub(super) fn codec(&self) -> Option<Codec> {
        self.parameters.as_ref().map(|(codec, _)| *codec)
    }

    /// Width and height, pixels, as the parameters say them.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        let (codec, units) = self.parameters.as_ref()?;
        let facts = ParameterSets::within(*codec, &units.sets)?.facts().ok()?;
        Some((facts.width, facts.height))
    }

    /// Reads a tag.
    ///
    /// # Errors
    /// What it holds that is not taken, for people.
    pub(super) fn read(&mut self, tag: &[u8]) -> Result<Tag, String> {
        let Some((head, rest)) = tag.split_first() else {
            return Ok(Tag::Nothing);
        };
        let frame = (head >> 4) & 7;
        // A command of the server's to its player.
        if frame == 5 {
            return Ok(Tag::Nothing);
        }
        let (codec, packet, body) = if head & 0x80 == 0 {
            plain(*head, rest)?
        } else {
            enhanced(*head, rest)?
        };
        match packet {
            Packet::Other => Ok(Tag::Nothing),
            Packet::Parameters => {
                let units = Units::read(codec, body).filter(|units| !units.sets.is_empty());
                let units = units.ok_or("the parameters of the video are malformed")?;
                self.parameters = Some((codec, units));
                Ok(Tag::Parameters)
            }
            Packet::Units(offset_ms) => {
                let Some((_, units)) = self.parameters.as_ref().filter(|(known, _)| *known == codec) else {
                    return Ok(Tag::Nothing);
                };
                let is_key = frame == 1;
                let mut data = if is_key { units.sets.clone() } else { Vec::new() };
                units.append(&mut data, body).ok_or("a picture is malformed")?;
                Ok(Tag::Picture {
                    data,
                    is_key,
                    offset_ms,
                })
            }
        }
    }
}

type Read<'a> = Result<(Codec, Packet, &'a [u8]), String>;

fn plain(head: u8, rest: &[u8]) -> Read<'_> {
    let codec = match head & 15 {
        7 => Codec::H264,
        12 => Codec::H265,
        2 => return Err("the stream's video is Sorenson H.263, not H.264 or H.265".to_owned()),
        4 | 5 => return Err("the stream's video is VP6, not H.264 or H.265".to_owned()),
        other => {
            return Err(format!(
                "the stream's video is FLV's number {other}, not H.264 or H.265"
            ));
        }
    };
    let Some(([kind, offset @ ..], body)) = rest.split_first_chunk::<4>() else {
        return Ok((codec, Packet::Other, &[]));
    };
    let packet = match kind {
        0 => Packet::Parameters,
        1 => Packet::Units(signed(*offset)),
        _ => Packet::Other,
    };
    Ok((codec, packet, body))
}

fn enhanced(head: u8, rest: &[u8]) -> Read<'_> {
    let Some((name, body)) = rest.split_first_chunk::<4>() else {
        return Ok((Codec::H264, Packet::Other, &[]));
    };
    let codec = match name {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        other => {
            let name: String = other
                .iter()
                .map(|byte| char::from(*byte))
                .filter(char::is_ascii_alphanumeric)
                .collect();
            return Err(format!("the stream's video is {name}, not H.264 or H.265"));
        }
    };
    Ok(match head & 15 {
        0 => (codec, Packet::Parameters, body),
        1 => match body.split_first_chunk::<3>() {
            Some((offset, body)) => (codec, Packet::Units(signed(*offset)), body),
            None => (codec, Packet::Other, &[]),
        },
        3 => (codec, Packet::Units(0), body),
        _ => (codec, Packet::Other, &[]),
    })
}

/// 24 bits with a sign.
fn signed([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One SPS and one PPS, lengths of four bytes.
    const AVCC: [u8; 16] = [1, 0x42, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 9];
    const SETS: [u8; 13] = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 9];

    fn reader() -> VideoReader {
        let mut reader = VideoReader::default();
        assert_eq!(
            reader.read(&[&[0x17, 0, 0, 0, 0][..], &AVCC].concat()),
            Ok(Tag::Parameters)
        );
        reader
    }

    #[test]
    fn h264_becomes_annex_b_with_its_parameters_before_key_frames() {
        let mut reader = reader();
        assert_eq!(reader.codec(), Some(Codec::H264));
        let units = [0, 0, 0, 2, 0x65, 7, 0, 0, 0, 1, 0x06];
        let key = reader.read(&[&[0x17, 1, 0, 0, 80][..], &units].concat());
        let expected = [&SETS[..], &[0, 0, 0, 1, 0x65, 7, 0, 0, 0, 1, 0x06]].concat();
        assert_eq!(
            key,
            Ok(Tag::Picture {
                data: expected,
                is_key: true,
                offset_ms: 80
            })
        );
        let other = reader.read(&[0x27, 1, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0x41]);
        assert_eq!(
            other,
            Ok(Tag::Picture {
                data: vec![0, 0, 0, 1, 0x41],
                is_key: false,
                offset_ms: -1
            })
        );
    }

    #[test]
    fn h265_is_known_by_its_name_and_by_its_number() {
        let mut record = vec![0; 21];
        record.extend([0xff, 2, 32, 0, 1, 0, 2, 0x40, 1, 33, 0, 1, 0, 1, 0x42]);
        let sets = [0, 0, 0, 1, 0x40, 1, 0, 0, 0, 1, 0x42];
        let named = [&[0x90][..], b"hvc1", &record].concat();
        let numbered = [&[0x1c, 0, 0, 0, 0][..], &record].concat();
        let picture = [0, 0, 0, 1, 0x26];
        let bodies = [
            (named, [&[0x93][..], b"hvc1", &picture].concat(), 0),
            (numbered, [&[0x1c, 1, 0, 0, 5][..], &picture].concat(), 5),
        ];
        for (parameters, key, offset_ms) in bodies {
            let mut reader = VideoReader::default();
            assert_eq!(reader.read(&parameters), Ok(Tag::Parameters));
            let data = [&sets[..], &[0, 0, 0, 1, 0x26]].concat();
            let picture = Tag::Picture {
                data,
                is_key: true,
                offset_ms,
            };
            assert_eq!((reader.codec(), reader.read(&key)), (Some(Codec::H265), Ok(picture)));
        }
    }

    #[test]
    fn other_codecs_are_named() {
        let said = |tag: &[u8]| VideoReader::default().read(tag).expect_err("it is not taken");
        assert!(said(&[0x14, 0, 0, 0, 0]).contains("VP6"));
        assert!(said(&[&[0x90][..], b"av01"].concat()).contains("av01"));
        assert!(said(&[0x1f, 0]).contains("15"));
    }

    #[test]
    fn what_comes_before_the_parameters_and_commands_are_passed_over() {
        let mut reader = VideoReader::default();
        assert_eq!(reader.read(&[0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65]), Ok(Tag::Nothing));
        assert_eq!(reader.read(&[0x57, 0]), Ok(Tag::Nothing));
        assert_eq!(reader.read(&[]), Ok(Tag::Nothing));
        assert_eq!(reader.read(&[0x17, 2, 0, 0, 0]), Ok(Tag::Nothing));
    }

    #[test]
    fn malformed_records_and_pictures_are_told() {
        let mut reader = reader();
        assert!(reader.read(&[0x17, 1, 0, 0, 0, 0, 0, 0, 9, 1]).is_err());
        assert!(reader.read(&[&[0x17, 0, 0, 0, 0][..], &AVCC[..12]].concat()).is_err());
        assert_eq!(reader.codec(), Some(Codec::H264), "what was known stays");
    }

    proptest! {
        #[test]
        fn no_tag_makes_it_panic(tags in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut reader = reader();
            for tag in tags {
                let _ = reader.read(&tag);
            }
        }
    }
}
