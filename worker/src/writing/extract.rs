//! The main points of a text, taken out of it word by word: sentences that hold the text's frequent words close
//! together, by H. P. Luhn, "The Automatic Creation of Literature Abstracts" (IBM Journal, 1958). Nothing is made up.

use std::collections::HashMap;

/// Words shorter than this say little.
const MIN_WORD_CHARS: usize = 4;
/// A word counts as significant from this many times on.
const MIN_TIMES: usize = 2;
/// Significant words with more than this many others between them belong to different clusters.
const MAX_GAP: usize = 4;
/// The most frequent words that are in this share of all sentences say what every sentence says.
const COMMON_SHARE: f64 = 0.6;
/// Words that a point follows without ending a sentence, beside initials and the like of "e.g.".
const ABBREVIATIONS: &[&str] = &["dr", "mr", "mrs", "ms", "prof", "st", "vs", "fig", "approx"];
/// Most sentences that are looked at; a text of 400,000 characters has fewer.
const MAX_SENTENCES: usize = 10_000;

/// The sentences of a text, in order, spaces evened out.
pub fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(text) {
        let mut current = String::new();
        let mut words = block.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
            let next_begins = words.peek().is_none_or(|next| !next.starts_with(char::is_lowercase));
            if ends_sentence(word) && next_begins {
                found.push(std::mem::take(&mut current));
            }
        }
        if !current.is_empty() {
            found.push(current);
        }
        if found.len() >= MAX_SENTENCES {
            found.truncate(MAX_SENTENCES);
            break;
        }
    }
    found
}

/// At most `most` sentences that carry the text, in the order in which they stand in it.
pub fn main_points(text: &str, most: usize) -> Vec<String> {
    let sentences = sentences(text);
    if sentences.len() <= most {
        return sentences;
    }
    let words: Vec<Vec<String>> = sentences.iter().map(|sentence| words_of(sentence)).collect();
    let significant = significant_words(&words);
    let mut scored: Vec<(usize, f64)> = words
        .iter()
        .map(|words| score(words, &significant))
        .enumerate()
        .collect();
    // Of equals the earlier one: texts say first what they are about.
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(most);
    scored.sort_by_key(|(index, _)| *index);
    scored.into_iter().map(|(index, _)| sentences[index].clone()).collect()
}

/// Paragraphs, and lines of lists and headings, without their marks.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in text.lines() {
        let line = line.trim();
        let bare = line
            .trim_start_matches(['#', '-', '*', '+', '>', '\u{2022}'])
            .trim_start();
        if line.is_empty() || bare.len() != line.len() {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(bare);
            block.push(' ');
        }
        if line.starts_with('#') {
            blocks.push(String::new());
        }
    }
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

fn ends_sentence(word: &str) -> bool {
    let bare = word.trim_end_matches(['"', '\'', ')', ']', '\u{201d}', '\u{2019}', '\u{bb}']);
    let ends = bare.ends_with(['.', '!', '?', '\u{2026}', '\u{3002}', '\u{ff01}', '\u{ff1f}']);
    let stem = bare.trim_end_matches('.');
    let is_short =
        stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic) || stem.contains('.') && stem.len() <= 4;
    let is_abbreviation = is_short || ABBREVIATIONS.iter().any(|known| stem.eq_ignore_ascii_case(known));
    ends && !(bare.ends_with('.') && is_abbreviation)
}

fn words_of(sentence: &str) -> Vec<String> {
    let words = sentence.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn significant_words(sentences: &[Vec<String>]) -> HashMap<String, usize> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for words in sentences {
        let mut seen = std::collections::HashSet::new();
        for word in words.iter().filter(|word| word.chars().count() >= MIN_WORD_CHARS) {
            if seen.insert(word) {
                *times.entry(word.clone()).or_default() += 1;
            }
        }
    }
    let common = (sentences.len() as f64 * COMMON_SHARE).max(MIN_TIMES as f64 + 1.0);
    times.retain(|_, times| *times >= MIN_TIMES && (*times as f64) < common);
    times
}

/// The best cluster: significant words, squared, over its length.
fn score(words: &[String], significant: &HashMap<String, usize>) -> f64 {
    let (mut best, mut start, mut last, mut count) = (0.0_f64, 0, None, 0);
    for (index, word) in words.iter().enumerate() {
        if !significant.contains_key(word) {
            continue;
        }
        if last.is_none_or(|last| index - last > MAX_GAP + 1) {
            (start, count) = (index, 0);
        }
        count += 1;
        last = Some(index);
        best = best.max((count * count) as f64 / (index - start + 1) as f64);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The reactor was shut down on Monday. Nobody was hurt, said Dr. A. Smith.\n\nThe weather was fine. \
        Engineers found a crack in the cooling pump of the reactor. People had lunch. \
        The cooling pump will be replaced before the reactor starts again. It rained at night.";

    #[test]
    fn sentences_end_at_points_and_not_at_initials() {
        let found = sentences(TEXT);
        assert_eq!(found.len(), 7, "{found:?}");
        assert_eq!(found[1], "Nobody was hurt, said Dr. A. Smith.");
    }

    #[test]
    fn the_main_points_are_sentences_of_the_text_in_its_order() {
        assert_eq!(
            main_points(TEXT, 2),
            [
                "Engineers found a crack in the cooling pump of the reactor.",
                "The cooling pump will be replaced before the reactor starts again."
            ]
        );
    }

    #[test]
    fn short_texts_lists_and_texts_without_points_are_taken_as_they_are() {
        assert_eq!(main_points("One thing.", 5), ["One thing."]);
        assert_eq!(
            sentences("# Title\n- first item\n- second item\nno point"),
            ["Title", "first item", "second item no point"]
        );
        assert_eq!(main_points("  \n ", 3), [""; 0]);
    }
}
