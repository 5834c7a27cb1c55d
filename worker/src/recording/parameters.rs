//! Parameter sets of a stream, as they come with its key frames, and what an MP4 file says of them.

use super::boxes::boxed;
use super::units::{self, UnitKind};
use super::{h264, h265};
use crate::protocol_streams::Codec;

/// Most parameter sets of a sort; more are more than any camera sends.
const MAX_SETS: usize = 16;
/// Largest parameter set, bytes.
const MAX_SET_BYTES: usize = 4_096;
/// Most pictures that a codec may hold back.
pub const MAX_REORDER: usize = 16;

/// The parameter sets that came with a key frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    /// How the stream is coded.
    pub codec: Codec,
    /// Of H.265 alone.
    pub vps: Vec<Vec<u8>>,
    /// At least one.
    pub sps: Vec<Vec<u8>>,
    /// At least one.
    pub pps: Vec<Vec<u8>>,
}

/// What they say, as far as a file needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Most pictures that are decoded before another one and shown after it.
    pub reorder: usize,
    /// The box that configures the decoder, `avcC` or `hvcC`, without its head.
    pub configuration: Vec<u8>,
}

/// The parameter sets cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream's parameter sets do not read: {0}")]
pub struct ParameterError(pub String);

impl ParameterSets {
    /// Those within a picture; `None` if they are not complete.
    pub fn within(codec: Codec, picture: &[u8]) -> Option<Self> {
        let mut found = Self {
            codec,
            vps: Vec::new(),
            sps: Vec::new(),
            pps: Vec::new(),
        };
        for unit in units::units(picture) {
            let sets = match units::kind_of(codec, unit) {
                UnitKind::Vps => &mut found.vps,
                UnitKind::Sps => &mut found.sps,
                UnitKind::Pps => &mut found.pps,
                UnitKind::Framing | UnitKind::Other => continue,
            };
            if sets.len() < MAX_SETS && unit.len() <= MAX_SET_BYTES && !sets.iter().any(|set| set == unit) {
                sets.push(unit.to_vec());
            }
        }
        let complete =
            !found.sps.is_empty() && !found.pps.is_empty() && (codec == Codec::H264 || !found.vps.is_empty());
        complete.then_some(found)
    }

    /// What they say.
    ///
    /// # Errors
    /// When they do not read, or say what no file can hold.
    pub fn facts(&self) -> Result<Facts, ParameterError> {
        let facts = match self.codec {
            Codec::H264 => h264::facts(self)?,
            Codec::H265 => h265::facts(self)?,
        };
        let fits =
            (1..=u32::from(u16::MAX)).contains(&facts.width) && (1..=u32::from(u16::MAX)).contains(&facts.height);
        if fits {
            Ok(facts)
        } else {
            let (width, height) = (facts.width, facts.height);
            Err(ParameterError(format!("a picture of {width} x {height} pixels")))
        }
    }

    /// The sample entry of an MP4 file (ISO/IEC 14496-12, 12.1.3, and 14496-15).
    pub fn sample_entry(&self, facts: &Facts) -> Vec<u8> {
        let (entry, configuration) = match self.codec {
            Codec::H264 => (b"avc1", b"avcC"),
            Codec::H265 => (b"hvc1", b"hvcC"),
        };
        let mut out = Vec::new();
        boxed(&mut out, entry, |out| {
            out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
            out.extend_from_slice(&[0; 16]);
            for side in [facts.width, facts.height] {
                out.extend_from_slice(&(side as u16).to_be_bytes());
            }
            // 72 dpi in both directions, one picture a sample, no name, 24 bits.
            out.extend_from_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
            out.extend_from_slice(&[0; 32]);
            out.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
            boxed(out, configuration, |out| out.extend_from_slice(&facts.configuration));
        });
        out
    }
}

/// Sets behind their lengths, as both configurations hold them.
pub(super) fn append_sets(out: &mut Vec<u8>, sets: &[Vec<u8>]) {
    for set in sets {
        out.extend_from_slice(&(set.len() as u16).to_be_bytes());
        out.extend_from_slice(set);
    }
}
