//! Many candidates for one object become one: the surest stays, and those of its class that overlap with it go.

use super::outputs::Candidate;

/// Two boxes that share more than this of what they cover together are one object.
const MAX_OVERLAP: f32 = 0.45;
/// Candidates that are looked at, surest first: a network that answers noise must not cost a minute.
const MAX_CANDIDATES: usize = 5_000;

/// The surest of the candidates, at most `most`.
pub(super) fn surest(mut candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.truncate(most);
    candidates
}

/// As [`surest`], without those that overlap with a surer one of their class.
pub(super) fn suppress(candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in surest(candidates, MAX_CANDIDATES) {
        if kept.len() >= most {
            break;
        }
        let same = |other: &Candidate| {
            other.class == candidate.class && overlap(other.corners, candidate.corners) > MAX_OVERLAP
        };
        if !kept.iter().any(same) {
            kept.push(candidate);
        }
    }
    kept
}

/// What two boxes share, of what they cover together.
fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let together = area(a) + area(b) - shared;
    if together > 0.0 { shared / together } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(class: usize, confidence: f32, left: f32) -> Candidate {
        Candidate {
            corners: [left, 0.0, left + 10.0, 10.0],
            class,
            confidence,
        }
    }

    fn told(kept: &[Candidate]) -> Vec<(usize, f32)> {
        kept.iter().map(|one| (one.class, one.confidence)).collect()
    }

    #[test]
    fn the_surest_of_a_class_stays_and_another_class_at_the_same_place_too() {
        let found = vec![
            candidate(0, 0.6, 1.0),
            candidate(0, 0.9, 0.0),
            candidate(1, 0.7, 0.0),
            candidate(0, 0.5, 30.0),
        ];
        assert_eq!(told(&suppress(found, 300)), [(0, 0.9), (1, 0.7), (0, 0.5)]);
    }

    #[test]
    fn boxes_that_merely_touch_are_two_objects() {
        // Two thirds of each are shared with the other at 2 of 10 to the side, a quarter at 6.
        let near = suppress(vec![candidate(0, 0.9, 0.0), candidate(0, 0.8, 2.0)], 300);
        let far = suppress(vec![candidate(0, 0.9, 0.0), candidate(0, 0.8, 6.0)], 300);
        assert_eq!((near.len(), far.len()), (1, 2));
    }

    #[test]
    fn what_is_kept_and_what_is_looked_at_is_bounded() {
        let noise: Vec<Candidate> = (0..20_000).map(|at| candidate(at, 0.5, at as f32 * 20.0)).collect();
        assert_eq!(suppress(noise.clone(), 300).len(), 300);
        assert_eq!(suppress(noise, usize::MAX).len(), MAX_CANDIDATES);
        let empty = Candidate {
            corners: [5.0; 4],
            ..candidate(0, 0.9, 0.0)
        };
        assert_eq!(
            suppress(vec![empty, empty], 300).len(),
            2,
            "boxes without a size overlap with nothing"
        );
    }
}
