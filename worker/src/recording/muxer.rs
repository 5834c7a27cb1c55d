//! From pictures to segments: parameters, decode times, samples, fragments of about a second, segments of about four from a
//! key frame on. Pictures in, pieces out; no clock, no disk.

use bytes::Bytes;
use zoetrope_shared::recordings::{SOUND_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK};

use super::fragment::{Run, Sample, fragment};
use super::init::init_segment;
use super::order::DecodeOrder;
use super::parameters::{ParameterError, ParameterSets};
use super::sound::{Sound, SoundFrame, SoundTrack};
use super::units;
use crate::protocol_streams::Codec;

/// A segment ends at the first key frame after this time.
const SEGMENT_TICKS: i64 = ticks(3_500);
/// A segment ends here whatever comes: its source sends key frames too rarely.
const LONGEST_SEGMENT_TICKS: i64 = ticks(30_000);
/// A fragment ends here.
const PART_TICKS: i64 = ticks(1_000);
/// A fragment of this size ends, however short it is.
const PART_BYTES: usize = 4 * 1024 * 1024;
/// A segment of this size ends.
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;
/// Times further apart than this, forwards and backwards, are not of one stretch: the source has set its clock.
const LEAP_TICKS: (i64, i64) = (ticks(60_000), ticks(5_000));
/// How long a picture lasts of which nobody knows it, because it is the last.
const USUAL_PICTURE_TICKS: i64 = ticks(40);

const fn ticks(ms: i64) -> i64 {
    ms * VIDEO_TIMESCALE as i64 / 1_000
}

/// A compressed picture as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Annex B, parameter sets with every key frame.
    pub data: Bytes,
    /// How it is coded.
    pub codec: Codec,
    /// Whether decoding can start here.
    pub is_key: bool,
    /// When it is shown, ticks of RTP since any time.
    pub ticks: i64,
    /// The same by the clock, Unix milliseconds.
    pub wall_ms: u64,
}

/// What is to be written, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A segment begins.
    Begin {
        /// Time of its first picture, Unix milliseconds.
        start_ms: u64,
        /// The init segment that it needs.
        init: std::sync::Arc<[u8]>,
        /// Whether it is not the continuation of the one before.
        new_stretch: bool,
        /// Whether decoding can start with it.
        starts_with_key: bool,
    },
    /// More of it.
    Part(Vec<u8>),
    /// It ends.
    End {
        /// How long it has lasted, milliseconds.
        duration_ms: u32,
    },
}

/// Makes pieces of pictures.
#[derive(Debug, Default)]
pub struct Muxer {
    stretch: Option<Stretch>,
    /// The sound that comes beside pictures, if any does.
    sound: Option<SoundTrack>,
    fragments: u32,
    /// Pictures that belong to nothing: no key frame has come before them.
    orphans: u64,
}

/// Pictures with the same parameters and continuous times.
#[derive(Debug)]
struct Stretch {
    sets: ParameterSets,
    init: std::sync::Arc<[u8]>,
    order: DecodeOrder,
    /// Decode time of its first picture.
    base: i64,
    newest_shown: i64,
    /// The newest picture: how long it lasts is known with the next.
    pending: Option<Pending>,
    segment: Option<Open>,
    part: Part,
    /// How long the two newest pictures lasted of which that is known.
    lasted: [Option<i64>; 2],
    /// The sound that its init segment names.
    track: Option<SoundTrack>,
    /// What the next fragment has of it.
    sound: Option<Sound>,
    /// Whether a segment of it has begun.
    begun: bool,
}

#[derive(Debug)]
struct Pending {
    sample: Vec<u8>,
    is_key: bool,
    shown: i64,
    decoded: i64,
}

/// The segment at hand; its decode times from the start of the stretch.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: i64,
    bytes: usize,
}

/// The fragment at hand.
#[derive(Debug, Default)]
struct Part {
    start: i64,
    end: i64,
    samples: Vec<Sample>,
    data: Vec<u8>,
}

impl Muxer {
    /// Pictures that could not be written because no key frame came before them.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }

    /// From now on this sound comes beside the pictures, or none. Another one than before begins a new stretch with the next
    /// key frame: no picture is lost to it.
    pub fn set_sound(&mut self, sound: Option<SoundTrack>) {
        self.sound = sound;
    }

    /// Takes a frame of sound. It is written with the pictures of its time; without any it is nothing.
    pub fn push_sound(&mut self, frame: SoundFrame) {
        let stretch = self.stretch.as_mut().filter(|stretch| stretch.track == self.sound);
        if let Some(sound) = stretch.and_then(|stretch| stretch.sound.as_mut()) {
            sound.push(frame);
        }
    }

    /// Takes a picture.
    ///
    /// # Errors
    /// When the parameter sets of a key frame do not read: what was open is closed, and the next key frame may do better.
    pub fn push(&mut self, picture: &Picture, pieces: &mut Vec<Piece>) -> Result<(), ParameterError> {
        let sets = picture
            .is_key
            .then(|| ParameterSets::within(picture.codec, &picture.data))
            .flatten();
        let fits = self
            .stretch
            .as_ref()
            .is_some_and(|stretch| stretch.takes(picture, sets.as_ref()))
            && !self.has_other_sound(picture);
        if !fits {
            self.break_off(pieces);
            let Some(sets) = sets else {
                self.orphans += 1;
                return Ok(());
            };
            self.stretch = Some(Stretch::new(sets, picture.ticks, self.sound.clone())?);
        }
        let Some(stretch) = &mut self.stretch else {
            return Ok(());
        };
        let decoded = stretch.order.next(picture.ticks);
        if stretch.pending.is_none() {
            stretch.base = decoded;
            let track = stretch.track.as_ref();
            stretch.sound = track.map(|track| Sound::new(track, decoded, i64::from(VIDEO_TIMESCALE)));
        }
        stretch.newest_shown = stretch.newest_shown.max(picture.ticks);
        let mut sample = Vec::with_capacity(picture.data.len() + 16);
        units::append_sample(picture.codec, &picture.data, &mut sample);
        let next = Pending {
            sample,
            is_key: picture.is_key,
            shown: picture.ticks,
            decoded,
        };
        if let Some(before) = stretch.pending.replace(next) {
            stretch.write(before, decoded, &mut self.fragments, pieces);
        }
        if stretch.should_end(picture.is_key, decoded) {
            stretch.end(&mut self.fragments, pieces);
        }
        if stretch.segment.is_none() {
            stretch.begin(picture, pieces);
        }
        Ok(())
    }

    /// Whether a stretch with the sound that comes now can begin at this picture, and the one at hand has another.
    fn has_other_sound(&self, picture: &Picture) -> bool {
        let stretch = self.stretch.as_ref().filter(|_| picture.is_key);
        stretch.is_some_and(|stretch| stretch.track != self.sound)
    }

    /// Nothing continues what came so far.
    pub fn break_off(&mut self, pieces: &mut Vec<Piece>) {
        let Some(mut stretch) = self.stretch.take() else { return };
        if let Some(last) = stretch.pending.take() {
            // The shorter of the two before: one of them may have been the last before a pause of the source.
            let lasts = stretch.lasted.iter().flatten().min();
            let end = last.decoded + lasts.copied().unwrap_or(USUAL_PICTURE_TICKS);
            stretch.write(last, end, &mut self.fragments, pieces);
        }
        stretch.end(&mut self.fragments, pieces);
    }
}

impl Stretch {
    fn new(sets: ParameterSets, shown: i64, track: Option<SoundTrack>) -> Result<Self, ParameterError> {
        let facts = sets.facts()?;
        Ok(Self {
            init: init_segment(&sets, &facts, track.as_ref()).into(),
            order: DecodeOrder::new(facts.reorder),
            sets,
            base: shown,
            newest_shown: shown,
            pending: None,
            segment: None,
            part: Part::default(),
            lasted: [None; 2],
            track,
            sound: None,
            begun: false,
        })
    }

    /// Whether a picture continues it.
    fn takes(&self, picture: &Picture, sets: Option<&ParameterSets>) -> bool {
        let since = picture.ticks - self.newest_shown;
        let (most, least) = LEAP_TICKS;
        picture.codec == self.sets.codec
            && (-least..=most).contains(&since)
            && sets.is_none_or(|sets| *sets == self.sets)
    }

    fn begin(&mut self, picture: &Picture, pieces: &mut Vec<Piece>) {
        let start = self.pending.as_ref().map_or(self.base, |pending| pending.decoded) - self.base;
        self.segment = Some(Open { start, bytes: 0 });
        self.part.start = start;
        self.part.end = start;
        pieces.push(Piece::Begin {
            start_ms: picture.wall_ms,
            init: self.init.clone(),
            new_stretch: !self.begun,
            starts_with_key: picture.is_key,
        });
        self.begun = true;
    }

    /// Adds a picture that lasts until `end`.
    fn write(&mut self, picture: Pending, end: i64, fragments: &mut u32, pieces: &mut Vec<Piece>) {
        let Pending {
            sample,
            is_key,
            shown,
            decoded,
        } = picture;
        self.lasted = [self.lasted[1], Some(end - decoded)];
        let part = &mut self.part;
        part.samples.push(Sample {
            duration: u32::try_from(end - decoded).unwrap_or(1),
            size: sample.len() as u32,
            offset: i32::try_from(shown - decoded).unwrap_or(0),
            is_key,
        });
        part.data.extend_from_slice(&sample);
        part.end = end - self.base;
        if part.end - part.start >= PART_TICKS || part.data.len() >= PART_BYTES {
            self.end_part(fragments, pieces);
        }
    }

    fn should_end(&self, before_key: bool, now: i64) -> bool {
        self.segment.is_some_and(|segment| {
            let lasts = now - self.base - segment.start;
            let bytes = segment.bytes + self.part.data.len();
            (before_key && lasts >= SEGMENT_TICKS) || lasts >= LONGEST_SEGMENT_TICKS || bytes >= SEGMENT_BYTES
        })
    }

    fn end_part(&mut self, fragments: &mut u32, pieces: &mut Vec<Piece>) {
        let end = self.part.end;
        let next = Part {
            start: end,
            end,
            ..Part::default()
        };
        let part = std::mem::replace(&mut self.part, next);
        if part.samples.is_empty() {
            return;
        }
        *fragments = fragments.wrapping_add(1);
        if let Some(segment) = &mut self.segment {
            segment.bytes += part.data.len();
        }
        let sound = self.sound.as_mut();
        let sound = sound.and_then(|sound| sound.take(part.end, i64::from(VIDEO_TIMESCALE)));
        let pictures = Run {
            track: VIDEO_TRACK,
            time: part.start.cast_unsigned(),
            samples: &part.samples,
            data: &part.data,
        };
        let sound = sound.as_ref().map(|sound| Run {
            track: SOUND_TRACK,
            time: sound.time,
            samples: &sound.samples,
            data: &sound.data,
        });
        let runs: Vec<Run<'_>> = std::iter::once(pictures).chain(sound).collect();
        pieces.push(Piece::Part(fragment(*fragments, &runs)));
    }

    fn end(&mut self, fragments: &mut u32, pieces: &mut Vec<Piece>) {
        self.end_part(fragments, pieces);
        let Some(segment) = self.segment.take() else { return };
        // From the start of the stretch, so that what is cut off here is not cut off of every segment.
        let ms = |ticks: i64| ticks * 1_000 / i64::from(VIDEO_TIMESCALE);
        let duration_ms = ms(self.part.end) - ms(segment.start);
        pieces.push(Piece::End {
            duration_ms: u32::try_from(duration_ms).unwrap_or(0),
        });
    }
}
