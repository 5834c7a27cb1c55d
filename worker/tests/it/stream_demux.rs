//! Segments of HLS in the media child: what FFmpeg's own muxers wrapped comes out as it was, and anything else is refused by a
//! child that stays well.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol_sources::{MAX_DEMUX_BYTES, UNIT_RATE};
use zoetrope_worker::protocol_streams::Codec;
use zoetrope_worker::recording::adts;
use zoetrope_worker::recording::parameters::ParameterSets;
use zoetrope_worker::streams::hls::demuxed::{Container, Unit, UnitTrack, demux};

use crate::films::Films;
use crate::vocabulary::pool;

const TONE: &str = "-f lavfi -i sine=440:r=48000:d=4 -c:a aac -b:a 96k -ac 2";
const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 -bf 2";
const H265: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=error:keyint=50:min-keyint=50:open-gop=0:bframes=3";

/// Four seconds of pictures, 25 a second, and what comes beside them.
fn wrapped(films: &Films, name: &str, with: &str) -> Vec<u8> {
    let source = "-f lavfi -i testsrc2=s=320x180:r=25:d=4";
    let path = films.make(name, &format!("{source} {with}"));
    std::fs::read(path).expect("ffmpeg wrote it")
}

/// Two segments of fragmented MP4 and their initialization.
fn fragmented(films: &Films, with: &str) -> (Bytes, [Bytes; 2]) {
    let hls = "-f hls -hls_time 2 -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 -hls_list_size 0";
    wrapped(films, "pieces.m3u8", &format!("{with} {hls}"));
    let read = |name: &str| Bytes::from(std::fs::read(films.path(name)).expect("ffmpeg wrote it"));
    (read("init.mp4"), [read("pieces0.m4s"), read("pieces1.m4s")])
}

async fn ts(pool: &MediaPool, segment: impl Into<Bytes>) -> Result<Vec<Unit>, MediaError> {
    demux(pool, Container::Ts, None, segment.into()).await
}

/// What kind of unit it is, when it is shown and decoded in ticks of 90 kHz, whether it is a key frame.
type Told = (bool, i64, i64, bool);

fn told(units: &[Unit]) -> Vec<Told> {
    let told = |unit: &Unit| (unit.track == UnitTrack::Audio, unit.pts, unit.dts, unit.key);
    units.iter().map(told).collect()
}

/// The same as ffprobe has it.
fn probed(file: &Path) -> Vec<Told> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries"])
        .arg("packet=codec_type,pts_time,dts_time,flags")
        .arg(file)
        .output()
        .expect("`make setup` installs ffmpeg");
    let text = String::from_utf8(output.stdout).expect("ffprobe writes text");
    let ticks = |time: &str| (time.parse::<f64>().expect("a time is a number") * UNIT_RATE as f64).round() as i64;
    let told = |line: &str| {
        let [kind, pts, dts, flags] = line.trim_end_matches(',').split(',').collect::<Vec<_>>()[..] else {
            panic!("ffprobe lists four facts, not {line:?}");
        };
        (kind == "audio", ticks(pts), ticks(dts), flags.starts_with('K'))
    };
    text.lines().filter(|line| !line.is_empty()).map(told).collect()
}

/// Times as ffprobe rounds them, apart for pictures and sound: how the two are mixed is the demuxer's.
fn assert_alike(units: &[Unit], file: &Path) {
    let (ours, theirs) = (told(units), probed(file));
    for audio in [false, true] {
        let of = |told: &[Told]| told.iter().copied().filter(|told| told.0 == audio).collect::<Vec<_>>();
        let (ours, theirs) = (of(&ours), of(&theirs));
        assert_eq!(ours.len(), theirs.len(), "audio: {audio}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let apart = (ours.1 - theirs.1).abs().max((ours.2 - theirs.2).abs());
            assert!(apart <= 1 && ours.3 == theirs.3, "{ours:?}, not {theirs:?}");
        }
    }
}

fn pictures(units: &[Unit]) -> Vec<&Unit> {
    units.iter().filter(|unit| unit.track != UnitTrack::Audio).collect()
}

fn sound(units: &[Unit]) -> Vec<&Unit> {
    units.iter().filter(|unit| unit.track == UnitTrack::Audio).collect()
}

/// How many frames FFmpeg decodes of these units by themselves, without a complaint.
fn decoded(films: &Films, units: &[&Unit], format: &str) -> usize {
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.bytes.to_vec()).collect();
    let file = films.write(&format!("units.{format}"), &bytes);
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames"])
        .args(["-of", "csv=p=0", "-f", format])
        .arg(file)
        .output()
        .expect("`make setup` installs ffmpeg");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("ffprobe writes text");
    text.trim().parse().expect("ffprobe counts")
}

/// Every key frame carries its parameters, and decoding can start at each.
fn assert_decodable(films: &Films, units: &[Unit], codec: Codec, count: usize) {
    let format = if codec == Codec::H264 { "h264" } else { "hevc" };
    let pictures = pictures(units);
    assert!(pictures.iter().all(|unit| unit.track == UnitTrack::Video(codec)));
    let keys: Vec<usize> = (0..pictures.len()).filter(|at| pictures[*at].key).collect();
    assert_eq!((keys.first(), pictures.len()), (Some(&0), count));
    for at in keys {
        let sets = ParameterSets::within(codec, &pictures[at].bytes).expect("they are in it");
        let facts = sets.facts().expect("they can be read");
        assert_eq!((facts.width, facts.height), (320, 180));
        assert_eq!(decoded(films, &pictures[at..], format), count - at, "from picture {at}");
    }
}

#[tokio::test]
async fn a_segment_of_mpeg_ts_is_its_pictures_and_its_sound_with_their_times() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (codec, encoder) in [(Codec::H264, H264), (Codec::H265, H265)] {
        let segment = wrapped(&films, "a.ts", &format!("{TONE} {encoder} -f mpegts"));
        let units = ts(&pool, segment).await.expect("it is sound");
        assert_alike(&units, &films.path("a.ts"));
        assert!(
            pictures(&units).iter().any(|unit| unit.pts > unit.dts),
            "{codec:?}: pictures are out of order"
        );
        assert_decodable(&films, &units, codec, 100);
        let sound = sound(&units);
        assert_eq!(decoded(&films, &sound, "aac"), sound.len());
        assert!(sound.iter().all(|frame| {
            let config = adts::read(&frame.bytes).map(|frame| frame.config);
            config.is_some_and(|config| (config.rate, config.channels) == (48_000, 2))
        }));
    }
}

#[tokio::test]
async fn a_segment_of_fragmented_mp4_behind_its_initialization_is_the_same() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (codec, encoder) in [(Codec::H264, H264), (Codec::H265, H265)] {
        let (map, segments) = fragmented(&films, &format!("{TONE} {encoder}"));
        let mut all = Vec::new();
        for segment in segments {
            let whole = films.write("whole.mp4", &[&map[..], &segment].concat());
            let units = demux(&pool, Container::Fmp4, Some(map.clone()), segment).await;
            let units = units.expect("it is sound");
            assert_alike(&units, &whole);
            assert_decodable(&films, &units, codec, 50);
            all.extend(units);
        }
        let sound = sound(&all);
        assert_eq!(decoded(&films, &sound, "aac"), sound.len());
        let steps: Vec<i64> = sound.windows(2).map(|two| two[1].pts - two[0].pts).collect();
        assert!(
            steps.iter().all(|step| (1_919..=1_921).contains(step)),
            "frames follow each other over the segments: {steps:?}"
        );
    }
}

#[tokio::test]
async fn sound_without_pictures_and_pictures_without_sound_are_segments_too() {
    let (films, (pool, _)) = (Films::new(), pool());
    films.make("sound.ts", &format!("{TONE} -f mpegts"));
    let alone = std::fs::read(films.path("sound.ts")).expect("ffmpeg wrote it");
    let units = ts(&pool, alone).await.expect("it is sound");
    assert_alike(&units, &films.path("sound.ts"));
    assert_eq!((pictures(&units).len(), sound(&units).len() > 180), (0, true));
    let silent = wrapped(&films, "silent.ts", &format!("{H264} -f mpegts"));
    let units = ts(&pool, silent).await.expect("it is sound");
    assert_eq!((pictures(&units).len(), sound(&units).len()), (100, 0));
    // A piece that begins between key frames and holds none: nothing has to be guessed from pictures.
    let long = H264.replace("-g 50 -keyint_min 50", "-g 500 -keyint_min 500");
    wrapped(&films, "long.ts", &format!("{long} -f mpegts"));
    let long = ts(&pool, std::fs::read(films.path("long.ts")).expect("ffmpeg wrote it")).await;
    let middle = std::fs::read(films.path("long.ts")).expect("ffmpeg wrote it");
    let tables = middle[..3 * 188].to_vec();
    let middle = [&tables[..], &middle[middle.len() / 188 / 2 * 188..]].concat();
    let units = ts(&pool, middle).await.expect("it is sound");
    let all = long.expect("it is sound");
    assert!(
        units.len() > 20 && !units.iter().any(|unit| unit.key),
        "{:?}",
        told(&units)
    );
    assert_eq!(told(&units).last(), told(&all).last());
}

#[tokio::test]
async fn times_go_on_where_their_33_bits_turn_over_within_a_segment() {
    let (films, (pool, _)) = (Films::new(), pool());
    let turn = (1_i64 << 33) as f64 / UNIT_RATE as f64;
    let offset = turn - 3.5;
    let segment = wrapped(
        &films,
        "turn.ts",
        &format!("{TONE} {H264} -output_ts_offset {offset} -f mpegts"),
    );
    let units = ts(&pool, segment).await.expect("it is sound");
    let times: Vec<i64> = pictures(&units).iter().map(|unit| unit.dts).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] == 3_600), "{times:?}");
    let first = sound(&units)[0].pts;
    assert!((first - times[0]).abs() < UNIT_RATE / 2, "sound is beside the pictures");
    let apart = (times[0] as f64 / UNIT_RATE as f64 - offset).rem_euclid(turn);
    assert!(apart < 2.0, "they are where they were put but for whole turns: {apart}");
}

#[tokio::test]
async fn large_segments_are_taken_and_larger_ones_refused_before_they_are_sent() {
    let (films, (pool, _)) = (Films::new(), pool());
    let noise = "-f lavfi -i testsrc2=s=1280x720:r=25:d=4 -vf noise=alls=100:allf=t -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    films.make("large.ts", &format!("{noise} -g 25 -qp 12 -frames:v 15 -f mpegts"));
    let large = std::fs::read(films.path("large.ts")).expect("ffmpeg wrote it");
    assert!((16 << 20..MAX_DEMUX_BYTES).contains(&large.len()), "{}", large.len());
    let units = ts(&pool, large).await.expect("it is sound");
    assert_alike(&units, &films.path("large.ts"));
    let refused = ts(&pool, vec![0x47; MAX_DEMUX_BYTES + 1]).await;
    assert!(matches!(&refused, Err(MediaError::Refused { code, .. }) if code == "input_invalid"));
}

/// A series that looks like nothing, the same every time.
fn noise(bytes: &[u8]) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |byte: &u8| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        byte ^ (state >> 32) as u8
    };
    bytes.iter().map(next).collect()
}

/// What it is, as what and behind which initialization it is sent, the bytes, and what is said of them.
type Case = (&'static str, Container, Option<Bytes>, Vec<u8>, &'static str);

#[tokio::test]
async fn what_is_no_such_segment_is_refused_with_its_reason_by_a_child_that_stays_well() {
    let (films, (pool, _)) = (Films::new(), pool());
    let well = wrapped(&films, "a.ts", &format!("{TONE} {H264} -f mpegts"));
    let (map, [segment, _]) = fragmented(&films, &format!("{TONE} {H264}"));
    let other = wrapped(&films, "other.ts", "-c:v mpeg2video -f mpegts");
    let key = "-encryption_scheme cenc-aes-ctr -encryption_key 000102030405060708090a0b0c0d0e0f -encryption_kid \
               0102030405060708090a0b0c0d0e0f00";
    let closed = wrapped(&films, "closed.mp4", &format!("{H264} {key}"));
    let no_clock = times_without_end(&segment);
    let cases: Vec<Case> = vec![
        ("random bytes", Container::Ts, None, noise(&[0; 200_000]), "no MPEG-TS"),
        (
            "AES-128 that nobody opened",
            Container::Ts,
            None,
            noise(&well),
            "is encrypted",
        ),
        ("zeros", Container::Ts, None, vec![0; 100_000], "no MPEG-TS"),
        (
            "only sync bytes",
            Container::Ts,
            None,
            vec![0x47; 188 * 200],
            "no MPEG-TS",
        ),
        (
            "a page",
            Container::Ts,
            None,
            b"<html>not found</html>".repeat(40),
            "no MPEG-TS",
        ),
        (
            "a playlist",
            Container::Ts,
            None,
            b"#EXTM3U\n/etc/passwd\n".to_vec(),
            "no MPEG-TS",
        ),
        (
            "MP4 as MPEG-TS",
            Container::Ts,
            Some(map.clone()),
            segment.to_vec(),
            "no MPEG-TS",
        ),
        ("MPEG-TS as MP4", Container::Fmp4, None, well.clone(), "fragmented MP4"),
        (
            "no initialization",
            Container::Fmp4,
            None,
            segment.to_vec(),
            "fragmented MP4",
        ),
        (
            "no segment",
            Container::Fmp4,
            Some(map.clone()),
            Vec::new(),
            "can be read",
        ),
        (
            "noise as MP4",
            Container::Fmp4,
            Some(map.clone()),
            noise(&segment),
            "can be read",
        ),
        ("MPEG-2", Container::Ts, None, other, "mpeg2video, not H.264"),
        ("Common Encryption", Container::Fmp4, None, closed, "encrypted"),
        (
            "times without end",
            Container::Fmp4,
            Some(map.clone()),
            no_clock,
            "no clock",
        ),
    ];
    assert!(ts(&pool, well.clone()).await.is_ok());
    let child = pool.idle_pids();
    for (what, container, map, segment, reason) in cases {
        match demux(&pool, container, map, segment.into()).await {
            Err(MediaError::Refused {
                code,
                message,
                retryable,
            }) => {
                assert_eq!(
                    (code.as_str(), retryable),
                    ("media_invalid", false),
                    "{what}: {message}"
                );
                assert!(message.contains(reason), "{what}: {message}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    let empty = ts(&pool, Bytes::new()).await;
    assert!(matches!(&empty, Err(MediaError::Refused { code, .. }) if code == "input_invalid"));
    assert!(ts(&pool, well).await.is_ok());
    assert_eq!(pool.idle_pids(), child, "one child refused all of them");
}

/// The segment with its first fragment some million years late.
fn times_without_end(segment: &[u8]) -> Vec<u8> {
    let mut late = segment.to_vec();
    let at = late.windows(4).position(|four| four == b"tfdt").expect("it has times");
    assert_eq!(late[at + 4], 1, "they have 64 bits");
    late[at + 8..at + 16].copy_from_slice(&(1_i64 << 60).to_be_bytes());
    late
}

#[tokio::test]
async fn a_segment_that_is_cut_off_is_what_came_of_it() {
    let (films, (pool, _)) = (Films::new(), pool());
    let segment = wrapped(&films, "a.ts", &format!("{TONE} {H264} -f mpegts"));
    let whole = ts(&pool, segment.clone()).await.expect("it is sound");
    let (map, [piece, _]) = fragmented(&films, &format!("{TONE} {H264}"));
    for part in [2, 3] {
        let cut = ts(&pool, segment[..segment.len() * part / 4].to_vec()).await;
        let cut = pictures(&cut.expect("some of it came")).len();
        assert!((20..100).contains(&cut), "{cut} of 100 pictures");
        let piece = piece.slice(..piece.len() * part / 4);
        let cut = demux(&pool, Container::Fmp4, Some(map.clone()), piece).await;
        let cut = cut.expect("some of it came");
        assert!(
            (10..50).contains(&pictures(&cut).len()),
            "{} of 50 pictures",
            pictures(&cut).len()
        );
        assert_decodable(&films, &cut, Codec::H264, pictures(&cut).len());
    }
    assert_eq!(pictures(&whole).len(), 100);
}

#[tokio::test]
async fn segments_with_bytes_changed_are_answered_every_one_by_the_same_child() {
    let (films, (pool, _)) = (Films::new(), pool());
    let segment = wrapped(&films, "a.ts", &format!("{TONE} {H264} -f mpegts"));
    let (map, [piece, _]) = fragmented(&films, &format!("{TONE} {H264}"));
    let mp4 = [&map[..], &piece].concat();
    assert!(ts(&pool, segment.clone()).await.is_ok());
    let child = pool.idle_pids();
    let places = noise(&[0; 8 * 400]);
    for (number, place) in places.as_chunks::<8>().0.iter().enumerate() {
        let (container, bytes) = if number % 2 == 0 {
            (Container::Ts, &segment)
        } else {
            (Container::Fmp4, &mp4)
        };
        let mut changed = bytes.clone();
        // Heads of boxes and tables are at the front.
        let within = if number % 4 < 2 { 4_000 } else { changed.len() };
        for step in 0..6 {
            let at = (u32::from_be_bytes([place[0], place[1], place[2], place[3]]) as usize + step * 7_919) % within;
            changed[at] = [place[4], 0, 0xff, place[5], 1, 0x7f][step];
        }
        let answer = demux(&pool, container, None, changed.into()).await;
        assert!(
            !matches!(answer, Err(MediaError::Crashed(_) | MediaError::Unavailable(_))),
            "number {number}: {answer:?}"
        );
    }
    assert_eq!(pool.idle_pids(), child);
}
