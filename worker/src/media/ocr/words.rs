//! The engine's words in pixels of the page, in reading order, each with the line that it stands in; and a second
//! engine's words put among them.

use image::GrayImage;
use zoetrope_shared::tasks::ocr::{Block, Word};

use super::blocks::{block_of, line_of, mean, union};
use super::engine::RawWord;

/// Words that share more than this of the smaller one's box are one word read twice.
const SAME_WORD_SHARE: f32 = 0.3;
/// A line goes on with words at most this far beside it, in heights of a line.
const LINE_GAP_HEIGHTS: u32 = 2;

/// A part of a page, inside it and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
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

    /// The words in reading order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Word> {
        self.0.iter().map(|(_, word)| word)
    }

    /// The words alone.
    pub(super) fn into_words(self) -> Vec<Word> {
        self.0.into_iter().map(|(_, word)| word).collect()
    }

    /// Mean confidence of the words; 0 without words.
    pub(super) fn confidence(&self) -> f32 {
        mean(self.iter().map(|word| word.confidence))
    }

    /// Words of one line number make a line, lines of one paragraph a block; the order is kept.
    pub(super) fn in_blocks(self, page: u32) -> Vec<Block> {
        let blocks = self.0.chunk_by(|(a, _), (b, _)| a[..2] == b[..2]);
        blocks
            .map(|words| block_of(page, words.chunk_by(|(a, _), (b, _)| a == b).map(line_of).collect()))
            .collect()
    }

    /// Puts the words of one line among the others. Of a word that was read twice the surer reading stays. The line
    /// goes on with the line beside it, or becomes a block before the first one that stands below it. A letter that
    /// stands alone is left out: it is an icon more often than a word.
    pub(super) fn add_line(&mut self, line: Vec<Word>) {
        let new: Vec<Word> = line.into_iter().filter(|word| self.make_room(word)).collect();
        if new.is_empty() {
            return;
        }
        let around = union(new.iter().map(|word| word.bbox));
        let (at, key) = match self.line_beside(around) {
            Some(line) => (line.end, self.0[line.start].0),
            None if is_one_letter(&new) => return,
            None => (self.block_below(around), [self.unused_block(), 0, 0]),
        };
        self.0.splice(at..at, new.into_iter().map(|word| (key, word)));
        let of_line = |(other, _): &(LineKey, Word)| *other == key;
        let start = self.0.iter().position(of_line).unwrap_or(at);
        let end = start + self.0[start..].iter().take_while(|entry| of_line(entry)).count();
        self.0[start..end].sort_by_key(|(_, word)| word.bbox[0]);
    }

    /// Whether a word may come in; less sure readings of it leave.
    fn make_room(&mut self, word: &Word) -> bool {
        let rival = |other: &Word| shared(word.bbox, other.bbox) > SAME_WORD_SHARE;
        if self
            .iter()
            .any(|other| rival(other) && other.confidence >= word.confidence)
        {
            return false;
        }
        self.0.retain(|(_, other)| !rival(other));
        true
    }

    /// Where the nearest line stands that goes on with these words.
    fn line_beside(&self, [x, y, width, height]: [u32; 4]) -> Option<std::ops::Range<usize>> {
        let mut start = 0;
        let lines = self.0.chunk_by(|(a, _), (b, _)| a == b).map(|words| {
            let range = start..start + words.len();
            start = range.end;
            (range, union(words.iter().map(|(_, word)| word.bbox)))
        });
        let near = lines.filter_map(|(range, [left, top, line_width, line_height])| {
            let low = height.min(line_height);
            let overlap = (y + height).min(top + line_height).saturating_sub(y.max(top));
            let gap = x.max(left).saturating_sub((x + width).min(left + line_width));
            let same_line = overlap * 2 >= low && height.max(line_height) <= low * 2;
            (same_line && gap <= low * LINE_GAP_HEIGHTS).then_some((gap, range))
        });
        near.min_by_key(|(gap, _)| *gap).map(|(_, range)| range)
    }

    /// Where the first block begins whose top is below the top of this box.
    fn block_below(&self, [_, y, ..]: [u32; 4]) -> usize {
        let mut start = 0;
        for words in self.0.chunk_by(|(a, _), (b, _)| a[..2] == b[..2]) {
            let [_, top, ..] = union(words.iter().map(|(_, word)| word.bbox));
            if top > y {
                return start;
            }
            start += words.len();
        }
        start
    }

    fn unused_block(&self) -> u32 {
        self.0.iter().map(|(key, _)| key[0] + 1).max().unwrap_or(0)
    }
}

fn is_one_letter(line: &[Word]) -> bool {
    let mut characters = line
        .iter()
        .flat_map(|word| word.text.chars())
        .filter(|character| character.is_alphanumeric());
    characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
}

/// The common part of two boxes, as a share of the smaller one.
fn shared(a: [u32; 4], b: [u32; 4]) -> f32 {
    let width = (a[0] + a[2]).min(b[0] + b[2]).saturating_sub(a[0].max(b[0]));
    let height = (a[1] + a[3]).min(b[1] + b[3]).saturating_sub(a[1].max(b[1]));
    let smaller = (a[2] * a[3]).min(b[2] * b[3]).max(1);
    (width * height) as f32 / smaller as f32
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

    fn word(x: u32, y: u32, text: &str, confidence: f32) -> Word {
        Word {
            text: text.to_owned(),
            bbox: [x, y, 30, 10],
            confidence,
        }
    }

    fn lines_of(words: Words) -> Vec<String> {
        words
            .in_blocks(0)
            .into_iter()
            .flat_map(|block| block.lines)
            .map(|line| line.text)
            .collect()
    }

    #[test]
    fn a_line_that_was_overlooked_joins_the_line_beside_it_or_stands_where_it_belongs() {
        let first = vec![
            raw([1, 1, 1], [0.0, 10.0, 30.0, 10.0], "Save"),
            raw([2, 1, 1], [0.0, 90.0, 30.0, 10.0], "End"),
        ];
        let mut words = Words::new(first, 1.0, (400, 200));
        words.add_line(vec![word(40, 11, "draft", 0.9)]);
        words.add_line(vec![word(200, 50, "Cancel", 0.9)]);
        assert_eq!(lines_of(words), ["Save draft", "Cancel", "End"]);
    }

    #[test]
    fn of_a_word_that_was_read_twice_the_surer_reading_stays() {
        for (confidence, expected) in [(0.9, "Cancel"), (0.4, "[eee")] {
            let mut words = Words::new(vec![raw([1, 1, 1], [0.0, 10.0, 30.0, 10.0], "[eee")], 1.0, (400, 200));
            words.add_line(vec![word(2, 11, "Cancel", confidence)]);
            assert_eq!(lines_of(words), [expected]);
        }
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
