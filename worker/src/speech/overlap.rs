//! Long audio is heard in pieces that overlap; here what was heard in two of them becomes one, so that no word at a
//! seam is lost or told twice.

use super::heard::{Segment, TimedText};

/// Words at an edge that are compared.
const EDGE_WORDS: usize = 40;
/// Fewer words alike are chance.
const LEAST_ALIKE: usize = 3;

/// Adds a piece to what was heard so far. Both have times of the whole; the pieces overlap from `from_ms` to `to_ms`.
pub fn join(heard: &mut Vec<Segment>, next: Vec<Segment>, from_ms: u64, to_ms: u64) {
    if heard.is_empty() {
        *heard = next;
        return;
    }
    let is_timed = |segments: &[Segment]| segments.iter().all(|segment| segment.is_timed);
    if is_timed(heard) && is_timed(&next) {
        // Each piece hears best away from its edge.
        let seam = u64::midpoint(from_ms, to_ms);
        retain(heard, |time| time < seam);
        let mut next = next;
        retain(&mut next, |time| time >= seam);
        heard.extend(next);
    } else {
        join_by_words(heard, next);
    }
}

/// Keeps segments, or words of them where words have times, by the time of their middle.
fn retain(segments: &mut Vec<Segment>, keep: impl Fn(u64) -> bool) {
    for segment in segments.iter_mut() {
        if segment.words.is_empty() {
            continue;
        }
        let all = segment.words.len();
        segment
            .words
            .retain(|word| keep(u64::midpoint(word.start_ms, word.end_ms)));
        if segment.words.len() < all {
            segment.follow_words();
        }
    }
    segments.retain(|segment| {
        let by_words = !segment.words.is_empty();
        (by_words || keep(u64::midpoint(segment.start_ms, segment.end_ms))) && !segment.text.is_empty()
    });
}

/// Joins texts without times at the longest run of words that both edges have.
fn join_by_words(heard: &mut Vec<Segment>, next: Vec<Segment>) {
    let Some(last) = heard.last_mut() else { return };
    let mut next = next.into_iter();
    let Some(mut first) = next.next() else { return };
    let before: Vec<&str> = last.text.split_whitespace().collect();
    let after: Vec<&str> = first.text.split_whitespace().collect();
    let tail = before.len().saturating_sub(EDGE_WORDS);
    let head = after.len().min(EDGE_WORDS);
    if let Some((in_before, in_after, length)) = longest_alike(&before[tail..], &after[..head]) {
        let kept = before[..tail + in_before + length].join(" ");
        first.text = after[in_after + length..].join(" ");
        last.text = kept;
    }
    heard.extend(
        std::iter::once(first)
            .chain(next)
            .filter(|segment| !segment.text.is_empty()),
    );
}

/// Where the longest common run begins in both, and its length; the last one of equals.
fn longest_alike(a: &[&str], b: &[&str]) -> Option<(usize, usize, usize)> {
    let bare = |word: &str| {
        word.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let (a, b): (Vec<String>, Vec<String>) = (a.iter().map(|w| bare(w)).collect(), b.iter().map(|w| bare(w)).collect());
    let mut best = None;
    for i in 0..a.len() {
        for j in 0..b.len() {
            let length = a[i..].iter().zip(&b[j..]).take_while(|(a, b)| a == b).count();
            if length >= LEAST_ALIKE && best.is_none_or(|(_, _, most)| length >= most) {
                best = Some((i, j, length));
            }
        }
    }
    best
}

/// Words with times as segments: one for each utterance, cut where it gets too long for subtitles.
pub fn segments_of(utterances: &[Vec<TimedText>]) -> Vec<Segment> {
    /// Longest segment, words.
    const MOST_WORDS: usize = 24;
    let pieces = utterances.iter().flat_map(|words| words.chunks(MOST_WORDS));
    pieces.map(|words| Segment::of_words(words.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from_ms: u64, text: &str) -> Segment {
        let timed = text.split(' ').zip(0_u64..).map(|(word, n)| TimedText {
            start_ms: from_ms + n * 1_000,
            end_ms: from_ms + n * 1_000 + 900,
            text: word.to_owned(),
            confidence: None,
        });
        Segment::of_words(timed.collect())
    }

    fn text(segments: &[Segment]) -> String {
        segments
            .iter()
            .map(|segment| segment.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_at_a_seam_are_told_once_and_none_is_lost() {
        // Seconds 0 to 10 and 6 to 14: the first piece has misheard its last word, the second its first.
        let mut heard = vec![words(0, "a b c d e f g h i X")];
        join(&mut heard, vec![words(6_000, "Y h i j k l m n")], 6_000, 10_000);
        assert_eq!(text(&heard), "a b c d e f g h i j k l m n");
        assert!(
            heard.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms),
            "{heard:?}"
        );
    }

    #[test]
    fn texts_without_times_are_joined_where_they_are_alike() {
        let mut heard = vec![Segment::untimed(
            0,
            10_000,
            "Once there was a king who had three sons and",
        )];
        let next = vec![Segment::untimed(
            6_000,
            16_000,
            "king, who had three sons and one daughter.",
        )];
        join(&mut heard, next, 6_000, 10_000);
        assert_eq!(
            text(&heard),
            "Once there was a king who had three sons and one daughter."
        );
        let mut strangers = vec![Segment::untimed(0, 10, "one two")];
        join(&mut strangers, vec![Segment::untimed(6, 16, "three four")], 6, 10);
        assert_eq!(text(&strangers), "one two three four");
    }
}
