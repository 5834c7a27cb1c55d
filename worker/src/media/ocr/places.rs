//! Where lines of text stand on a page: small ones on the page as it is, tall ones on the page at half, a quarter and
//! an eighth of its size, because the ground is told from twenty pixels around.

use super::ink::Ink;
use super::lines;
use super::pieces::{self, Letters};
use super::planes::Planes;
use super::preprocess::halved;
use super::strip::Place;

/// A box filled with more ink than this share is no text.
const MOST_INK: f32 = 0.75;
/// Heights at which a line is taken from the page where it was found, pixels of that page. The ranges of one page and
/// the next overlap.
const FINE_HEIGHTS: std::ops::RangeInclusive<u32> = 0..=30;
const HALVED_HEIGHTS: std::ops::RangeInclusive<u32> = 10..=34;
/// Lines of more than this height may have strokes as wide as a patch of ground, pixels.
const THIN_STROKES: u32 = 22;
/// Halvings that are looked at, and the least side of a page that is halved.
const HALVINGS: u32 = 3;
const LEAST_SIDE: u32 = 60;
/// Least height of one of two lines that touch, pixels, and the most ink of the row between them, in shares of what
/// their rows have on average.
const LEAST_HALF: u32 = 6;
const GAP_SHARE: f32 = 0.5;
/// The same between lines that are told apart before they are read, and how often a place is cut for it.
const EMPTY_SHARE: f32 = 0.12;
const MOST_SEPARATIONS: u32 = 3;

/// All places, tall ones first, wide ones first among the rest; and the ink that they were found in, by halvings. A line
/// may be found at two sizes.
pub(super) fn of_page(page: &Planes, ink: Ink, letters: Letters) -> (Vec<Ink>, Vec<Place>) {
    let mut found = places(&ink, letters, &FINE_HEIGHTS, 0);
    let mut inks = vec![ink];
    let mut small: Option<Planes> = None;
    for halvings in 1..=HALVINGS {
        let source = small.as_ref().unwrap_or(page);
        let (width, height) = source.dimensions();
        if width.min(height) < LEAST_SIDE {
            break;
        }
        let next = source.map(halved);
        let ink = Ink::of(&next);
        found.extend(places(&ink, pieces::letters(&ink), &HALVED_HEIGHTS, halvings));
        inks.push(ink);
        small = Some(next);
    }
    found.sort_unstable_by_key(|place| {
        let [.., width, height] = place.on_page();
        // Strokes of tall letters are whole only where they are thin.
        let thin = if height > THIN_STROKES { place.halvings } else { 0 };
        (
            std::cmp::Reverse(height.max(*FINE_HEIGHTS.end())),
            std::cmp::Reverse(thin),
            std::cmp::Reverse(width),
        )
    });
    (inks, found)
}

/// Places of every height, found on a part as it is.
pub(super) fn of_part(ink: &Ink) -> Vec<Place> {
    places(ink, pieces::letters(ink), &(0..=u32::MAX), 0)
}

fn places(ink: &Ink, letters: Letters, heights: &std::ops::RangeInclusive<u32>, halvings: u32) -> Vec<Place> {
    let (width, height) = ink.size();
    let pixels = u64::from(width) * u64::from(height);
    let dark = lines::of_letters(letters.dark, pixels)
        .into_iter()
        .map(|bounds| (bounds, false));
    let light = lines::of_letters(letters.light, pixels)
        .into_iter()
        .map(|bounds| (bounds, true));
    let places = dark.chain(light).map(|(bounds, light)| Place {
        bounds,
        halvings,
        light,
    });
    places
        .flat_map(|place| separated(place, ink, MOST_SEPARATIONS))
        .filter(|place| heights.contains(&place.bounds[3]) && ink.share_of_box(place.bounds) <= MOST_INK)
        .collect()
}

/// The lines of a place between which there is next to nothing: a comma or an accent joined them, or a sign above a
/// number.
fn separated(place: Place, ink: &Ink, times: u32) -> Vec<Place> {
    let halves = if times > 0 { cut(place, ink, EMPTY_SHARE) } else { None };
    halves.map_or_else(
        || vec![place],
        |halves| {
            halves
                .into_iter()
                .flat_map(|half| separated(half, ink, times - 1))
                .collect()
        },
    )
}

/// The two lines that a place may be.
pub(super) fn halves(place: Place, ink: &Ink) -> Option<[Place; 2]> {
    cut(place, ink, GAP_SHARE)
}

/// A place cut where there is least ink in its middle; `None` if no row is that much emptier than the others.
fn cut(place: Place, ink: &Ink, gap_share: f32) -> Option<[Place; 2]> {
    let [x, y, width, height] = place.bounds;
    if height < 2 * LEAST_HALF {
        return None;
    }
    let share = |row: u32| ink.share_of_row(row, x..x + width);
    let usual = (y..y + height).map(share).sum::<f32>() / height as f32;
    let middle = y + height * 3 / 10..y + height * 7 / 10;
    let (row, least) = middle
        .map(|row| (row, share(row)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    if least > usual * gap_share {
        return None;
    }
    let half = |top: u32, bottom: u32| {
        let bounds = ink.tight([x, top, width, bottom - top])?;
        (bounds[3] >= LEAST_HALF).then_some(Place { bounds, ..place })
    };
    Some([half(y, row)?, half(row, y + height)?])
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;

    #[test]
    fn lines_that_a_comma_joins_are_two_places_and_a_dotted_one_is_one() {
        let page = GrayImage::from_fn(300, 120, |x, y| {
            let letter = (20..200).contains(&x) && x % 6 < 2;
            let comma = (100..102).contains(&x) && (38..46).contains(&y);
            let dots = letter && x % 12 < 2 && (80..82).contains(&y);
            let lines = letter && ((28..38).contains(&y) || (44..54).contains(&y) || (84..94).contains(&y));
            Luma([if lines || comma || dots { 20 } else { 240 }])
        });
        let ink = Ink::of(&Planes::grey(page));
        let mut rows: Vec<(u32, u32)> = of_part(&ink)
            .iter()
            .map(|place| (place.bounds[1], place.bounds[3]))
            .collect();
        rows.sort_unstable();
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert!(rows[1].0 >= 38 && rows[1].0 <= 46 && rows[2] == (80, 14), "{rows:?}");
    }

    /// A page with a row of bars as high as given.
    fn page(height: u32) -> GrayImage {
        let stroke = height / 5;
        GrayImage::from_fn(900, 400, |x, y| {
            let letter = (60..500).contains(&x) && x % (height / 2) < stroke.max(2);
            let dark = letter && (100..100 + height).contains(&y);
            Luma([if dark { 20 } else { 240 }])
        })
    }

    #[test]
    fn a_line_is_found_from_small_print_to_a_headline() {
        for height in [8, 14, 24, 36, 60, 110] {
            let page = Planes::grey(page(height));
            let ink = Ink::of(&page);
            let letters = pieces::letters(&ink);
            let (_, found) = of_page(&page, ink, letters);
            let is_line = |place: &&Place| {
                let [_, y, width, found_height] = place.on_page();
                y.abs_diff(100) <= 8 && found_height.abs_diff(height) <= 12 && width > 380
            };
            let line = found.iter().find(is_line);
            assert!(line.is_some_and(|line| !line.light), "{height}: {found:?}");
        }
    }
}
