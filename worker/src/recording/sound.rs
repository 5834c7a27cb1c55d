//! Sound beside the pictures: AAC, frame by frame, on a track of its own.

use std::sync::Arc;

use super::fragment::Sample;
use crate::protocol_sources::Law;

/// Frames that may wait for the next fragment, which waits for a picture.
const MAX_FRAMES: usize = 2_000;
/// Further ahead of the last frame than this, seconds, is no sound of this stretch.
const LEAP_S: i64 = 60;

/// What a player has to know of a track of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundTrack {
    /// Ticks a second.
    pub rate: u32,
    /// Its sample entry in a file, a box of MP4.
    pub entry: Arc<[u8]>,
    /// How its frames come.
    pub coding: SoundCoding,
}

/// How frames of sound come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundCoding {
    /// As they are recorded.
    Aac,
    /// To be encoded before.
    G711(Law),
}

/// One frame of sound as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundFrame {
    /// The codec's bytes.
    pub data: Vec<u8>,
    /// When it is heard, ticks of the track since the time from which pictures are counted, too.
    pub ticks: i64,
    /// How long it lasts, ticks.
    pub duration: u32,
}

/// Frames that wait for the next fragment.
#[derive(Debug)]
pub(super) struct Sound {
    rate: i64,
    /// Start of the stretch.
    base: i64,
    /// End of the newest frame, from there.
    end: i64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    start: i64,
    duration: i64,
    data: Vec<u8>,
}

/// Frames of one fragment.
#[derive(Debug)]
pub(super) struct SoundRun {
    /// Time of the first, ticks from the start of the stretch.
    pub(super) time: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) data: Vec<u8>,
}

impl Sound {
    /// For a stretch that begins at this time of the pictures, whose ticks are so many a second.
    pub(super) fn new(track: &SoundTrack, base: i64, video_rate: i64) -> Self {
        let rate = i64::from(track.rate);
        Self {
            rate,
            base: rescale(base, video_rate, rate),
            end: 0,
            waiting: Vec::new(),
        }
    }

    /// Takes a frame. What comes before the first picture, twice, or from another time is left out.
    pub(super) fn push(&mut self, frame: SoundFrame) {
        let SoundFrame { data, ticks, duration } = frame;
        let duration = i64::from(duration.max(1));
        let start = ticks - self.base;
        // Clocks of frames may be off by some ticks.
        let late = self.end - start;
        if start < 0 || late > duration / 2 || -late > LEAP_S * self.rate || self.waiting.len() >= MAX_FRAMES {
            return;
        }
        let start = start.max(self.end);
        if let Some(before) = self.waiting.last_mut() {
            before.duration = start - before.start;
        }
        self.end = start + duration;
        self.waiting.push(Waiting { start, duration, data });
    }

    /// The frames that begin before this time of the pictures, from the start of the stretch.
    pub(super) fn take(&mut self, until: i64, video_rate: i64) -> Option<SoundRun> {
        let until = rescale(until, video_rate, self.rate);
        let count = self.waiting.iter().take_while(|frame| frame.start < until).count();
        let time = self.waiting.first().filter(|_| count > 0)?.start;
        let (mut samples, mut data) = (Vec::new(), Vec::new());
        for frame in self.waiting.drain(..count) {
            samples.push(Sample {
                duration: u32::try_from(frame.duration).unwrap_or(1),
                size: frame.data.len() as u32,
                offset: 0,
                is_key: true,
            });
            data.extend_from_slice(&frame.data);
        }
        Some(SoundRun {
            time: time.cast_unsigned(),
            samples,
            data,
        })
    }
}

/// Times of frames that follow each other, where they are told rounded: a frame is taken to begin where the one before ended
/// unless it is told to be further away than rounding explains.
#[derive(Debug, Clone, Copy, Default)]
pub struct SampleClock {
    next: Option<i64>,
}

impl SampleClock {
    /// The time of a frame, ticks, that is told to begin at `told` and may be off by `rounding`.
    pub fn place(&mut self, told: i64, duration: u32, rounding: i64) -> i64 {
        let start = self.next.filter(|next| (next - told).abs() <= rounding).unwrap_or(told);
        self.next = Some(start + i64::from(duration));
        start
    }
}

fn rescale(ticks: i64, from: i64, to: i64) -> i64 {
    (i128::from(ticks) * i128::from(to) / i128::from(from)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: i64 = 90_000;

    fn sound(base: i64) -> Sound {
        let track = SoundTrack {
            rate: 1_000,
            entry: [].into(),
            coding: SoundCoding::Aac,
        };
        Sound::new(&track, base, RATE)
    }

    fn frame(ticks: i64) -> SoundFrame {
        SoundFrame {
            data: vec![1],
            ticks,
            duration: 20,
        }
    }

    fn taken(sound: &mut Sound, until_ms: i64) -> Option<(u64, Vec<u32>)> {
        let run = sound.take(until_ms * 90, RATE)?;
        Some((run.time, run.samples.iter().map(|sample| sample.duration).collect()))
    }

    #[test]
    fn frames_go_with_the_pictures_of_their_time() {
        let mut sound = sound(90_000);
        for ticks in [980, 1_000, 1_020, 1_040] {
            sound.push(frame(ticks));
        }
        assert_eq!(
            taken(&mut sound, 30),
            Some((0, vec![20, 20])),
            "and none from before the first"
        );
        assert_eq!(taken(&mut sound, 30), None);
        assert_eq!(taken(&mut sound, 1_000), Some((40, vec![20])));
    }

    #[test]
    fn rounded_times_become_exact_and_others_stay_as_they_are() {
        let mut clock = SampleClock::default();
        // Frames of 1,024 samples at 44,100 Hz, told in whole milliseconds; then one is missing.
        let told = [0, 23, 46, 69, 116].map(|ms| ms * 44_100 / 1_000);
        let placed = told.map(|told| clock.place(told, 1_024, 88));
        assert_eq!(placed, [0, 1_024, 2_048, 3_072, 5_115]);
    }

    #[test]
    fn what_is_missing_is_silence_and_what_comes_twice_is_left_out() {
        let mut sound = sound(0);
        for ticks in [0, 20, 20, 60, 61, 82, 60, 2_000_000] {
            sound.push(frame(ticks));
        }
        assert_eq!(taken(&mut sound, 1_000), Some((0, vec![20, 40, 22, 20])));
    }
}
