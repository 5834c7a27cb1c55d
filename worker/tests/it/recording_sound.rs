//! G.711 on its way into a recording: real children encode it, and what FFmpeg hears of that is what was said, when it was.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;

use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::protocol_sources::Law;
use zoetrope_worker::protocol_streams::Codec;
use zoetrope_worker::recording::aac::AacConfig;
use zoetrope_worker::recording::encoding::Encoding;
use zoetrope_worker::recording::muxer::Picture;
use zoetrope_worker::recording::sound::{SoundCoding, SoundFrame, SoundTrack};
use zoetrope_worker::recording::spool::Spooled;

use crate::films::Films;
use crate::vocabulary::{pool, pool_of};

const RATE: usize = 8_000;
/// Samples in a packet of RTP, and in a frame of AAC.
const PACKET: usize = 160;
const FRAME: usize = 1_024;
/// When the tone begins and where the sound ends, samples.
const TONE: usize = 12_000;
const END: usize = 5 * RATE;

/// Silence, and a tone from [`TONE`] on.
fn said(films: &Films, codec: &str) -> Vec<u8> {
    let name = format!("{codec}.raw");
    let source = r"-f lavfi -i aevalsrc=if(gte(t\,1.5)\,0.5*sin(1000*2*PI*t)\,0):s=8000:d=5 -c:a";
    std::fs::read(films.make(&name, &format!("{source} pcm_{codec} -f {codec}"))).expect("ffmpeg wrote it")
}

/// A connection as it comes out of the spool: packets of sound and 25 pictures a second, in the order of their times.
fn connection(law: Law, sound: &[u8]) -> Vec<Spooled> {
    let track = AacConfig::mono(RATE as u32).expect("AAC knows the rate").track();
    let coding = SoundCoding::G711(law);
    let mut all = vec![Spooled::Track(Some(SoundTrack { coding, ..track }))];
    for (number, samples) in sound.chunks(PACKET).enumerate() {
        all.push(Spooled::Sound(SoundFrame {
            data: samples.to_vec(),
            ticks: (number * PACKET) as i64,
            duration: samples.len() as u32,
        }));
        if number % 2 == 0 {
            all.push(Spooled::Picture(Picture {
                data: vec![0; 10].into(),
                codec: Codec::H264,
                is_key: number == 0,
                ticks: number as i64 * 1_800,
                wall_ms: 0,
            }));
        }
    }
    all
}

async fn through(mut encoding: Encoding<'_>, connection: Vec<Spooled>) -> VecDeque<Spooled> {
    let mut ready = VecDeque::new();
    for spooled in connection {
        encoding.take(spooled, &mut ready).await;
    }
    encoding.finish(&mut ready).await;
    ready
}

fn sound_of(ready: &VecDeque<Spooled>) -> Vec<&SoundFrame> {
    let frames = ready.iter().filter_map(|spooled| match spooled {
        Spooled::Sound(frame) => Some(frame),
        Spooled::Picture(_) | Spooled::Track(_) | Spooled::Break(_) => None,
    });
    frames.collect()
}

fn pictures_of(ready: &VecDeque<Spooled>) -> usize {
    let is_picture = |spooled: &&Spooled| matches!(spooled, Spooled::Picture(_));
    ready.iter().filter(is_picture).count()
}

/// What FFmpeg hears of frames, each behind a head that says how it is coded: 8,000 Hz, one channel.
fn heard(films: &Films, frames: &[&SoundFrame]) -> Vec<f64> {
    let with_head = |frame: &&SoundFrame| {
        let length = frame.data.len() + 7;
        let [low, high] = [(length & 7) as u8, (length >> 3) as u8];
        let head = [
            0xff,
            0xf1,
            0x6c,
            0x40 | (length >> 11) as u8,
            high,
            low << 5 | 0x1f,
            0xfc,
        ];
        [&head[..], &frame.data].concat()
    };
    let bytes: Vec<u8> = frames.iter().flat_map(with_head).collect();
    decoded(&films.write("made.aac", &bytes))
}

fn decoded(file: &Path) -> Vec<f64> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-f", "s16le", "-"])
        .output()
        .expect("`make setup` installs ffmpeg");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let samples = output.stdout.as_chunks::<2>().0.iter();
    samples
        .map(|sample| f64::from(i16::from_le_bytes(*sample)) / 32_768.0)
        .collect()
}

/// How loud each 20 ms are: the root of the mean square.
fn loudness(samples: &[f64]) -> Vec<f64> {
    let loud = |piece: &[f64]| (piece.iter().map(|sample| sample * sample).sum::<f64>() / piece.len() as f64).sqrt();
    samples.chunks(PACKET).map(loud).collect()
}

#[tokio::test]
async fn telephone_sound_becomes_aac_that_is_heard_when_it_was_said_and_without_a_seam() {
    let films = Films::new();
    let (pool, metrics) = pool();
    for (law, codec) in [(Law::Mu, "mulaw"), (Law::A, "alaw")] {
        let connection = connection(law, &said(&films, codec));
        let pictures = connection
            .iter()
            .filter(|spooled| matches!(spooled, Spooled::Picture(_)))
            .count();
        let ready = through(Encoding::new(&pool, &metrics), connection).await;
        assert_eq!(pictures_of(&ready), pictures);
        let frames = sound_of(&ready);
        let times: Vec<i64> = frames.iter().map(|frame| frame.ticks).collect();
        let expected: Vec<i64> = (0..END.div_ceil(FRAME)).map(|number| (number * FRAME) as i64).collect();
        assert_eq!(times, expected, "{codec}");

        let samples = heard(&films, &frames);
        let begins = samples
            .iter()
            .position(|sample| sample.abs() > 0.1)
            .expect("there is a tone");
        assert!(
            begins.abs_diff(TONE) < RATE / 50,
            "{codec}: the tone begins at {begins}"
        );
        let loudness = loudness(&samples);
        let steady = &loudness[(TONE + RATE / 10) / PACKET..(END - RATE / 10) / PACKET];
        assert!(
            steady.iter().all(|loud| (loud - 0.354).abs() < 0.04),
            "{codec}: the tone is as loud everywhere: {steady:?}"
        );
    }
}

#[tokio::test]
async fn pictures_wait_for_the_sound_of_their_time_and_for_none_that_does_not_come() {
    let films = Films::new();
    let (pool, metrics) = pool();
    let ready = through(
        Encoding::new(&pool, &metrics),
        connection(Law::Mu, &said(&films, "mulaw")),
    )
    .await;
    let mut sound_until = 0;
    for spooled in &ready {
        match spooled {
            Spooled::Sound(frame) => sound_until = frame.ticks + FRAME as i64,
            Spooled::Picture(picture) => {
                let at = picture.ticks * RATE as i64 / 90_000;
                assert!(
                    at < sound_until,
                    "the picture at {at} comes before its sound, which is at {sound_until}"
                );
            }
            Spooled::Track(_) | Spooled::Break(_) => {}
        }
    }

    let mut silent = connection(Law::Mu, &vec![0xff; 60 * RATE]);
    silent.retain(|spooled| !matches!(spooled, Spooled::Sound(_)));
    let (mut encoding, mut ready) = (Encoding::new(&pool, &metrics), VecDeque::new());
    let pictures = silent.len() - 1;
    for spooled in silent {
        encoding.take(spooled, &mut ready).await;
    }
    let late = pictures - pictures_of(&ready);
    assert!(late <= 3 * 25 + 1, "{late} of {pictures} pictures still wait");
}

#[tokio::test]
async fn without_an_encoder_the_pictures_are_recorded_and_the_loss_is_counted() {
    let films = Films::new();
    let (pool, metrics) = pool_of(Path::new("/nothing/here"));
    let connection = connection(Law::A, &said(&films, "alaw"));
    let pictures = connection
        .iter()
        .filter(|spooled| matches!(spooled, Spooled::Picture(_)))
        .count();
    let ready = through(Encoding::new(&pool, &metrics), connection).await;
    assert_eq!((pictures_of(&ready), sound_of(&ready).len()), (pictures, 0));
    assert!(lost(&metrics) >= 3, "{}", lost(&metrics));
}

fn lost(metrics: &Metrics) -> u64 {
    let text = metrics.render().expect("metrics are text");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("zoetrope_recording_sound_lost_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}
