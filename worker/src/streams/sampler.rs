//! Which pictures are decoded: key frames alone where they come often enough, or else everything through a decoder.
//!
//! A stream starts with a decoder, so that the first seconds are not lost while its key frames are counted, and moves
//! to key frames alone as soon as they are seen to suffice: those need no state, and any media child decodes them.

/// Key frames may be this much rarer than frames are wanted, and still do.
const TOLERANCE: f64 = 1.1;
/// Key-frame intervals that have to agree before a decoder is given up.
const AGREE: u32 = 2;

/// How pictures are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Key frames alone, each by itself.
    KeyFrames,
    /// Every picture, by a decoder that keeps state.
    Decoder,
}

/// What becomes of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It goes to a media child by itself.
    Key,
    /// It goes to the stream's decoder.
    Decode,
    /// Nobody wants it.
    Skip,
}

/// Decides for each picture as it arrives.
#[derive(Debug, Clone)]
pub struct Sampler {
    interval_ms: f64,
    mode: Mode,
    last_key_ms: Option<u64>,
    sufficient: u32,
    next_due_ms: f64,
}

impl Sampler {
    /// A sampler for `fps` frames a second.
    pub fn new(fps: f64) -> Self {
        Self {
            interval_ms: 1_000.0 / fps,
            mode: Mode::Decoder,
            last_key_ms: None,
            sufficient: 0,
            next_due_ms: 0.0,
        }
    }

    /// The mode that the last picture was decided in.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Decides for the next picture.
    pub fn decide(&mut self, t_ms: u64, is_key: bool) -> Decision {
        if is_key {
            self.weigh(t_ms);
        } else if self.mode == Mode::KeyFrames && self.is_overdue(t_ms) {
            // The sender has changed its habits. The decoder takes over at the next key frame.
            self.mode = Mode::Decoder;
            self.sufficient = 0;
        }
        match (self.mode, is_key) {
            (Mode::Decoder, _) => Decision::Decode,
            (Mode::KeyFrames, false) => Decision::Skip,
            (Mode::KeyFrames, true) => self.sample(t_ms),
        }
    }

    /// The connection is a new one: what is known of the sender may not hold, and a decoder would miss its references.
    pub fn restart(&mut self) {
        self.last_key_ms = None;
    }

    fn weigh(&mut self, t_ms: u64) {
        let gap = self.last_key_ms.map(|last| t_ms.saturating_sub(last) as f64);
        self.last_key_ms = Some(t_ms);
        let Some(gap) = gap else { return };
        self.sufficient = if gap <= self.interval_ms * TOLERANCE {
            self.sufficient + 1
        } else {
            0
        };
        self.mode = if self.sufficient >= AGREE {
            Mode::KeyFrames
        } else {
            Mode::Decoder
        };
    }

    fn is_overdue(&self, t_ms: u64) -> bool {
        let since = self.last_key_ms.map_or(0, |last| t_ms.saturating_sub(last));
        since as f64 > self.interval_ms * TOLERANCE + 1_000.0
    }

    /// One key frame each interval; the grid is the stream's own, so that 1.9 a second do not become one every other.
    fn sample(&mut self, t_ms: u64) -> Decision {
        let t = t_ms as f64;
        if t + self.interval_ms * (TOLERANCE - 1.0) < self.next_due_ms {
            return Decision::Skip;
        }
        self.next_due_ms = (self.next_due_ms + self.interval_ms).max(t);
        if self.next_due_ms < t + self.interval_ms * 0.5 {
            self.next_due_ms = t + self.interval_ms;
        }
        Decision::Key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decisions over `seconds` of a stream with these rates.
    fn run(sampler: &mut Sampler, from_ms: u64, seconds: u64, fps: u64, gop: u64) -> Vec<Decision> {
        let pictures = 0..seconds * fps;
        pictures
            .map(|n| sampler.decide(from_ms + n * 1_000 / fps, n % gop == 0))
            .collect()
    }

    fn count(decisions: &[Decision], what: Decision) -> usize {
        decisions.iter().filter(|decision| **decision == what).count()
    }

    #[test]
    fn a_decoder_is_used_where_key_frames_are_too_rare() {
        let mut sampler = Sampler::new(1.0);
        let decisions = run(&mut sampler, 0, 20, 15, 30);
        assert_eq!(count(&decisions, Decision::Decode), decisions.len());
        assert_eq!(sampler.mode(), Mode::Decoder);
    }

    #[test]
    fn key_frames_alone_are_used_once_two_intervals_were_short_enough() {
        let mut sampler = Sampler::new(0.5);
        let decisions = run(&mut sampler, 0, 60, 15, 15);
        assert_eq!(sampler.mode(), Mode::KeyFrames);
        assert_eq!(
            count(&decisions[..30], Decision::Decode),
            30,
            "two intervals of one second are watched first"
        );
        let keys = count(&decisions[30..], Decision::Key);
        assert!(
            (28..=30).contains(&keys),
            "one every two seconds of the 58 left: {keys}"
        );
    }

    #[test]
    fn key_frames_at_the_wanted_rate_are_all_taken_although_they_jitter() {
        let mut sampler = Sampler::new(1.0);
        let taken = (0..100_u64)
            .map(|n| sampler.decide(n * 1_000 + (n % 3) * 30, true))
            .filter(|decision| *decision == Decision::Key)
            .count();
        assert!(taken >= 96, "{taken}");
    }

    #[test]
    fn a_sender_that_stops_sending_key_frames_gets_its_decoder_back() {
        let mut sampler = Sampler::new(1.0);
        run(&mut sampler, 0, 10, 10, 10);
        assert_eq!(sampler.mode(), Mode::KeyFrames);
        let later = run(&mut sampler, 10_000, 10, 10, 1_000);
        assert_eq!(sampler.mode(), Mode::Decoder);
        assert_eq!(later.last(), Some(&Decision::Decode));
    }

    #[test]
    fn after_a_new_connection_the_gap_is_no_interval() {
        let mut sampler = Sampler::new(1.0);
        run(&mut sampler, 0, 10, 10, 10);
        sampler.restart();
        sampler.decide(600_000, true);
        assert_eq!(sampler.mode(), Mode::KeyFrames);
    }
}
