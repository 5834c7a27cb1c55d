//! What the parameter sets of H.264 say (ITU-T H.264, 7.3.2.1 and annex E; ISO/IEC 14496-15, 5.3.3).

use h264_reader::nal::sps::{ChromaFormat, PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};

use super::parameters::{Facts, MAX_REORDER, ParameterError, ParameterSets, append_sets};

/// Head, profile, constraints, level: shorter ones are none, and the library's reader panics at nothing at all.
const SHORTEST: usize = 4;
/// Profiles without B pictures.
const BASELINE: u8 = 66;
/// Profiles that have B pictures, unless a flag says that all pictures are intra.
const WITH_INTRA_ONLY: [u8; 6] = [44, 86, 100, 110, 122, 244];
/// Profiles whose configuration says how colours are sampled.
const WITH_CHROMA: [u8; 4] = [100, 110, 122, 144];

pub(super) fn facts(sets: &ParameterSets) -> Result<Facts, ParameterError> {
    let wrong = |what: String| ParameterError(format!("H.264: {what}"));
    let raw = sets
        .sps
        .first()
        .ok_or_else(|| wrong("no sequence parameter set".to_owned()))?;
    if raw.len() < SHORTEST {
        return Err(wrong("the sequence parameter set is too short".to_owned()));
    }
    let bytes = decode_nal(raw).map_err(|error| wrong(error.to_string()))?;
    let sps = SeqParameterSet::from_bits(BitReader::new(&*bytes)).map_err(|error| wrong(format!("{error:?}")))?;
    let (width, height) = sps.pixel_dimensions().map_err(|error| wrong(format!("{error:?}")))?;
    // It has been read to its end: three bytes are there.
    let mut configuration = vec![1, bytes[0], bytes[1], bytes[2], 0xff, 0xe0 | sets.sps.len() as u8];
    append_sets(&mut configuration, &sets.sps);
    configuration.push(sets.pps.len() as u8);
    append_sets(&mut configuration, &sets.pps);
    if WITH_CHROMA.contains(&bytes[0]) {
        let chroma = match sps.chroma_info.chroma_format {
            ChromaFormat::Monochrome => 0,
            ChromaFormat::YUV422 => 2,
            ChromaFormat::YUV444 => 3,
            ChromaFormat::YUV420 | ChromaFormat::Invalid(_) => 1,
        };
        let depths = [
            sps.chroma_info.bit_depth_luma_minus8,
            sps.chroma_info.bit_depth_chroma_minus8,
        ];
        configuration.extend([0xfc | chroma, 0xf8 | depths[0] & 7, 0xf8 | depths[1] & 7, 0]);
    }
    Ok(Facts {
        width,
        height,
        reorder: reorder(&sps),
        configuration,
    })
}

/// How many pictures are held back at most. Streams that do not say so get a bound: it costs nothing but decode times that
/// lie further back.
fn reorder(sps: &SeqParameterSet) -> usize {
    let profile = u8::from(sps.profile_idc);
    let in_order = matches!(sps.pic_order_cnt, PicOrderCntType::TypeTwo)
        || profile == BASELINE
        || (WITH_INTRA_ONLY.contains(&profile) && sps.constraint_flags.flag3());
    if in_order {
        return 0;
    }
    let restrictions = sps
        .vui_parameters
        .as_ref()
        .and_then(|vui| vui.bitstream_restrictions.as_ref());
    let told = restrictions.map_or(sps.max_num_ref_frames, |told| told.max_num_reorder_frames);
    (told as usize).min(MAX_REORDER)
}
