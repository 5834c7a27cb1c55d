//! From the engine's words to blocks of lines of words, in pixels of the page.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::{Block, Line, Word};

use super::engine::RawWord;

/// A part of a page, inside it and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Area {
    /// The part of `[x, y, width, height]` that lies on a page of this size; `None` if no pixel does.
    pub(super) fn clipped(bbox: [u32; 4], (page_width, page_height): (u32, u32)) -> Option<Self> {
        let [x, y, width, height] = bbox;
        let width = x.saturating_add(width).min(page_width).checked_sub(x)?;
        let height = y.saturating_add(height).min(page_height).checked_sub(y)?;
        (width > 0 && height > 0).then_some(Self { x, y, width, height })
    }

    /// Its pixels.
    pub(super) fn cut(self, page: &GrayImage) -> GrayImage {
        image::imageops::crop_imm(page, self.x, self.y, self.width, self.height).to_image()
    }
}

/// The words of one picture, in pixels of what the picture was made from.
pub(super) struct Words(Vec<([u32; 3], Word)>);

impl Words {
    /// Takes the engine's words back through the picture's scale.
    pub(super) fn new(words: Vec<RawWord>, scale: f32, size: (u32, u32)) -> Self {
        Self(
            words
                .into_iter()
                .filter_map(|word| Some((word.line, unscaled(word, scale, size)?)))
                .collect(),
        )
    }

    /// Mean confidence of the words; 0 without words.
    pub(super) fn confidence(&self) -> f32 {
        mean(self.0.iter().map(|(_, word)| word.confidence))
    }

    /// Words of one line number make a line, lines of one paragraph a block; the engine's order is kept.
    pub(super) fn in_blocks(self, page: u32) -> Vec<Block> {
        let blocks = self.0.chunk_by(|(a, _), (b, _)| a[..2] == b[..2]);
        blocks
            .map(|words| block_of(page, words.chunk_by(|(a, _), (b, _)| a == b).map(line_of).collect()))
            .collect()
    }
}

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

fn block_of(page: u32, lines: Vec<Line>) -> Block {
    Block {
        text: lines.iter().map(|line| line.text.clone() + "\n").collect(),
        bbox: union(lines.iter().map(|line| line.bbox)),
        confidence: mean(lines.iter().flat_map(|line| &line.words).map(|word| word.confidence)),
        page,
        region: None,
        lines,
    }
}

fn line_of(words: &[([u32; 3], Word)]) -> Line {
    let texts: Vec<&str> = words.iter().map(|(_, word)| word.text.as_str()).collect();
    Line {
        text: texts.join(" "),
        bbox: union(words.iter().map(|(_, word)| word.bbox)),
        confidence: mean(words.iter().map(|(_, word)| word.confidence)),
        words: words.iter().map(|(_, word)| word.clone()).collect(),
    }
}

/// `None` for a box outside the image: the engine sometimes invents one at the edge.
fn unscaled(word: RawWord, scale: f32, (width, height): (u32, u32)) -> Option<Word> {
    let [left, top, box_width, box_height] = word.bbox;
    let x = (left / scale).floor().max(0.0) as u32;
    let y = (top / scale).floor().max(0.0) as u32;
    let right = (((left + box_width) / scale).ceil() as u32).min(width);
    let bottom = (((top + box_height) / scale).ceil() as u32).min(height);
    let bbox = [x, y, right.checked_sub(x)?, bottom.checked_sub(y)?];
    (bbox[2] > 0 && bbox[3] > 0).then_some(Word {
        text: word.text,
        bbox,
        confidence: word.confidence,
    })
}

fn union(boxes: impl Iterator<Item = [u32; 4]>) -> [u32; 4] {
    let corners = boxes.map(|[x, y, width, height]| [x, y, x + width, y + height]);
    let around = corners.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    around.map_or([0; 4], |[left, top, right, bottom]| {
        [left, top, right - left, bottom - top]
    })
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(line: [u32; 3], bbox: [f32; 4], text: &str) -> RawWord {
        RawWord {
            line,
            bbox,
            confidence: 0.5,
            text: text.to_owned(),
        }
    }

    #[test]
    fn words_become_lines_and_lines_become_blocks_in_pixels_of_the_page() {
        let words = vec![
            raw([1, 1, 1], [20.0, 10.0, 40.0, 20.0], "Save"),
            raw([1, 1, 1], [70.0, 10.0, 31.0, 20.0], "as"),
            raw([1, 1, 2], [20.0, 40.0, 40.0, 20.0], "draft"),
            raw([2, 1, 1], [20.0, 90.0, 40.0, 20.0], "Cancel"),
        ];
        let blocks = Words::new(words, 2.0, (100, 100)).in_blocks(3);
        let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["Save as\ndraft\n", "Cancel\n"]);
        assert_eq!(
            (blocks[0].bbox, blocks[0].page, blocks[0].lines.len()),
            ([10, 5, 41, 25], 3, 2)
        );
        assert_eq!(blocks[0].lines[0].words[1].bbox, [35, 5, 16, 10]);
    }

    #[test]
    fn a_word_beyond_the_edge_is_cut_to_the_image_or_dropped() {
        let words = vec![
            raw([1, 1, 1], [90.0, 0.0, 40.0, 10.0], "in"),
            raw([1, 1, 1], [120.0, 0.0, 9.0, 9.0], "out"),
        ];
        let blocks = Words::new(words, 1.0, (100, 100)).in_blocks(0);
        assert_eq!((blocks[0].text.as_str(), blocks[0].bbox), ("in\n", [90, 0, 10, 10]));
    }

    #[test]
    fn an_area_is_cut_to_its_page_and_refused_beside_it() {
        assert_eq!(
            Area::clipped([90, 90, 50, 5], (100, 100)),
            Some(Area {
                x: 90,
                y: 90,
                width: 10,
                height: 5
            })
        );
        assert_eq!(Area::clipped([100, 0, 1, 1], (100, 100)), None);
        assert_eq!(Area::clipped([u32::MAX, 0, u32::MAX, 1], (100, 100)), None);
    }
}
