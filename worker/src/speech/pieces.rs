//! Text cut into pieces that are spoken at a time: at sentences where possible, within what an engine takes.

use zoetrope_shared::tasks::voice_synthesis::SpokenPart;

use crate::writing::extract;

/// Silence after a sentence and after a paragraph, milliseconds.
const SENTENCE_PAUSE_MS: u32 = 220;
const PARAGRAPH_PAUSE_MS: u32 = 600;

/// What is spoken at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which part of the input it belongs to, from 0.
    pub part: u32,
    /// Its sentences.
    pub sentences: Vec<String>,
    /// Silence after it, milliseconds.
    pub pause_ms: u32,
}

impl Piece {
    /// What is spoken.
    pub fn text(&self) -> String {
        self.sentences.join(" ")
    }
}

/// How much is spoken at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Most characters of a piece.
    pub max_chars: usize,
    /// Whether sentences are spoken one by one.
    pub one_sentence: bool,
}

/// The pieces of all parts, in order. Parts without a word are left out.
pub fn split(parts: &[SpokenPart], portion: Portion) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let before = pieces.len();
        for paragraph in part.text.split("\n\n") {
            let sentences = extract::sentences(paragraph);
            let spoken = sentences
                .iter()
                .filter(|sentence| sentence.chars().any(char::is_alphanumeric));
            let first_of_paragraph = pieces.len();
            for sentence in spoken.flat_map(|sentence| within(sentence, portion.max_chars)) {
                append(&mut pieces, first_of_paragraph, number, sentence, portion);
            }
            if pieces.len() > first_of_paragraph
                && let Some(last) = pieces.last_mut()
            {
                last.pause_ms = PARAGRAPH_PAUSE_MS;
            }
        }
        if pieces.len() > before
            && let Some(last) = pieces.last_mut()
        {
            last.pause_ms = part.pause_ms;
        }
    }
    pieces
}

/// Adds a sentence to the last piece of its paragraph if it fits there, else as a piece of its own.
fn append(pieces: &mut Vec<Piece>, first_of_paragraph: usize, part: u32, sentence: String, portion: Portion) {
    let length = sentence.chars().count();
    let open = pieces[first_of_paragraph..].last_mut().filter(|piece| {
        let so_far = piece.text().chars().count();
        !portion.one_sentence && so_far + 1 + length <= portion.max_chars
    });
    match open {
        Some(piece) => piece.sentences.push(sentence),
        None => pieces.push(Piece {
            part,
            sentences: vec![sentence],
            pause_ms: SENTENCE_PAUSE_MS,
        }),
    }
}

/// A sentence in parts of at most `max` characters: cut after a comma or the like, else between words, else anywhere.
fn within(sentence: &str, max: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = sentence.trim();
    while rest.chars().count() > max {
        let end = rest.char_indices().nth(max).map_or(rest.len(), |(at, _)| at);
        let head = &rest[..end];
        let clause = head.rfind([',', ';', ':', '\u{2014}', '\u{3001}']).map(|at| at + 1);
        let cut = clause
            .filter(|at| *at > end / 3)
            .or_else(|| head.rfind(' '))
            .filter(|at| *at > 0)
            .unwrap_or(end);
        // The mark may have more bytes than one.
        let cut = (cut..=end).find(|at| rest.is_char_boundary(*at)).unwrap_or(end);
        parts.push(rest[..cut].trim().to_owned());
        rest = rest[cut..].trim();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> SpokenPart {
        SpokenPart {
            text: text.to_owned(),
            pause_ms: 1_000,
        }
    }

    fn spoken(pieces: &[Piece]) -> Vec<(u32, String, u32)> {
        pieces
            .iter()
            .map(|piece| (piece.part, piece.text(), piece.pause_ms))
            .collect()
    }

    const BY_SENTENCE: Portion = Portion {
        max_chars: 300,
        one_sentence: true,
    };

    #[test]
    fn sentences_paragraphs_and_parts_have_pauses_of_their_own() {
        let pieces = split(&[part("One. Two!\n\nThree."), part("..."), part("Four.")], BY_SENTENCE);
        let expected = [
            (0, "One.", 220),
            (0, "Two!", 600),
            (0, "Three.", 1_000),
            (2, "Four.", 1_000),
        ];
        assert_eq!(
            spoken(&pieces),
            expected.map(|(part, text, pause)| (part, text.to_owned(), pause))
        );
    }

    #[test]
    fn sentences_go_together_as_far_as_they_fit_but_not_over_a_paragraph() {
        let portion = Portion {
            max_chars: 11,
            one_sentence: false,
        };
        let texts: Vec<String> = split(&[part("One. Two. Three.\n\nFour.")], portion)
            .iter()
            .map(Piece::text)
            .collect();
        assert_eq!(texts, ["One. Two.", "Three.", "Four."]);
    }

    #[test]
    fn no_piece_is_longer_than_the_limit_and_nothing_is_lost() {
        let long = format!("{}, {} {}", "a".repeat(30), "b ".repeat(40), "\u{4e2d}".repeat(70));
        let portion = Portion {
            max_chars: 25,
            one_sentence: true,
        };
        let pieces = split(&[part(&long)], portion);
        assert!(
            pieces.iter().all(|piece| piece.text().chars().count() <= 25),
            "{pieces:?}"
        );
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let all: String = pieces.iter().map(|piece| letters(&piece.text())).collect();
        assert_eq!(all, letters(&long));
    }
}
