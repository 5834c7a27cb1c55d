//! How well `ocr` reads pages whose truth is known: themes, grounds, sizes and damage. The bounds lie a little below
//! what is reached, so that a change which reads worse is seen.

use serde_json::{Value, json};

use crate::drawn_pages::{Page, pages, sent};
use crate::vocabulary::{ocr, pool};

/// A word is found if its box and the true one share this much of what both cover.
const SAME_BOX: f32 = 0.5;
/// Least F1 of a family, and of all together.
const LEAST_OF_FAMILY: f32 = 0.88;
const LEAST_OF_ALL: f32 = 0.95;
/// Confidence has to rank right readings above wrong ones, or above nothing, this often.
const LEAST_CONFIDENCE: f64 = 0.85;

/// Counts of one page.
#[derive(Clone, Copy)]
struct Score {
    hits: usize,
    found: usize,
    true_words: usize,
}

impl Score {
    fn f1(self) -> f32 {
        2.0 * self.hits as f32 / (self.found + self.true_words).max(1) as f32
    }

    fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            found: self.found + other.found,
            true_words: self.true_words + other.true_words,
        }
    }
}

fn words(output: &Value) -> Vec<(String, [f32; 4])> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let lines = list(output, "blocks")
        .into_iter()
        .flat_map(|block| list(&block, "lines"));
    let words = lines.flat_map(|line| list(&line, "words"));
    words
        .map(|word| {
            let text = word["text"].as_str().expect("a word has a text").to_owned();
            (
                text,
                serde_json::from_value(word["bbox"].clone()).expect("a box is four numbers"),
            )
        })
        .collect()
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let width = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let height = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    let common = width.max(0.0) * height.max(0.0);
    common / (a[2] * a[3] + b[2] * b[3] - common)
}

fn score(page: &Page, output: &Value) -> Score {
    let mut left = words(output);
    let found = left.len();
    let mut hits = 0;
    for (text, bbox) in &page.words {
        let place = left
            .iter()
            .position(|(other, place)| other == text && overlap(*place, *bbox) >= SAME_BOX);
        if let Some(place) = place {
            left.swap_remove(place);
            hits += 1;
        }
    }
    Score {
        hits,
        found,
        true_words: page.words.len(),
    }
}

#[tokio::test]
async fn pages_of_every_family_are_read_as_well_as_before() {
    let (pool, _) = pool();
    let mut all = Score {
        hits: 0,
        found: 0,
        true_words: 0,
    };
    let mut told = String::new();
    for page in pages() {
        let output = ocr(&pool, sent(&page), json!({})).await.expect("the page is readable");
        let score = score(&page, &output);
        told += &format!("{}: {:.3}; ", page.name, score.f1());
        assert!(score.f1() >= LEAST_OF_FAMILY, "{told}{}", output["text"]);
        let confidence = output["confidence"].as_f64().unwrap_or(0.0);
        assert!(confidence >= LEAST_CONFIDENCE, "{}: {confidence}", page.name);
        all = all.and(score);
    }
    assert!(all.f1() >= LEAST_OF_ALL, "{told}all: {:.3}", all.f1());
}

#[tokio::test]
async fn the_words_of_a_page_are_told_in_reading_order() {
    let (pool, _) = pool();
    let prose = pages()
        .into_iter()
        .find(|page| page.name == "prose")
        .expect("there is one");
    let output = ocr(&pool, sent(&prose), json!({})).await.expect("the page is readable");
    let expected: Vec<&str> = prose.words.iter().map(|(text, _)| text.as_str()).collect();
    let text = output["text"].as_str().expect("text is a string");
    let read: Vec<&str> = text.split_whitespace().collect();
    let in_order = expected.iter().zip(&read).filter(|(a, b)| a == b).count();
    assert!(in_order + 3 >= expected.len(), "{read:?}");
}
