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
const LEAST_SIDE: u32 = 120;
/// Least height of one of two lines that touch, pixels, and the most ink of the row between them, in shares of what
/// their rows have on average.
const LEAST_HALF: u32 = 6;
const GAP_SHARE: f32 = 0.5;

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
    let dark = lines::of_letters(letters.dark)
        .into_iter()
        .map(|bounds| (bounds, false));
    let light = lines::of_letters(letters.light)
        .into_iter()
        .map(|bounds| (bounds, true));
    let places = dark.chain(light).map(|(bounds, light)| Place {
        bounds,
        halvings,
        light,
    });
    places
        .filter(|place| heights.contains(&place.bounds[3]) && ink.share_of_box(place.bounds) <= MOST_INK)
        .collect()
}

/// The two lines that a place may be, cut where there is least ink in its middle; `None` if no row is clearly emptier
/// than the others.
pub(super) fn halves(place: Place, ink: &Ink) -> Option<[Place; 2]> {
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
    if least > usual * GAP_SHARE {
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
        for height in [8, 14, 24, 36, 60] {
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
