//! The engine's words of a whole picture, in pixels of the page and in the engine's order, each with the line that it
//! stands in. Pages that we cut into lines ourselves do without: see `page.rs`.

use zoetrope_shared::tasks::ocr::{Block, Word};

use super::blocks::{block_of, line_of};
use super::engine::RawWord;

/// Block, paragraph, line: words with equal numbers stand in one line.
type LineKey = [u32; 3];

/// The words of one picture, in pixels of what the picture was made from.
pub(super) struct Words(Vec<(LineKey, Word)>);

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

    /// Words of one line number make a line, lines of one paragraph a block; the order is kept.
    pub(super) fn in_blocks(self, page: u32) -> Vec<Block> {
        let blocks = self.0.chunk_by(|(a, _), (b, _)| a[..2] == b[..2]);
        let line = |words: &[(LineKey, Word)]| {
            let words: Vec<Word> = words.iter().map(|(_, word)| word.clone()).collect();
            line_of(&words)
        };
        blocks
            .map(|words| block_of(page, words.chunk_by(|(a, _), (b, _)| a == b).map(line).collect()))
            .collect()
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
}
