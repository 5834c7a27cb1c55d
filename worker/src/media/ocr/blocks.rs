//! Blocks of lines of words: building them, moving them, summing them up. Which lines are a block is told by
//! `layout.rs`.

use zoetrope_shared::tasks::ocr::{Block, Line, Word};

use super::area::Area;

/// Moves blocks that were read in an area to where the area stands on its page.
pub(super) fn shift(blocks: &mut [Block], area: Area, region: u32) {
    for block in blocks {
        block.region = Some(region);
        for_each_box(block, &mut |bbox| {
            bbox[0] += area.x;
            bbox[1] += area.y;
        });
    }
}

/// Visits the boxes of a block, its lines and its words.
pub(super) fn for_each_box(block: &mut Block, visit: &mut dyn FnMut(&mut [u32; 4])) {
    visit(&mut block.bbox);
    for line in &mut block.lines {
        visit(&mut line.bbox);
        line.words.iter_mut().for_each(|word| visit(&mut word.bbox));
    }
}

/// Mean confidence of all words; 0 without words.
pub(super) fn mean_confidence(blocks: &[Block]) -> f32 {
    mean(words_of(blocks).map(|word| word.confidence))
}

fn words_of(blocks: &[Block]) -> impl Iterator<Item = &Word> {
    blocks
        .iter()
        .flat_map(|block| &block.lines)
        .flat_map(|line| &line.words)
}

/// A block of these lines.
pub(super) fn block_of(page: u32, lines: Vec<Line>) -> Block {
    Block {
        text: lines.iter().map(|line| line.text.clone() + "\n").collect(),
        bbox: union(lines.iter().map(|line| line.bbox)),
        confidence: mean(lines.iter().flat_map(|line| &line.words).map(|word| word.confidence)),
        page,
        region: None,
        lines,
    }
}

/// A line of these words, which stand in its order.
pub(super) fn line_of(words: &[Word]) -> Line {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    Line {
        text: texts.join(" "),
        bbox: union(words.iter().map(|word| word.bbox)),
        confidence: mean(words.iter().map(|word| word.confidence)),
        words: words.to_vec(),
    }
}

/// The box around boxes; all zero without any.
pub(super) fn union(boxes: impl Iterator<Item = [u32; 4]>) -> [u32; 4] {
    let corners = boxes.map(|[x, y, width, height]| [x, y, x + width, y + height]);
    let around = corners.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    around.map_or([0; 4], |[left, top, right, bottom]| {
        [left, top, right - left, bottom - top]
    })
}

/// The common part of two boxes, pixels.
pub(super) fn common(a: [u32; 4], b: [u32; 4]) -> u32 {
    let width = (a[0] + a[2]).min(b[0] + b[2]).saturating_sub(a[0].max(b[0]));
    let height = (a[1] + a[3]).min(b[1] + b[3]).saturating_sub(a[1].max(b[1]));
    width * height
}

/// The common part of two boxes, as a share of the smaller one.
pub(super) fn shared(a: [u32; 4], b: [u32; 4]) -> f32 {
    let smaller = (a[2] * a[3]).min(b[2] * b[3]).max(1);
    common(a, b) as f32 / smaller as f32
}

/// 0 without values.
pub(super) fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f32 }
}
