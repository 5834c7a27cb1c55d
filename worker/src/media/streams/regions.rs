//! Which places of a frame move: blocks of the gate's luma that touch, taken together.

/// Blocks of a place that is told: fewer are a codec's flicker.
const LEAST_BLOCKS: usize = 2;

/// Places of blocks that touch, also by a corner: `[x, y, width, height]` in blocks, those of most blocks first. The blocks are row by
/// row, so many a row.
pub(super) fn places(blocks: &[bool], columns: usize) -> Vec<[u32; 4]> {
    let mut left = blocks.to_vec();
    let mut found = Vec::new();
    for start in 0..left.len() {
        if columns > 0 && left[start] {
            let (count, place) = take(&mut left, columns, start);
            if count >= LEAST_BLOCKS {
                found.push((count, place));
            }
        }
    }
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().map(|(_, place)| place).collect()
}

/// Takes the place that a block is part of.
fn take(left: &mut [bool], columns: usize, start: usize) -> (usize, [u32; 4]) {
    let rows = left.len() / columns;
    let (mut first, mut last) = ((columns, rows), (0, 0));
    let (mut count, mut open) = (0, vec![start]);
    left[start] = false;
    while let Some(at) = open.pop() {
        let (column, row) = (at % columns, at / columns);
        count += 1;
        first = (first.0.min(column), first.1.min(row));
        last = (last.0.max(column), last.1.max(row));
        for row in row.saturating_sub(1)..=(row + 1).min(rows.saturating_sub(1)) {
            for column in column.saturating_sub(1)..=(column + 1).min(columns - 1) {
                if std::mem::take(&mut left[row * columns + column]) {
                    open.push(row * columns + column);
                }
            }
        }
    }
    let place = [first.0, first.1, last.0 + 1 - first.0, last.1 + 1 - first.1];
    (count, place.map(|blocks| blocks as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(picture: &str) -> Vec<[u32; 4]> {
        let rows: Vec<&str> = picture.split_whitespace().collect();
        let blocks: Vec<bool> = rows.concat().chars().map(|block| block == '#').collect();
        places(&blocks, rows.first().map_or(0, |row| row.len()))
    }

    #[test]
    fn blocks_that_touch_are_one_place_and_the_largest_comes_first() {
        assert_eq!(of("##.... ....#. ...#.. ..##.#"), [[2, 1, 3, 3], [0, 0, 2, 1]]);
        assert_eq!(of("#### #### ####"), [[0, 0, 4, 3]]);
    }

    #[test]
    fn a_single_block_is_no_place_and_neither_is_nothing() {
        assert_eq!(of("#.# ... #.#"), Vec::<[u32; 4]>::new());
        assert_eq!(of(""), Vec::<[u32; 4]>::new());
        assert_eq!(places(&[true, true], 0), Vec::<[u32; 4]>::new());
    }
}
