//! Pieces of speech made one: the silence that engines put around a sentence is cut, edges are faded over a few
//! milliseconds so that nothing clicks, and the pauses between sentences are ours.

use super::wav::Sound;
use crate::fault::Fault;

/// Samples below this are silence: -46 dB.
const SILENCE: i16 = 164;
/// Silence that stays at both ends of a piece, milliseconds: breath belongs to speech.
const KEPT_MS: u32 = 40;
/// Length of a fade, milliseconds.
const FADE_MS: u32 = 6;
/// Longest result, samples: an hour and a half at 48,000 a second.
const MAX_SAMPLES: usize = 260_000_000;

/// The whole, and where its pieces are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) sound: Sound,
    /// Start, end, and what was cut off the beginning, milliseconds.
    pub(super) pieces: Vec<(u64, u64, u64)>,
}

/// Joins pieces of one rate, each followed by its pause in milliseconds.
pub(super) fn join(sounds: &[Sound], pauses: &[u32]) -> Result<Joined, Fault> {
    let rate = sounds
        .first()
        .map(|sound| sound.rate)
        .ok_or_else(|| Fault::input_invalid("there is nothing to join"))?;
    if sounds.iter().any(|sound| sound.rate != rate) {
        return Err(Fault::engine_failed("the pieces have different rates"));
    }
    let samples_of = |ms: u32| (u64::from(ms) * u64::from(rate) / 1_000) as usize;
    let ms_of = |samples: usize| samples as u64 * 1_000 / u64::from(rate);
    let mut whole: Vec<i16> = Vec::new();
    let mut pieces = Vec::with_capacity(sounds.len());
    for (index, (sound, pause)) in sounds.iter().zip(pauses).enumerate() {
        let (from, to) = spoken(&sound.samples, samples_of(KEPT_MS));
        let start = whole.len();
        whole.extend_from_slice(&sound.samples[from..to]);
        fade(&mut whole[start..], samples_of(FADE_MS));
        pieces.push((ms_of(start), ms_of(whole.len()), ms_of(from)));
        let is_last = index + 1 == sounds.len();
        let pause = if is_last { 0 } else { samples_of(*pause) };
        if whole.len() + pause > MAX_SAMPLES {
            return Err(Fault::input_invalid("the speech is too long"));
        }
        whole.resize(whole.len() + pause, 0);
    }
    let sound = Sound { rate, samples: whole };
    Ok(Joined { sound, pieces })
}

/// Whether nothing in it is loud enough to be speech.
pub(super) fn is_silent(sound: &Sound) -> bool {
    sound
        .samples
        .iter()
        .all(|sample| sample.unsigned_abs() <= SILENCE.unsigned_abs())
}

/// The part that is no silence, with what is kept around it.
fn spoken(samples: &[i16], kept: usize) -> (usize, usize) {
    let loud = |sample: &i16| sample.unsigned_abs() > SILENCE.unsigned_abs();
    let Some(first) = samples.iter().position(loud) else {
        return (0, samples.len().min(kept));
    };
    let last = samples.iter().rposition(loud).unwrap_or(first);
    (first.saturating_sub(kept), (last + 1 + kept).min(samples.len()))
}

fn fade(samples: &mut [i16], length: usize) {
    let length = length.min(samples.len() / 2).max(1);
    let scale = |sample: &mut i16, step: usize| {
        let scaled = i64::from(*sample) * step as i64 / length as i64;
        *sample = i16::try_from(scaled).unwrap_or_default();
    };
    for (step, sample) in samples.iter_mut().take(length).enumerate() {
        scale(sample, step);
    }
    for (step, sample) in samples.iter_mut().rev().take(length).enumerate() {
        scale(sample, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn tone(silence: usize, loud: usize) -> Sound {
        let mut samples = vec![0; silence];
        samples.extend((0..loud).map(|n| if n % 40 < 20 { 9_000 } else { -9_000 }));
        samples.extend(vec![0; silence]);
        Sound { rate: RATE, samples }
    }

    #[test]
    fn silence_around_pieces_is_cut_and_the_pauses_are_those_asked_for() {
        let joined = join(&[tone(8_000, 16_000), tone(8_000, 16_000)], &[250, 9_999]).expect("one rate");
        // A second of tone and 40 ms on both sides, 250 ms, the same again; nothing after the last.
        assert_eq!(joined.pieces, [(0, 1_080, 460), (1_330, 2_410, 460)]);
        assert_eq!(joined.sound.duration_ms(), 2_410);
    }

    #[test]
    fn no_edge_jumps() {
        let loud_to_the_end = tone(0, 1_600);
        let joined = join(&[loud_to_the_end.clone(), loud_to_the_end], &[0, 0]).expect("one rate");
        let at_seam = &joined.sound.samples[1_595..1_605];
        let steepest = at_seam
            .windows(2)
            .map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs())
            .max();
        assert!(steepest < Some(700), "{at_seam:?}");
        assert_eq!((joined.sound.samples[0], joined.sound.samples[3_199]), (0, 0));
    }

    #[test]
    fn pieces_of_different_rates_and_no_pieces_are_refused() {
        let slow = Sound {
            rate: 8_000,
            samples: vec![1; 10],
        };
        assert!(join(&[tone(0, 10), slow], &[0, 0]).is_err());
        assert!(join(&[], &[]).is_err());
    }
}
