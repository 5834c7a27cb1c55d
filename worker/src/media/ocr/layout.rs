//! Lines of a page put into blocks, and blocks into the order in which people read them.
//!
//! The page is cut again and again along its widest empty stripe (recursive XY-cut, Nagy and Seth 1984), left part or
//! upper part first. Cells of a table stand apart like columns but are read by rows: parts that stand side by side are
//! a table if their lines are short and level with each other.

use zoetrope_shared::tasks::ocr::{Block, Line, OcrLayout};

use super::blocks::{block_of, line_of};

/// An empty stripe between columns is at least this wide, in usual heights of a line.
const LEAST_RIVER: f32 = 1.0;
/// An empty stripe between blocks is at least this high, in usual heights of a line.
const LEAST_BREAK: f32 = 1.1;
/// Stripes between lines are naturally narrower than those between columns.
const BREAK_WEIGHT: f32 = 1.6;
/// A table's cell has at most this many words on average, and this share of its lines is level with another cell's.
const MOST_CELL_WORDS: f32 = 4.0;
const LEVEL_SHARE: f32 = 0.7;
/// Cuts within cuts, at most: each one removes at least one line from a part.
const MOST_CUTS: u32 = 200;

/// Blocks in reading order.
pub(super) fn blocks(mut lines: Vec<Line>, layout: OcrLayout, page: u32) -> Vec<Block> {
    let mut parts: Vec<Vec<Line>> = Vec::new();
    match layout {
        OcrLayout::Auto => cut(lines, MOST_CUTS, &mut |part| parts.push(part)),
        OcrLayout::SingleBlock | OcrLayout::SingleLine => parts.push(in_rows(lines)),
        OcrLayout::Sparse => {
            lines.sort_by_key(|line| (line.bbox[1], line.bbox[0]));
            parts.extend(lines.into_iter().map(|line| vec![line]));
        }
    }
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.map(|part| block_of(page, part)).collect()
}

/// Hands over the blocks of a part in reading order.
fn cut(lines: Vec<Line>, cuts: u32, done: &mut dyn FnMut(Vec<Line>)) {
    if lines.is_empty() {
        return;
    }
    let usual = usual_height(&lines);
    let river = widest_gap(&lines, |line| (line.bbox[0], line.bbox[2])).filter(|(_, gap)| *gap >= usual * LEAST_RIVER);
    let level = widest_gap(&lines, |line| (line.bbox[1], line.bbox[3])).filter(|(_, gap)| *gap >= usual * LEAST_BREAK);
    if cuts == 0 || (river.is_none() && level.is_none()) {
        return done(in_rows(lines));
    }
    let by_river = match (river, level) {
        (Some((_, river)), Some((_, level))) => river > level * BREAK_WEIGHT,
        (river, _) => river.is_some(),
    };
    let (at, axis) = if by_river { (river, 0) } else { (level, 1) };
    let at = at.map_or(0, |(at, _)| at);
    let (first, second): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| line.bbox[axis] < at);
    if by_river && is_table(&first, &second, usual) {
        return done(in_rows(first.into_iter().chain(second).collect()));
    }
    cut(first, cuts - 1, done);
    cut(second, cuts - 1, done);
}

/// Where the widest empty stripe ends, and its width; `span` says from where to where a line reaches.
fn widest_gap(lines: &[Line], span: impl Fn(&Line) -> (u32, u32)) -> Option<(u32, f32)> {
    let mut spans: Vec<(u32, u32)> = lines.iter().map(span).collect();
    spans.sort_unstable();
    let (mut end, mut widest) = (spans.first()?.0, None);
    for (start, length) in spans {
        let gap = start.saturating_sub(end);
        if gap > widest.map_or(0, |(_, gap)| gap) {
            widest = Some((start, gap));
        }
        end = end.max(start + length);
    }
    widest.map(|(at, gap)| (at, gap as f32))
}

/// Whether two parts side by side are cells of the same rows.
fn is_table(left: &[Line], right: &[Line], usual: f32) -> bool {
    let words =
        |part: &[Line]| part.iter().map(|line| line.words.len()).sum::<usize>() as f32 / part.len().max(1) as f32;
    let (few, many) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    let level = |line: &&Line| {
        many.iter()
            .any(|other| (middle(line) - middle(other)).abs() < usual * 0.4)
    };
    let levels = few.iter().filter(level).count();
    levels as f32 >= few.len() as f32 * LEVEL_SHARE && words(left).min(words(right)) <= MOST_CELL_WORDS
}

/// Lines from top to bottom, those that are level with each other joined to one.
fn in_rows(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        let row = rows
            .last_mut()
            .filter(|row| row.iter().any(|other| is_level(other, &line)));
        match row {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    let joined = rows.into_iter().map(|mut row| {
        row.sort_by_key(|line| line.bbox[0]);
        let words: Vec<_> = row.into_iter().flat_map(|line| line.words).collect();
        line_of(&words)
    });
    joined.collect()
}

fn is_level(a: &Line, b: &Line) -> bool {
    let overlap = (a.bbox[1] + a.bbox[3])
        .min(b.bbox[1] + b.bbox[3])
        .saturating_sub(a.bbox[1].max(b.bbox[1]));
    overlap * 2 > a.bbox[3].min(b.bbox[3])
}

fn middle(line: &Line) -> f32 {
    line.bbox[1] as f32 + line.bbox[3] as f32 / 2.0
}

/// Median height of the lines.
fn usual_height(lines: &[Line]) -> f32 {
    let mut heights: Vec<u32> = lines.iter().map(|line| line.bbox[3]).collect();
    let middle = heights.len() / 2;
    if heights.is_empty() {
        return 1.0;
    }
    *heights.select_nth_unstable(middle).1 as f32
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::ocr::Word;

    use super::*;

    fn line(x: u32, y: u32, width: u32, text: &str) -> Line {
        let words: Vec<Word> = text
            .split(' ')
            .map(|text| Word {
                text: text.to_owned(),
                bbox: [x, y, width, 10],
                confidence: 0.9,
            })
            .collect();
        line_of(&words)
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        blocks(lines, OcrLayout::Auto, 0)
            .into_iter()
            .map(|block| block.text)
            .collect()
    }

    #[test]
    fn columns_of_prose_are_read_one_after_the_other_below_their_heading() {
        let mut lines = vec![line(10, 5, 400, "A heading over both columns of it")];
        for row in 0..5 {
            lines.push(line(10, 60 + row * 16, 180, "left words of a long line"));
            lines.push(line(230, 60 + row * 16, 180, "right words of a long line"));
        }
        let texts = texts(lines);
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].starts_with("A heading") && texts[1].starts_with("left") && texts[2].starts_with("right"));
    }

    #[test]
    fn cells_are_read_by_rows() {
        let mut lines = Vec::new();
        for (row, name) in ["Rent", "Heat", "Water"].into_iter().enumerate() {
            let y = 20 + 18 * row as u32;
            lines.push(line(200, y + 1, 40, &format!("{row}.50")));
            lines.push(line(10, y, 50, name));
        }
        assert_eq!(texts(lines), ["Rent 0.50\nHeat 1.50\nWater 2.50\n"]);
    }

    #[test]
    fn paragraphs_are_blocks_in_order() {
        let lines = vec![
            line(10, 80, 200, "the second one"),
            line(10, 20, 200, "the first one"),
            line(10, 36, 200, "goes on"),
        ];
        assert_eq!(texts(lines), ["the first one\ngoes on\n", "the second one\n"]);
    }
}
