//! Units of segments as items of one stream, each with its time in it.

use std::time::Duration;

use super::demuxed::{Unit, UnitTrack};
use super::reader::Read;
use super::timeline::{Timeline, apart};
use crate::protocol_sources::UNIT_RATE as RATE;
use crate::protocol_streams::{Codec, MAX_PACKET_BYTES};
use crate::recording::aac::AacConfig;
use crate::recording::adts;
use crate::recording::sound::{SampleClock, SoundFrame};
use crate::streams::cause::{Cause, SourceDown};
use crate::streams::rtsp::Item;

/// Units that lie further than this from the first of their segment are none of it.
const MAX_SPREAD: i64 = 600 * RATE;
/// Pictures are shown this much after they are decoded at most.
const MAX_DELAY: i64 = 10 * RATE;
/// A picture lasts this long at most, where nothing tells.
const LONGEST_PICTURE: i64 = RATE;
/// What times of sound may be off by: some servers count them in milliseconds.
const ROUNDING_MS: i64 = 2;

/// An item and when it is due.
#[derive(Debug)]
pub(super) struct Placed {
    /// Ticks since the first picture.
    pub(super) ticks: i64,
    /// How it is coded, if it is a picture.
    pub(super) codec: Option<Codec>,
    pub(super) item: Result<Item, SourceDown>,
}

/// Places what is read of one connection.
#[derive(Debug, Default)]
pub(super) struct Placer {
    timeline: Timeline,
    /// Whether sound is asked for.
    sound: bool,
    config: Option<AacConfig>,
    clock: SampleClock,
}

impl Placer {
    /// Nothing has been read yet.
    pub(super) fn new(sound: bool) -> Self {
        Self {
            sound,
            ..Self::default()
        }
    }

    /// Items in the order in which they are due.
    pub(super) fn place(&mut self, read: Read) -> Vec<Placed> {
        let alone = |ticks, item| {
            vec![Placed {
                ticks,
                codec: None,
                item,
            }]
        };
        let end = self.timeline.end();
        match read {
            Read::Segment {
                units,
                discontinuity,
                length,
            } => self.segment(&units, discontinuity, length),
            Read::Missing(length) => {
                self.timeline.pass(ticks_of(length));
                alone(end, Ok(Item::Gap))
            }
            Read::End => alone(end, Ok(Item::End)),
            Read::Down(down) => alone(0, Err(down)),
        }
    }

    fn segment(&mut self, units: &[Unit], discontinuity: bool, length: Duration) -> Vec<Placed> {
        let is_video = |unit: &&Unit| matches!(unit.track, UnitTrack::Video(_));
        let Some(first) = units.iter().find(is_video).or(units.first()) else {
            self.timeline.pass(ticks_of(length));
            return Vec::new();
        };
        let first = first.dts;
        let start = first + self.timeline.begin(first, discontinuity);
        let (mut placed, mut due) = (Vec::new(), Due::new(start));
        for unit in units {
            let since = apart(first, unit.dts);
            if !(-MAX_SPREAD..=MAX_SPREAD).contains(&since) {
                continue;
            }
            let decoded = start + since;
            let shown = decoded + apart(unit.dts, unit.pts).clamp(-MAX_DELAY, MAX_DELAY);
            match unit.track {
                UnitTrack::Video(codec) => {
                    let ticks = due.picture(decoded);
                    placed.push(picture(unit, codec, ticks, shown));
                }
                UnitTrack::Audio if self.sound => self.heard(unit, due.sound(decoded), shown, &mut placed),
                UnitTrack::Audio => {}
            }
        }
        self.timeline.reach(due.end(start, ticks_of(length)));
        // Files of some makers have all sound of a segment behind all its pictures.
        placed.sort_by_key(|placed| placed.ticks);
        placed
    }

    fn heard(&mut self, unit: &Unit, ticks: i64, shown: i64, placed: &mut Vec<Placed>) {
        let Some(frame) = adts::read(&unit.bytes) else { return };
        let codec = None;
        let (rate, samples) = (i64::from(frame.config.rate), frame.config.samples);
        if self.config.as_ref() != Some(&frame.config) {
            let item = Ok(Item::Track(frame.config.track()));
            placed.push(Placed { ticks, codec, item });
            self.config = Some(frame.config);
            self.clock = SampleClock::default();
        }
        let item = Ok(Item::Sound(SoundFrame {
            data: frame.data.to_vec(),
            ticks: self
                .clock
                .place(shown * rate / RATE, samples, rate * ROUNDING_MS / 1_000),
            duration: samples,
        }));
        placed.push(Placed { ticks, codec, item });
    }
}

fn picture(unit: &Unit, codec: Codec, ticks: i64, shown: i64) -> Placed {
    let item = if unit.bytes.len() > MAX_PACKET_BYTES {
        Err(SourceDown::new(Cause::Codec, "a picture is larger than any we take"))
    } else {
        Ok(Item::Picture {
            data: unit.bytes.clone(),
            is_key: unit.key,
            media_s: shown as f64 / RATE as f64,
            lost: 0,
        })
    };
    Placed {
        ticks,
        codec: Some(codec),
        item,
    }
}

/// When units of a segment are due: pictures in the order in which they are decoded, sound in its own, whatever they say.
struct Due {
    picture: i64,
    sound: i64,
    pictures: u32,
    step: i64,
}

impl Due {
    fn new(start: i64) -> Self {
        Self {
            picture: start,
            sound: i64::MIN,
            pictures: 0,
            step: 0,
        }
    }

    fn picture(&mut self, decoded: i64) -> i64 {
        let before = self.picture;
        self.picture = self.picture.max(decoded);
        self.pictures += 1;
        self.step = (self.picture - before).min(LONGEST_PICTURE);
        self.picture
    }

    fn sound(&mut self, decoded: i64) -> i64 {
        self.sound = self.sound.max(decoded);
        self.sound
    }

    /// Where the segment ends; its length as the playlist has it counts where its pictures do not tell.
    fn end(&self, start: i64, length: i64) -> i64 {
        match self.pictures {
            0 | 1 => start + length,
            _ => self.picture + self.step,
        }
    }
}

fn ticks_of(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX) / 100 * (RATE / 10_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture_at(ms: i64, shown_ms: i64) -> Unit {
        Unit {
            track: UnitTrack::Video(Codec::H264),
            pts: (1_000 + shown_ms) * 90,
            dts: (1_000 + ms) * 90,
            key: ms == 0,
            bytes: vec![0, 0, 0, 1, 0x65].into(),
        }
    }

    /// Stereo at 48,000 Hz, of two bytes.
    fn sound_at(ms: i64) -> Unit {
        Unit {
            track: UnitTrack::Audio,
            pts: (1_000 + ms) * 90,
            dts: (1_000 + ms) * 90,
            key: true,
            bytes: vec![0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 7, 8].into(),
        }
    }

    fn segment(units: Vec<Unit>, discontinuity: bool) -> Read {
        Read::Segment {
            units,
            discontinuity,
            length: Duration::from_secs(2),
        }
    }

    /// Letters for items, with when they are due and when they are shown, ms.
    fn told(placed: &[Placed]) -> Vec<(char, i64, i64)> {
        let told = |placed: &Placed| {
            let (what, shown) = match &placed.item {
                Ok(Item::Picture { media_s, .. }) => ('p', (media_s * 1_000.0).round() as i64),
                Ok(Item::Sound(frame)) => ('s', frame.ticks / 48),
                Ok(Item::Track(_)) => ('t', 0),
                Ok(Item::Gap) => ('g', 0),
                Ok(Item::End) => ('e', 0),
                Ok(Item::Report { .. }) | Err(_) => ('?', 0),
            };
            (what, placed.ticks / 90, shown)
        };
        placed.iter().map(told).collect()
    }

    #[test]
    fn pictures_and_sound_are_due_in_turn_although_the_segment_has_them_apart() {
        let mut placer = Placer::new(true);
        let units = vec![
            picture_at(0, 80),
            picture_at(40, 160),
            picture_at(80, 120),
            sound_at(-10),
            sound_at(50),
        ];
        let placed = placer.place(segment(units, false));
        let expected = [
            ('t', -10, 0),
            ('s', -10, -10),
            ('p', 0, 80),
            ('p', 40, 160),
            ('s', 50, 50),
            ('p', 80, 120),
        ];
        assert_eq!(told(&placed), expected);
        let mut deaf = Placer::new(false);
        let placed = deaf.place(segment(vec![sound_at(0), picture_at(0, 0)], false));
        assert_eq!(told(&placed), [('p', 0, 0)]);
    }

    #[test]
    fn segments_follow_each_other_with_what_is_missing_between_them_and_end() {
        let mut placer = Placer::new(false);
        let two = |at: i64| vec![picture_at(at, at), picture_at(at + 500, at + 500)];
        assert_eq!(
            told(&placer.place(segment(two(0), false))),
            [('p', 0, 0), ('p', 500, 500)]
        );
        assert_eq!(
            told(&placer.place(segment(two(90_000), true))),
            [('p', 1_000, 1_000), ('p', 1_500, 1_500)]
        );
        assert_eq!(
            told(&placer.place(Read::Missing(Duration::from_secs(2)))),
            [('g', 2_000, 0)]
        );
        assert_eq!(
            told(&placer.place(segment(two(93_000), false))),
            [('p', 4_000, 4_000), ('p', 4_500, 4_500)]
        );
        assert_eq!(told(&placer.place(Read::End)), [('e', 5_000, 0)]);
    }

    proptest! {
        #[test]
        fn times_of_any_kind_never_turn_pictures_around(
            times in prop::collection::vec((-1_i64 << 53..1_i64 << 53, -1_i64 << 53..1_i64 << 53, any::<bool>()), 0..30),
        ) {
            let mut placer = Placer::new(true);
            let units: Vec<Unit> = times.iter().enumerate().map(|(index, (pts, dts, sound))| Unit {
                pts: *pts,
                dts: *dts,
                bytes: vec![index as u8; 5].into(),
                ..if *sound { sound_at(0) } else { picture_at(0, 0) }
            }).collect();
            for discontinuity in [false, true] {
                let placed = placer.place(segment(units.clone(), discontinuity));
                let order: Vec<u8> = placed.iter().filter_map(|placed| match &placed.item {
                    Ok(Item::Picture { data, .. }) => Some(data[0]),
                    _ => None,
                }).collect();
                prop_assert!(order.is_sorted(), "{order:?}");
            }
        }
    }
}
