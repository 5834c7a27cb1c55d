//! Sound of telephones, G.711, on its way to AAC: which samples are encoded together and when what comes out is heard.
//!
//! A media child encodes about a second at a time and remembers nothing, so any child serves any stream. A frame of AAC
//! overlaps its neighbours, so each batch carries some samples from before it, which warm the encoder up, and from after it,
//! which the encoder looks ahead to; of what comes out only the frames between are kept. They lie on one grid, so that those
//! of one batch continue those of the batch before.

use bytes::Bytes;

use super::sound::SoundFrame;
use crate::protocol_sources::{AAC_FRAME, Law, SoundInput};

/// Samples of a frame of AAC.
const FRAME: usize = AAC_FRAME as usize;
/// Frames that the encoder is warmed up with, and that it looks ahead.
const WARM_UP: usize = 2;
const AHEAD: usize = 2;
/// Parts of a second: times of frames that are off by less than the first are those of a clock that jitters; what is missing
/// up to the second is silence; what is further away begins anew.
const JITTER: i64 = 25;
const LEAP: i64 = 1;

/// Samples that wait to be encoded.
#[derive(Debug)]
pub struct Voice {
    law: Law,
    rate: u32,
    /// From [`Self::start`] on.
    samples: Vec<u8>,
    /// Time of the first of them, and of the next frame of AAC, ticks.
    start: i64,
    next: i64,
}

/// What is encoded together.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// The request.
    pub input: SoundInput,
    /// Its body.
    pub body: Bytes,
    /// When its first frame is heard, ticks.
    pub ticks: i64,
}

impl Voice {
    /// Nothing yet, of so many samples a second.
    pub fn new(law: Law, rate: u32) -> Self {
        Self {
            law,
            rate,
            samples: Vec::new(),
            start: 0,
            next: 0,
        }
    }

    /// Takes a frame. False if it does not continue what waits: that has to be encoded to its end before.
    pub fn push(&mut self, frame: &SoundFrame) -> bool {
        if self.samples.is_empty() {
            (self.start, self.next) = (frame.ticks, frame.ticks);
        }
        let rate = i64::from(self.rate);
        let off = frame.ticks - self.end();
        let mut samples = &frame.data[..];
        if off.abs() > rate * LEAP {
            return false;
        } else if off > rate / JITTER {
            let silence = self.law.silence();
            self.samples
                .extend(std::iter::repeat_n(silence, off.unsigned_abs() as usize));
        } else if off < -rate / JITTER {
            samples = samples.get(off.unsigned_abs() as usize..).unwrap_or_default();
        }
        self.samples.extend_from_slice(samples);
        true
    }

    /// What is to be encoded now, if it is enough.
    pub fn batch(&mut self) -> Option<Batch> {
        let frames = (self.left() / FRAME).saturating_sub(AHEAD);
        (frames >= (self.rate as usize / FRAME).max(1)).then(|| self.take(frames))
    }

    /// What is left, to its end; nothing waits after that.
    pub fn rest(&mut self) -> Option<Batch> {
        let left = self.left();
        let rest = (left > 0).then(|| self.take(left.div_ceil(FRAME)));
        self.samples.clear();
        rest
    }

    /// Up to when sound has been encoded, ticks of so many a second; none before any has come.
    pub fn encoded_until(&self, ticks: u32) -> Option<i64> {
        let until = i128::from(self.next) * i128::from(ticks) / i128::from(self.rate.max(1));
        (!self.samples.is_empty()).then_some(until as i64)
    }

    /// Up to when sound has come.
    fn end(&self) -> i64 {
        self.start + self.samples.len() as i64
    }

    /// Samples that have not been encoded.
    fn left(&self) -> usize {
        (self.end() - self.next).max(0).unsigned_abs() as usize
    }

    fn take(&mut self, frames: usize) -> Batch {
        let before = (self.next - self.start).unsigned_abs() as usize;
        let warm_up = (before / FRAME).min(WARM_UP);
        let from = before - warm_up * FRAME;
        let until = (before + (frames + AHEAD) * FRAME).min(self.samples.len());
        let batch = Batch {
            input: SoundInput {
                law: self.law,
                rate: self.rate,
                skip: warm_up as u32,
                frames: frames as u32,
            },
            body: Bytes::copy_from_slice(&self.samples[from..until]),
            ticks: self.next,
        };
        self.next += (frames * FRAME) as i64;
        // What warms up the next one stays.
        let gone = (before + frames * FRAME).saturating_sub(WARM_UP * FRAME);
        self.samples.drain(..gone.min(self.samples.len()));
        self.start += gone as i64;
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(ticks: i64, samples: usize) -> SoundFrame {
        SoundFrame {
            data: (0..samples).map(|sample| (ticks + sample as i64) as u8).collect(),
            ticks,
            duration: samples as u32,
        }
    }

    /// Pushes frames of 20 ms from this time on and takes what is ready, and the rest.
    fn batches(voice: &mut Voice, frames: impl IntoIterator<Item = SoundFrame>) -> Vec<Batch> {
        let mut all = Vec::new();
        for frame in frames {
            assert!(voice.push(&frame), "{} continues", frame.ticks);
            all.extend(voice.batch());
        }
        all.extend(voice.rest());
        all
    }

    fn each_20_ms(from: i64, count: i64) -> impl Iterator<Item = SoundFrame> {
        (0..count).map(move |number| frame(from + number * 160, 160))
    }

    #[test]
    fn about_a_second_is_encoded_at_a_time_with_what_lies_around_it() {
        let mut voice = Voice::new(Law::Mu, 8_000);
        let all = batches(&mut voice, each_20_ms(5_000, 150));
        let told: Vec<_> = all
            .iter()
            .map(|batch| (batch.ticks, batch.input.skip, batch.input.frames))
            .collect();
        assert_eq!(told, [(5_000, 0, 7), (12_168, 2, 7), (19_336, 2, 7), (26_504, 2, 3)]);
        let second = &all[1].body;
        assert_eq!(second.len(), (2 + 7 + 2) * FRAME);
        assert_eq!(
            second[0],
            (12_168 - 2 * FRAME as i64) as u8,
            "it begins where it is warmed up"
        );
    }

    #[test]
    fn what_is_missing_is_silence_what_comes_twice_is_left_out_and_a_leap_begins_anew() {
        let mut voice = Voice::new(Law::Mu, 8_000);
        for ticks in [0, 160, 700, 480] {
            assert!(voice.push(&frame(ticks, 160)), "{ticks}");
        }
        assert!(!voice.push(&frame(100_000, 160)), "it is more than a second away");
        let rest = voice.rest().expect("there was sound");
        assert_eq!(
            rest.body.len(),
            860,
            "380 are silent, and what began at 480 came before"
        );
        assert!(rest.body[320..700].iter().all(|sample| *sample == Law::Mu.silence()));
        assert_eq!(voice.encoded_until(8_000), None);
        assert!(voice.push(&frame(100_000, 160)));
        assert_eq!(voice.rest().map(|batch| batch.ticks), Some(100_000));
    }

    proptest! {
        #[test]
        fn batches_cover_all_sound_in_order_whatever_its_times(steps in prop::collection::vec((-9_000_i64..9_000, 0_usize..2_000), 1..80)) {
            let mut voice = Voice::new(Law::A, 8_000);
            let mut ticks = 0;
            let check = |batch: Batch| {
                let frames = (batch.input.skip + batch.input.frames) as usize;
                assert!(batch.body.len() <= (frames + AHEAD) * FRAME && batch.body.len() > (frames - 1) * FRAME);
            };
            for (step, samples) in steps {
                ticks += step / 4 + samples as i64;
                let frame = frame(ticks, samples);
                if !voice.push(&frame) {
                    voice.rest().into_iter().for_each(check);
                    prop_assert!(voice.push(&frame));
                }
                voice.batch().into_iter().for_each(check);
            }
            let end = voice.end();
            let left = voice.rest();
            let all = left.is_none() || left.is_some_and(|batch| batch.ticks + i64::from(batch.input.frames) * FRAME as i64 >= end);
            prop_assert!(all);
        }
    }
}
