//! What the parameter sets of H.265 say (ITU-T H.265, 7.3.2.2 and 7.3.3; ISO/IEC 14496-15, 8.3.3). Read as far as a file
//! needs it, which is before everything that is long.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};

use super::parameters::{Facts, MAX_REORDER, ParameterError, ParameterSets, append_sets};

/// Bytes of a unit's head.
const HEAD: usize = 2;
/// Bytes of the general part of profile, tier and level, which stands behind the first byte.
const PROFILE_BYTES: usize = 12;
/// Unit types, with the bit that says that all sets of the sort are there.
const ARRAYS: [u8; 3] = [0x80 | 32, 0x80 | 33, 0x80 | 34];

/// The fields of a sequence parameter set that matter here.
struct Sps {
    layers: u8,
    nested: bool,
    profile: [u8; PROFILE_BYTES],
    chroma: u32,
    width: u32,
    height: u32,
    depth_luma: u32,
    depth_chroma: u32,
    reorder: u32,
}

pub(super) fn facts(sets: &ParameterSets) -> Result<Facts, ParameterError> {
    let raw = sets.sps.first().and_then(|sps| sps.get(HEAD..));
    let raw = raw.ok_or_else(|| ParameterError("H.265: no sequence parameter set".to_owned()))?;
    let sps = read(raw).map_err(|error| ParameterError(format!("H.265: {error:?}")))?;
    let mut configuration = vec![1];
    configuration.extend_from_slice(&sps.profile);
    // Spatial segments, parallelism and frame rate are not told.
    configuration.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | sps.chroma as u8 & 3]);
    configuration.extend_from_slice(&[0xf8 | sps.depth_luma as u8 & 7, 0xf8 | sps.depth_chroma as u8 & 7, 0, 0]);
    configuration.push((sps.layers & 7) << 3 | u8::from(sps.nested) << 2 | 3);
    configuration.push(ARRAYS.len() as u8);
    for (kind, sets) in ARRAYS.into_iter().zip([&sets.vps, &sets.sps, &sets.pps]) {
        configuration.extend_from_slice(&[kind, 0, sets.len() as u8]);
        append_sets(&mut configuration, sets);
    }
    Ok(Facts {
        width: sps.width,
        height: sps.height,
        reorder: (sps.reorder as usize).min(MAX_REORDER),
        configuration,
    })
}

fn read(raw: &[u8]) -> Result<Sps, BitReaderError> {
    let mut bits = BitReader::new(ByteReader::without_skip(raw));
    bits.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers: u8 = bits.read(3, "sps_max_sub_layers_minus1")?;
    let nested = bits.read_bool("sps_temporal_id_nesting_flag")?;
    let mut profile = [0; PROFILE_BYTES];
    for byte in &mut profile {
        *byte = bits.read(8, "profile_tier_level")?;
    }
    skip_sub_layers(&mut bits, sub_layers)?;
    bits.read_ue("sps_seq_parameter_set_id")?;
    let chroma = bits.read_ue("chroma_format_idc")?;
    let separate = chroma == 3 && bits.read_bool("separate_colour_plane_flag")?;
    let (mut width, mut height) = (bits.read_ue("width")?, bits.read_ue("height")?);
    if bits.read_bool("conformance_window_flag")? {
        // In samples of colour, which may be half as many.
        let (across, down) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let sides: [u32; 4] = [
            bits.read_ue("left")?,
            bits.read_ue("right")?,
            bits.read_ue("top")?,
            bits.read_ue("bottom")?,
        ];
        let cut = |one: u32, other: u32, unit: u32| one.saturating_add(other).saturating_mul(unit);
        width = width.saturating_sub(cut(sides[0], sides[1], across));
        height = height.saturating_sub(cut(sides[2], sides[3], down));
    }
    let (depth_luma, depth_chroma) = (bits.read_ue("bit_depth_luma")?, bits.read_ue("bit_depth_chroma")?);
    bits.read_ue("log2_max_pic_order_cnt_lsb_minus4")?;
    let told_for_each = bits.read_bool("sps_sub_layer_ordering_info_present_flag")?;
    let mut reorder = 0;
    // The last is that of all layers together.
    for _ in if told_for_each { 0..=sub_layers } else { 0..=0 } {
        bits.read_ue("sps_max_dec_pic_buffering_minus1")?;
        reorder = bits.read_ue("sps_max_num_reorder_pics")?;
        bits.read_ue("sps_max_latency_increase_plus1")?;
    }
    Ok(Sps {
        layers: sub_layers + 1,
        nested,
        profile,
        chroma: if separate { 0 } else { chroma },
        width,
        height,
        depth_luma,
        depth_chroma,
        reorder,
    })
}

fn skip_sub_layers(bits: &mut impl BitRead, sub_layers: u8) -> Result<(), BitReaderError> {
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((
            bits.read_bool("sub_layer_profile_present")?,
            bits.read_bool("sub_layer_level_present")?,
        ));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - u32::from(sub_layers)), "reserved_zero_2bits")?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 }, "sub_layer_profile")?;
        bits.skip(if level { 8 } else { 0 }, "sub_layer_level_idc")?;
    }
    Ok(())
}
