//! Reading a page line by line: where its ink is, which of it stands in lines, each line by itself. The engine finds
//! text by the page badly where themes mix, beside icons and on buttons; it reads single lines well.

use zoetrope_shared::tasks::ocr::{Line, Word};

use super::blocks::{common, line_of, mean, shared};
use super::engine::Engine;
use super::ink::Ink;
use super::pieces::{self, Bounds, Letters, union};
use super::places;
use super::planes::Planes;
use super::skew::Skew;
use super::strip::{Place, Strip};
use crate::fault::Fault;

/// Heights to which a line's ink is scaled, pixels: the first one is what the engine was trained on, the second one is
/// tried where the first reads badly.
const HEIGHTS: [f32; 2] = [36.0, 26.0];
/// Lines all of whose words are at least this sure are not read again.
const SURE: f32 = 0.7;
/// Words below this confidence are left out: the engine invents more of them than it finds.
const BELIEVED: f32 = 0.4;
/// How sure the engine has to be of a sign that stands alone, and of two or three.
const LETTER_BELIEVED: f32 = 0.85;
const SIGNS_BELIEVED: f32 = 0.7;
/// Words that share more than this of the smaller one's box are one word read twice.
const SAME_WORD_SHARE: f32 = 0.3;
/// A place is cut in two, and its halves again, at most this often.
const MOST_SPLITS: u32 = 2;
/// After this many lines in a row without a word, the rest is taken for a picture.
const MOST_FRUITLESS: usize = 80;
/// Lines by which a turned page is judged.
const SAMPLED_LINES: usize = 8;
/// Share of the gap between two words that an underscore fills at least.
const UNDERSCORE_SHARE: f32 = 0.6;

/// What a page says.
pub(super) struct PageText {
    /// Its lines, in no particular order.
    pub(super) lines: Vec<Line>,
    /// Mean confidence of all lines that were tried, 0 to 1, wide ones counting more.
    pub(super) certainty: f32,
}

/// Reads a page, askew or straight.
pub(super) fn read(engine: &Engine, page: &Planes) -> Result<PageText, Fault> {
    let ink = Ink::of(page);
    let letters = pieces::letters(&ink);
    let Some(skew) = Skew::of(&letters, page.dimensions()) else {
        return read_lines(engine, page, ink, letters);
    };
    let straight = page.map(|channel| skew.straightened(channel));
    let ink = Ink::of(&straight);
    let letters = pieces::letters(&ink);
    let mut text = read_lines(engine, &straight, ink, letters)?;
    for line in &mut text.lines {
        line.bbox = skew.restored(line.bbox);
        line.words
            .iter_mut()
            .for_each(|word| word.bbox = skew.restored(word.bbox));
    }
    Ok(text)
}

/// How certainly a page reads, judged by some of its lines: see [`PageText::certainty`].
pub(super) fn sampled(engine: &Engine, page: &Planes) -> Result<f32, Fault> {
    let ink = Ink::of(page);
    let letters = pieces::letters(&ink);
    let (inks, places) = places::of_page(page, ink, letters);
    let mut tried = Vec::new();
    for place in places.into_iter().take(SAMPLED_LINES) {
        let words = read_line(engine, &inks[place.halvings as usize], place)?;
        tried.push((
            mean(words.iter().map(|word| word.confidence)),
            place.on_page()[2] as f32,
        ));
    }
    Ok(certainty(&tried))
}

/// The line at a place of a part of a page, if there is any: no other sizes, no halves.
pub(super) fn read_place_of_part(engine: &Engine, ink: &Ink, place: Place) -> Result<Option<Line>, Fault> {
    let mut words = read_line(engine, ink, place)?;
    words.retain(is_believed);
    Ok((!words.is_empty()).then(|| line_of(&words)))
}

/// Mean confidence, by width.
fn certainty(tried: &[(f32, f32)]) -> f32 {
    let width: f32 = tried.iter().map(|(_, width)| width).sum();
    tried.iter().map(|(sure, width)| sure * width).sum::<f32>() / width.max(1.0)
}

fn read_lines(engine: &Engine, page: &Planes, ink: Ink, letters: Letters) -> Result<PageText, Fault> {
    let mut found: Vec<Line> = Vec::new();
    let mut tried: Vec<(f32, f32)> = Vec::new();
    let mut fruitless = 0;
    let (inks, places) = places::of_page(page, ink, letters);
    for place in places {
        if is_read(&found, place.on_page()) {
            continue;
        }
        if fruitless >= MOST_FRUITLESS {
            break;
        }
        let mut lines = read_place(engine, &inks[place.halvings as usize], place, MOST_SPLITS)?;
        let words = lines.iter_mut().flatten();
        words.for_each(|word| word.bbox = word.bbox.map(|side| side << place.halvings));
        tried.push((
            mean(lines.iter().flatten().map(|word| word.confidence)),
            place.on_page()[2] as f32,
        ));
        let lines = lines
            .into_iter()
            .map(|words| words.into_iter().filter(is_believed).collect::<Vec<Word>>());
        let lines: Vec<Vec<Word>> = lines.filter(|words| !words.is_empty() && !is_icon(words)).collect();
        fruitless = if lines.is_empty() { fruitless + 1 } else { 0 };
        found.extend(lines.iter().map(|words| line_of(words)));
    }
    Ok(PageText {
        lines: without_rivals(found),
        certainty: certainty(&tried),
    })
}

/// Whether sure words cover most of a box.
fn is_read(lines: &[Line], bounds: Bounds) -> bool {
    let [.., width, height] = bounds;
    let words = lines
        .iter()
        .filter(|line| shared(line.bbox, bounds) > 0.0)
        .flat_map(|line| &line.words);
    let covered: f32 = words
        .filter(|word| word.confidence >= SURE)
        .map(|word| common(word.bbox, bounds) as f32)
        .sum();
    covered > (width * height) as f32 * 0.6
}

/// The line of a place, or the lines of its halves if it reads badly and they read better: lines that stand close, or
/// whose letters a coarse compression has run together, are found as one.
fn read_place(engine: &Engine, ink: &Ink, place: Place, splits: u32) -> Result<Vec<Vec<Word>>, Fault> {
    let whole = read_line(engine, ink, place)?;
    let sureness = mean(whole.iter().map(|word| word.confidence));
    let halves = if splits > 0 && sureness < SURE {
        places::halves(place, ink)
    } else {
        None
    };
    let Some(halves) = halves else {
        return Ok(vec![whole]);
    };
    let mut parts = Vec::new();
    for half in halves {
        parts.extend(read_place(engine, ink, half, splits - 1)?);
    }
    let better = mean(parts.iter().flatten().map(|word| word.confidence)) > sureness;
    Ok(if better { parts } else { vec![whole] })
}

/// Words of one line, from left to right.
fn read_line(engine: &Engine, ink: &Ink, line: Place) -> Result<Vec<Word>, Fault> {
    let mut best: Vec<Word> = Vec::new();
    // What a coarse compression put around letters is smoothed away, and what reads badly then is read as it came.
    let smooth = [ink.is_blocky(), false];
    for (height, smooth) in HEIGHTS.into_iter().zip(smooth) {
        let Some(strip) = Strip::cut(ink, line, height, smooth) else {
            return Ok(best);
        };
        let raw = engine.read_line(&strip.picture)?;
        let on_page = raw.into_iter().filter_map(|word| strip.on_page(word, ink.size()));
        let words = on_page.map(|word| Word {
            // The engine's boxes reach above and below their letters now and then.
            bbox: ink.tight(word.bbox).unwrap_or(word.bbox),
            ..word
        });
        best = better(best, words.collect());
        if !best.is_empty() && best.iter().all(|word| word.confidence >= SURE) {
            break;
        }
    }
    best.sort_unstable_by_key(|word| word.bbox[0]);
    Ok(joined_by_underscores(best, ink))
}

/// Words between which there is nothing but a stroke at their feet are one word: the engine takes underscores for
/// spaces. A stroke that goes on below the words underlines them.
fn joined_by_underscores(words: Vec<Word>, ink: &Ink) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(last) if has_underscore(last.bbox, word.bbox, ink) => {
                last.text = format!("{}_{}", last.text, word.text);
                last.bbox = union(last.bbox, word.bbox);
                last.confidence = last.confidence.min(word.confidence);
            }
            _ => joined.push(word),
        }
    }
    joined
}

fn has_underscore(left: Bounds, right: Bounds, ink: &Ink) -> bool {
    let height = left[3].max(right[3]);
    let (start, end) = (left[0] + left[2], right[0]);
    let gap = end.saturating_sub(start);
    if gap < 3 || gap > height + height / 2 {
        return false;
    }
    let bottom = (left[1] + left[3]).max(right[1] + right[3]);
    let top = left[1].min(right[1]);
    let feet = bottom.saturating_sub(height / 3)..bottom + height / 3 + 1;
    let stroke = |y: &u32| {
        let beside = ink
            .share_of_row(*y, start.saturating_sub(gap)..start)
            .max(ink.share_of_row(*y, end..end + gap));
        ink.share_of_row(*y, start..end) > UNDERSCORE_SHARE && beside < UNDERSCORE_SHARE
    };
    let empty_above = (top..feet.start).all(|y| ink.share_of_row(y, start + 1..end - 1) == 0.0);
    empty_above && feet.into_iter().any(|y| stroke(&y))
}

/// The surer words of two readings of one line.
fn better(first: Vec<Word>, second: Vec<Word>) -> Vec<Word> {
    let mut words: Vec<Word> = first.into_iter().chain(second).collect();
    words.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<Word> = Vec::new();
    for word in words {
        if kept
            .iter()
            .all(|other| shared(word.bbox, other.bbox) <= SAME_WORD_SHARE)
        {
            kept.push(word);
        }
    }
    kept
}

/// Of words that stand in each other's place, the surer ones.
fn without_rivals(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<Line> = Vec::new();
    for line in lines {
        let rivals: Vec<&Line> = kept
            .iter()
            .filter(|other| shared(line.bbox, other.bbox) > 0.0)
            .collect();
        let free = |word: &Word| {
            let others = rivals.iter().flat_map(|line| &line.words);
            others
                .into_iter()
                .all(|other| shared(word.bbox, other.bbox) <= SAME_WORD_SHARE)
        };
        let words: Vec<Word> = line.words.into_iter().filter(free).collect();
        if !words.is_empty() {
            kept.push(line_of(&words));
        }
    }
    kept
}

fn is_believed(word: &Word) -> bool {
    word.confidence >= BELIEVED && word.text.chars().any(char::is_alphanumeric)
}

/// A sign or two that stand alone are an icon more often than a word.
fn is_icon(words: &[Word]) -> bool {
    let mut signs = words
        .iter()
        .flat_map(|word| word.text.chars())
        .filter(|sign| sign.is_alphanumeric());
    let sureness = mean(words.iter().map(|word| word.confidence));
    match (signs.next(), signs.next(), signs.nth(1)) {
        (Some(only), None, _) if only.is_numeric() => sureness < SIGNS_BELIEVED,
        (Some(only), None, _) => only.is_lowercase() || sureness < LETTER_BELIEVED,
        (_, Some(_), None) => sureness < SIGNS_BELIEVED,
        _ => false,
    }
}
