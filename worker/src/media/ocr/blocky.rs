//! Pages that were compressed by blocks of eight pixels, as coarse JPEGs are.

use super::planes::Planes;

/// Side of the blocks, pixels: JPEG's, whatever its quality.
const BLOCK: usize = 8;
/// Steps between neighbours that are steps and no strokes, levels; what is beside them is as good as flat.
const STEPS: std::ops::RangeInclusive<u8> = 2..=16;
const FLAT: u8 = 1;
/// Steps that tell anything, and how many times more of them stand where blocks meet than elsewhere.
const LEAST_STEPS: u32 = 400;
const MORE: f32 = 1.85;

/// Whether grounds have steps where blocks meet, from left to right; up and down the lines of text have a pitch of their
/// own.
pub(super) fn is_blocky(page: &Planes) -> bool {
    // Green is most of what is seen, and the channel that is compressed least.
    let channels = page.channels();
    let channel = &channels[channels.len() / 2];
    let width = channel.width() as usize;
    let mut steps = [0_u32; BLOCK];
    for row in channel.as_raw().chunks_exact(width.max(1)) {
        for (x, four) in row.windows(4).enumerate() {
            let [before, left, right, after] = [four[0], four[1], four[2], four[3]];
            let alone = before.abs_diff(left) <= FLAT && right.abs_diff(after) <= FLAT;
            steps[(x + 2) % BLOCK] += u32::from(alone && STEPS.contains(&left.abs_diff(right)));
        }
    }
    let all: u32 = steps.iter().sum();
    let elsewhere = (all - steps[0]) as f32 / (BLOCK - 1) as f32;
    all >= LEAST_STEPS && steps[0] as f32 > MORE * elsewhere
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;

    /// A ground that rises by three levels every so many pixels.
    fn stairs(every: u32) -> Planes {
        Planes::grey(GrayImage::from_fn(320, 60, |x, _| {
            Luma([60 + (x / every * 3 % 120) as u8])
        }))
    }

    #[test]
    fn steps_at_the_edges_of_blocks_tell_a_coarse_page_from_a_stretched_one() {
        assert!(is_blocky(&stairs(8)));
        assert!(!is_blocky(&stairs(7)) && !is_blocky(&stairs(3)));
        assert!(!is_blocky(&Planes::grey(GrayImage::from_pixel(3, 3, Luma([9])))));
    }
}
