//! What the tracks of a segment hold, and what is made of their packets: pictures in Annex B with their parameter sets before key
//! frames, and AAC behind heads of ADTS.

use std::borrow::Cow;

use ffmpeg_next::Packet;
use ffmpeg_next::codec::{Id, packet};
use ffmpeg_next::packet::side_data::Type as Beside;
use zoetrope_worker::protocol_sources::{Container, UNIT_RATE, UnitHead, UnitTrack};
use zoetrope_worker::protocol_streams::{Codec, MAX_PACKET_BYTES};
use zoetrope_worker::recording::aac::AacConfig;
use zoetrope_worker::recording::adts;
use zoetrope_worker::recording::units::{UnitKind, kind_of, units};
use zoetrope_worker::streams::length_prefixed::Units;

use super::opened::Header;
use crate::fault::Fault;

/// Types of streams in MPEG-TS whose samples are encrypted (Apple, "MPEG-2 Stream Encryption Format for HTTP Live Streaming").
const SAMPLE_AES: [u32; 4] = [0xdb, 0xcf, 0xc1, 0xc2];
const START: [u8; 4] = [0, 0, 0, 1];

/// A stream of the segment.
pub(super) enum Track {
    Video(Video),
    Audio(Audio),
    /// Nobody takes it.
    Unwanted,
}

/// What became of a packet.
pub(super) enum Made<'a> {
    /// It holds nothing that is taken.
    Nothing,
    Unit(UnitHead, Cow<'a, [u8]>),
}

/// Times of a packet, ticks of the answer's: when it is shown, when it is decoded.
type Times = (Option<i64>, Option<i64>);

impl Track {
    /// By what its header says.
    pub(super) fn of(container: Container, header: &Header) -> Result<Self, Fault> {
        if container == Container::Ts && SAMPLE_AES.contains(&header.tag) {
            return Err(encrypted());
        }
        Ok(match header.id {
            Id::H264 => Self::Video(Video::of(container, Codec::H264, &header.extra)?),
            Id::HEVC => Self::Video(Video::of(container, Codec::H265, &header.extra)?),
            Id::AAC => Audio::of(container, &header.extra).map_or(Self::Unwanted, Self::Audio),
            _ => Self::Unwanted,
        })
    }

    /// Makes a unit of a packet.
    pub(super) fn take<'a>(&mut self, packet: &'a Packet, times: Times) -> Result<Made<'a>, Fault> {
        if packet.side_data().any(|beside| beside.kind() == Beside::EncryptionInfo) {
            return Err(encrypted());
        }
        let Some(data) = packet.data().filter(|data| !data.is_empty()) else {
            return Ok(Made::Nothing);
        };
        match self {
            Self::Video(video) => {
                let anew = packet.side_data().find(|beside| beside.kind() == Beside::NewExtraData);
                if let Some(anew) = anew {
                    video.describe(anew.data())?;
                }
                video.take(data, packet.flags().contains(packet::Flags::KEY), times)
            }
            Self::Audio(audio) => Ok(audio.take(data, times)),
            Self::Unwanted => Ok(Made::Nothing),
        }
    }
}

fn encrypted() -> Fault {
    Fault::media_invalid(
        "the samples of the segment are encrypted (SAMPLE-AES or Common Encryption), which we do not open",
    )
}

/// Pictures.
pub(super) struct Video {
    codec: Codec,
    /// How units come in files; in MPEG-TS they are Annex B.
    units: Option<Units>,
    /// The newest parameter sets, Annex B.
    sets: Vec<u8>,
    /// When the last picture is shown and decoded.
    last: Option<(i64, i64)>,
}

impl Video {
    fn of(container: Container, codec: Codec, extra: &[u8]) -> Result<Self, Fault> {
        let mut video = Self {
            codec,
            units: None,
            sets: Vec::new(),
            last: None,
        };
        if container == Container::Fmp4 {
            video.describe(extra)?;
        }
        Ok(video)
    }

    fn describe(&mut self, record: &[u8]) -> Result<(), Fault> {
        let units = Units::read(self.codec, record);
        let units = units.ok_or_else(|| Fault::media_invalid("the parameters of the segment's video are malformed"))?;
        self.sets.clone_from(&units.sets);
        self.units = Some(units);
        Ok(())
    }

    fn take<'a>(&mut self, data: &'a [u8], key: bool, (pts, dts): Times) -> Result<Made<'a>, Fault> {
        if data.len() > MAX_PACKET_BYTES {
            return Err(Fault::media_invalid(
                "a picture of the segment is larger than any we take",
            ));
        }
        let mut picture = Cow::Borrowed(data);
        if let Some(units) = &self.units {
            let mut made = Vec::new();
            // A picture that was cut off.
            if units.append(&mut made, data).is_none() {
                return Ok(Made::Nothing);
            }
            picture = Cow::Owned(made);
        }
        if picture.is_empty() {
            return Ok(Made::Nothing);
        }
        // The second field of a picture comes without a time of its own.
        let told = pts.or(dts).zip(dts.or(pts));
        let Some((pts, dts)) = told.or(self.last) else {
            return Ok(Made::Nothing);
        };
        self.last = Some((pts, dts));
        if key {
            self.complete(&mut picture);
        }
        if picture.len() > MAX_PACKET_BYTES {
            return Err(Fault::media_invalid(
                "a picture of the segment is larger than any we take",
            ));
        }
        let head = UnitHead {
            track: UnitTrack::Video(self.codec),
            pts,
            dts,
            key,
        };
        Ok(Made::Unit(head, picture))
    }

    /// Puts parameter sets before a key frame that has none, and remembers those of one that has.
    fn complete(&mut self, picture: &mut Cow<'_, [u8]>) {
        let mut sets = Vec::new();
        let is_set = |kind: UnitKind| matches!(kind, UnitKind::Vps | UnitKind::Sps | UnitKind::Pps);
        let mut has_sps = false;
        for unit in units(picture) {
            let kind = kind_of(self.codec, unit);
            has_sps |= kind == UnitKind::Sps;
            if is_set(kind) {
                sets.extend(START);
                sets.extend(unit);
            }
        }
        if has_sps {
            self.sets = sets;
        } else if !self.sets.is_empty() {
            *picture = Cow::Owned([&self.sets[..], picture].concat());
        }
    }
}

/// Sound.
pub(super) struct Audio {
    /// How frames of files are coded; those of MPEG-TS say it themselves.
    config: Option<AacConfig>,
    /// When the last frame ends.
    end: Option<i64>,
}

impl Audio {
    fn of(container: Container, extra: &[u8]) -> Option<Self> {
        let config = match container {
            Container::Ts => None,
            Container::Fmp4 => Some(AacConfig::read(extra)?),
        };
        Some(Self { config, end: None })
    }

    fn take<'a>(&mut self, data: &'a [u8], (pts, dts): Times) -> Made<'a> {
        let frame = match &self.config {
            None => Cow::Borrowed(data),
            Some(config) => match adts::head(config, data.len()) {
                Some(head) => Cow::Owned([&head[..], data].concat()),
                None => return Made::Nothing,
            },
        };
        let Some(read) = adts::read(&frame) else {
            return Made::Nothing;
        };
        // Of some frames that come together only the first has a time.
        let Some(pts) = pts.or(dts).or(self.end) else {
            return Made::Nothing;
        };
        self.end = Some(pts + i64::from(read.config.samples) * UNIT_RATE / i64::from(read.config.rate));
        let head = UnitHead {
            track: UnitTrack::Audio,
            pts,
            dts: pts,
            key: true,
        };
        Made::Unit(head, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: [u8; 6] = [0, 0, 0, 1, 0x67, 9];
    const SLICE: [u8; 6] = [0, 0, 0, 1, 0x65, 7];
    const OTHER: [u8; 6] = [0, 0, 0, 1, 0x41, 7];

    fn taken(video: &mut Video, data: &[u8], key: bool, times: Times) -> Option<(i64, i64, Vec<u8>)> {
        match video.take(data, key, times).expect("it is small") {
            Made::Unit(head, picture) => Some((head.pts, head.dts, picture.into_owned())),
            Made::Nothing => None,
        }
    }

    #[test]
    fn a_key_frame_without_parameters_gets_the_newest_ones() {
        let mut video = Video::of(Container::Ts, Codec::H264, &[]).expect("it needs no record");
        let mut key = |data: &[u8]| taken(&mut video, data, true, (Some(9), Some(9))).map(|(.., data)| data);
        assert_eq!(key(&SLICE).as_deref(), Some(&SLICE[..]), "there are none yet");
        let whole = [SPS, SLICE].concat();
        assert_eq!(key(&whole), Some(whole.clone()));
        assert_eq!(key(&SLICE), Some(whole));
        assert_eq!(
            taken(&mut video, &OTHER, false, (Some(9), Some(9))),
            Some((9, 9, OTHER.to_vec()))
        );
    }

    #[test]
    fn a_field_without_a_time_has_that_of_the_one_before() {
        let mut video = Video::of(Container::Ts, Codec::H264, &[]).expect("it needs no record");
        assert_eq!(
            taken(&mut video, &OTHER, false, (None, None)),
            None,
            "nobody knows when"
        );
        let times = [(Some(90), None), (Some(180), Some(120)), (None, None)];
        let told = times.map(|times| taken(&mut video, &OTHER, false, times).map(|(pts, dts, _)| (pts, dts)));
        assert_eq!(told, [Some((90, 90)), Some((180, 120)), Some((180, 120))]);
    }

    #[test]
    fn frames_that_come_together_follow_each_other() {
        let mut audio = Audio::of(Container::Ts, &[]).expect("frames say how they are coded");
        let frame = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 7, 8];
        let mut heard = |pts, data: &[u8]| match audio.take(data, (pts, pts)) {
            Made::Unit(head, _) => Some(head.pts),
            Made::Nothing => None,
        };
        assert_eq!(heard(None, &frame), None);
        let times = [Some(500), None, None, Some(9_000)].map(|pts| heard(pts, &frame));
        assert_eq!(times, [Some(500), Some(2_420), Some(4_340), Some(9_000)]);
        assert_eq!(heard(Some(0), b"ID3 and no frame"), None);
    }

    #[test]
    fn encrypted_samples_are_named() {
        let header = |tag| Header {
            id: Id::H264,
            tag,
            extra: Vec::new(),
        };
        assert!(Track::of(Container::Ts, &header(0xdb)).is_err());
        assert!(matches!(Track::of(Container::Ts, &header(0x1b)), Ok(Track::Video(_))));
    }
}
