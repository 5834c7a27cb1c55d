//! What the recorder writes, against FFmpeg: every picture is there, in its order, at its time, and nothing is complained of.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use zoetrope_shared::recordings::Fragments;
use zoetrope_worker::protocol_streams::Codec;
use zoetrope_worker::recording::muxer::{Muxer, Picture, Piece};

use zoetrope_worker::recording::sound::{SoundCoding, SoundFrame, SoundTrack};

use crate::films::{Films, Packet};

/// A camera's wall clock when its first picture comes.
const BEGAN_MS: u64 = 1_700_000_000_000;

/// What was made of a stream: by segment, its init segment, its parts, its length.
#[derive(Debug)]
struct Written {
    init: Arc<[u8]>,
    new_stretch: bool,
    starts_with_key: bool,
    start_ms: u64,
    parts: Vec<Vec<u8>>,
    duration_ms: u32,
}

fn picture(packet: &Packet, codec: Codec) -> Picture {
    Picture {
        data: packet.bytes.clone().into(),
        codec,
        is_key: packet.key,
        ticks: packet.t_ms as i64 * 90,
        wall_ms: BEGAN_MS + packet.t_ms,
    }
}

fn record(muxer: &mut Muxer, pictures: impl IntoIterator<Item = Picture>) -> Vec<Written> {
    let mut pieces = Vec::new();
    for picture in pictures {
        muxer.push(&picture, &mut pieces).expect("FFmpeg's parameter sets read");
    }
    muxer.break_off(&mut pieces);
    collect(pieces)
}

fn collect(pieces: Vec<Piece>) -> Vec<Written> {
    let mut all: Vec<Written> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Begin {
                start_ms,
                init,
                new_stretch,
                starts_with_key,
            } => all.push(Written {
                init,
                new_stretch,
                starts_with_key,
                start_ms,
                parts: Vec::new(),
                duration_ms: 0,
            }),
            Piece::Part(part) => all.last_mut().expect("a segment is open").parts.push(part),
            Piece::End { duration_ms } => all.last_mut().expect("a segment is open").duration_ms = duration_ms,
        }
    }
    all
}

/// Init segment and segments as one file.
fn file(segments: &[Written]) -> Vec<u8> {
    let parts = segments.iter().flat_map(|segment| segment.parts.concat());
    segments[0].init.iter().copied().chain(parts).collect()
}

fn run(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: `make setup` installs it"));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaint.is_empty(),
        "{program}: {complaint}"
    );
    String::from_utf8(output.stdout).expect("it writes text")
}

/// Show times of all decoded pictures, milliseconds from the first, in the order in which they come out.
fn shown(file: &Path) -> Vec<u64> {
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_entries",
        "frame=pts_time",
        "-of",
        "csv=p=0",
    ];
    let listed = run("ffprobe", &arguments, file);
    // Words beside a picture make an empty line.
    let times = listed
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| !line.is_empty());
    let seconds: Vec<f64> = times.map(|time| time.parse().expect("ffprobe lists numbers")).collect();
    seconds
        .iter()
        .map(|time| ((time - seconds[0]) * 1_000.0).round() as u64)
        .collect()
}

/// Decodes everything; FFmpeg has nothing to say.
fn decodes(file: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-f", "null", "-"])
        .output();
    let output = output.expect("`make setup` installs ffmpeg");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{complaint}");
}

const FORMS: [(&str, Codec, &str); 5] = [
    ("plain", Codec::H264, "-c:v libx264 -bf 0 -g 25"),
    ("baseline", Codec::H264, "-c:v libx264 -profile:v baseline -g 25"),
    (
        "b-frames",
        Codec::H264,
        "-c:v libx264 -bf 4 -b_strategy 0 -x264-params b-pyramid=normal:ref=4 -g 50",
    ),
    (
        "hevc",
        Codec::H265,
        "-c:v libx265 -x265-params log-level=error:bframes=0:open-gop=0:keyint=25",
    ),
    (
        "hevc-b-frames",
        Codec::H265,
        "-c:v libx265 -x265-params log-level=error:bframes=4:b-adapt=0:b-pyramid=1:open-gop=0:keyint=50",
    ),
];

#[test]
fn every_picture_of_every_form_is_decoded_at_its_time() {
    let films = Films::new();
    for (name, codec, encoder) in FORMS {
        let source = format!("-f lavfi -i testsrc2=s=320x180:r=25:d=11 {encoder} -preset veryfast -pix_fmt yuv420p");
        let film = films.make(&format!("{name}.mp4"), &source);
        let packets = films.packets(&film, codec);
        let segments = record(
            &mut Muxer::default(),
            packets.iter().map(|packet| picture(packet, codec)),
        );
        let written = films.write("written.mp4", &file(&segments));
        decodes(&written);
        let mut expected: Vec<u64> = packets.iter().map(|packet| packet.t_ms).collect();
        expected.sort_unstable();
        assert_eq!(shown(&written), expected, "{name}");

        let durations: Vec<u32> = segments.iter().map(|segment| segment.duration_ms).collect();
        assert_eq!(durations.len(), 3, "{name}: {durations:?}");
        // A millisecond for the first picture of a stream that holds some back.
        assert!(
            durations.iter().sum::<u32>().abs_diff(11_000) <= 200,
            "{name}: {durations:?}"
        );
        assert!(segments.iter().all(|segment| segment.starts_with_key), "{name}");
        let stretches = segments.iter().filter(|segment| segment.new_stretch).count();
        assert_eq!((stretches, segments[0].start_ms), (1, BEGAN_MS), "{name}");
        // Parts of a second, so that little is lost when a worker dies.
        assert!(segments.iter().all(|segment| segment.parts.len() >= 3), "{name}");
    }
}

/// AAC at 44,100 Hz in stereo, as RTSP describes it, and its frames without their ADTS heads.
fn sound(films: &Films, seconds: u32) -> (SoundTrack, Vec<Vec<u8>>) {
    let source = format!("-f lavfi -i sine=frequency=440:sample_rate=44100:duration={seconds} -ac 2 -c:a aac -f adts");
    let bytes = std::fs::read(films.make("sound.aac", &source)).expect("ffmpeg wrote it");
    let (mut frames, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let length =
            usize::from(bytes[at + 3] & 3) << 11 | usize::from(bytes[at + 4]) << 3 | usize::from(bytes[at + 5] >> 5);
        frames.push(bytes[at + 7..at + length].to_vec());
        at += length;
    }
    let described =
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1210";
    let described = retina::codec::Depacketizer::new("audio", "mpeg4-generic", 44_100, None, Some(described));
    let described = described.expect("it is AAC");
    let Some(retina::codec::ParametersRef::Audio(audio)) = described.parameters() else {
        panic!("AAC has parameters")
    };
    let track = SoundTrack {
        rate: audio.clock_rate(),
        entry: audio.mp4_sample_entry().build().expect("files hold AAC").into(),
        coding: SoundCoding::Aac,
    };
    (track, frames)
}

#[test]
fn sound_is_written_beside_its_pictures_and_all_of_it_is_heard() {
    let films = Films::new();
    let (_, codec, encoder) = FORMS[2];
    let source = format!("-f lavfi -i testsrc2=s=320x180:r=25:d=9 {encoder} -preset veryfast -pix_fmt yuv420p");
    let packets = films.packets(&films.make("source.mp4", &source), codec);
    let (track, frames) = sound(&films, 9);
    let (mut muxer, mut pieces) = (Muxer::default(), Vec::new());
    muxer.set_sound(Some(track));
    let mut frames = frames.into_iter().enumerate().peekable();
    for packet in &packets {
        // A third of a second late, as sound may be.
        while let Some((number, data)) =
            frames.next_if(|(number, _)| *number as u64 * 1_024 * 1_000 / 44_100 + 300 <= packet.t_ms)
        {
            muxer.push_sound(SoundFrame {
                data,
                ticks: number as i64 * 1_024,
                duration: 1_024,
            });
        }
        muxer
            .push(&picture(packet, codec), &mut pieces)
            .expect("FFmpeg's parameter sets read");
    }
    muxer.break_off(&mut pieces);
    let segments = collect(pieces);
    let written = films.write("written.mp4", &file(&segments));
    decodes(&written);
    assert_eq!(shown(&written).len(), packets.len());
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "a",
        "-show_entries",
        "packet=pts_time",
        "-of",
        "csv=p=0",
    ];
    let heard = run("ffprobe", &arguments, &written);
    let heard: Vec<f64> = heard
        .lines()
        .map(|line| line.trim_end_matches(',').parse().expect("ffprobe lists numbers"))
        .collect();
    assert!(heard.len() > 360 && heard[0].abs() < 0.03, "{heard:?}");
    assert!(
        heard
            .windows(2)
            .all(|pair| (pair[1] - pair[0] - 1_024.0 / 44_100.0).abs() < 0.001),
        "{heard:?}"
    );
    for number in 0..segments.len() {
        decodes(&films.write("one.mp4", &file(&segments[number..=number])));
    }
}

#[test]
fn each_segment_is_decoded_on_its_own_behind_its_init_segment() {
    let films = Films::new();
    let (_, codec, encoder) = FORMS[2];
    let source = format!("-f lavfi -i testsrc2=s=320x180:r=25:d=11 {encoder} -preset veryfast -pix_fmt yuv420p");
    let packets = films.packets(&films.make("source.mp4", &source), codec);
    let segments = record(
        &mut Muxer::default(),
        packets.iter().map(|packet| picture(packet, codec)),
    );
    let mut pictures = 0;
    for number in 0..segments.len() {
        let written = films.write("one.mp4", &file(&segments[number..=number]));
        decodes(&written);
        pictures += shown(&written).len();
    }
    assert_eq!(pictures, packets.len());
}

#[test]
fn what_was_cut_off_plays_up_to_its_last_whole_part() {
    let films = Films::new();
    let (_, codec, encoder) = FORMS[2];
    let source = format!("-f lavfi -i testsrc2=s=320x180:r=25:d=4 {encoder} -preset veryfast -pix_fmt yuv420p");
    let packets = films.packets(&films.make("source.mp4", &source), codec);
    let segments = record(
        &mut Muxer::default(),
        packets.iter().map(|packet| picture(packet, codec)),
    );
    let bytes = segments[0].parts.concat();
    let cut = &bytes[..bytes.len() - 10];
    let fragments = Fragments::of(cut).expect("they are ours");
    let last = segments[0].parts.last().map_or(0, Vec::len);
    assert_eq!(fragments.whole_bytes, bytes.len() - last);
    let whole = [&segments[0].init, &cut[..fragments.whole_bytes]].concat();
    let written = films.write("cut.mp4", &whole);
    decodes(&written);
    assert!(shown(&written).len() >= packets.len() - 26);
}

#[test]
fn other_parameters_begin_a_new_stretch_with_an_init_segment_of_its_own() {
    let films = Films::new();
    let mut pictures = Vec::new();
    for (number, size) in ["320x180", "426x240"].iter().enumerate() {
        let source = format!(
            "-f lavfi -i testsrc2=s={size}:r=25:d=5 -c:v libx264 -bf 2 -g 25 -preset veryfast -pix_fmt yuv420p"
        );
        let film = films.make(&format!("{size}.mp4"), &source);
        let packets = films.packets(&film, Codec::H264);
        pictures.extend(packets.iter().map(|packet| Picture {
            ticks: (packet.t_ms + number as u64 * 5_000) as i64 * 90,
            ..picture(packet, Codec::H264)
        }));
    }
    let segments = record(&mut Muxer::default(), pictures);
    let begins: Vec<bool> = segments.iter().map(|segment| segment.new_stretch).collect();
    let change = begins.iter().rposition(|begins| *begins).expect("a stretch begins");
    assert_eq!(begins.iter().filter(|begins| **begins).count(), 2, "{begins:?}");
    assert_ne!(segments[0].init, segments[change].init);
    for part in [&segments[..change], &segments[change..]] {
        let written = films.write("part.mp4", &file(part));
        decodes(&written);
        assert_eq!(shown(&written).len(), 125);
    }
}

#[test]
fn a_source_that_sets_its_clock_and_one_that_begins_without_a_key_frame_are_recorded_from_their_next_key_frame() {
    let films = Films::new();
    let source = "-f lavfi -i testsrc2=s=320x180:r=25:d=6 -c:v libx264 -bf 0 -g 25 -preset veryfast -pix_fmt yuv420p";
    let packets = films.packets(&films.make("source.mp4", source), Codec::H264);
    let leap = |(number, packet): (usize, &Packet)| Picture {
        ticks: packet.t_ms as i64 * 90 + if number >= 60 { 90_000 * 3_600 } else { 0 },
        ..picture(packet, Codec::H264)
    };
    let mut muxer = Muxer::default();
    let segments = record(&mut muxer, packets.iter().enumerate().skip(5).map(leap));
    // 5 to 24 and 60 to 74 belong to key frames that are not there, or lie behind the leap.
    assert_eq!(muxer.orphans(), 20 + 15);
    let begins: Vec<bool> = segments.iter().map(|segment| segment.new_stretch).collect();
    assert_eq!(begins.iter().filter(|begins| **begins).count(), 2, "{begins:?}");
    let change = begins.iter().rposition(|begins| *begins).expect("a stretch begins");
    for (part, pictures) in [(&segments[..change], 35), (&segments[change..], 75)] {
        let written = films.write("part.mp4", &file(part));
        decodes(&written);
        assert_eq!(shown(&written).len(), pictures);
    }
}

#[test]
fn a_source_with_rare_key_frames_is_cut_where_none_is() {
    let films = Films::new();
    let source = "-f lavfi -i testsrc2=s=160x90:r=5:d=70 -c:v libx264 -bf 0 -g 1000 -preset veryfast -pix_fmt yuv420p";
    let packets = films.packets(&films.make("source.mp4", source), Codec::H264);
    let segments = record(
        &mut Muxer::default(),
        packets.iter().map(|packet| picture(packet, Codec::H264)),
    );
    let told: Vec<(bool, bool)> = segments
        .iter()
        .map(|segment| (segment.starts_with_key, segment.new_stretch))
        .collect();
    assert_eq!(told, [(true, true), (false, false), (false, false)]);
    let written = films.write("written.mp4", &file(&segments));
    decodes(&written);
    assert_eq!(shown(&written).len(), packets.len());
}
