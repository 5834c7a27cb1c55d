//! Recordings that are cut off, forged, empty or made to exhaust their reader: each is refused for good or told as far as
//! it goes, and the same child serves the next one.

use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol_steps::{STEPS, Shot, StepsFound, StepsInput};

use crate::films::Films;
use crate::pixels::{packed_zeros, png};
use crate::steps_truth::input;
use crate::stream_decode::ask;
use crate::vocabulary::{fixture, pool};

/// What a child may hold after all of them, KiB.
const MAX_PEAK_KIB: u64 = 700 * 1024;

pub(crate) async fn told(pool: &MediaPool, path: &std::path::Path) -> Result<StepsFound, MediaError> {
    let input = StepsInput {
        video: Some(path.display().to_string()),
        ..input()
    };
    ask(pool, STEPS, &input, Vec::new()).await
}

/// Codes of refusals; anything that another attempt could mend is not one.
pub(crate) fn refused<T: std::fmt::Debug>(name: &str, answer: Result<T, MediaError>) -> String {
    match answer {
        Err(MediaError::Refused {
            code, retryable: false, ..
        }) => code,
        other => panic!("{name} should be refused for good: {other:?}"),
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[tokio::test]
async fn what_is_no_recording_is_refused_and_the_same_child_reads_the_next() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let encoder = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let sound = films.make(
        "sound.mp4",
        &format!("-f lavfi -i color=gray:s=160x120:r=10:d=2 {encoder}"),
    );
    let whole = std::fs::read(&sound).expect("ffmpeg wrote it");
    let secret = sound.display();
    let header = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".as_slice();
    let forged = [
        ("nothing", Vec::new()),
        ("one byte", vec![0xff]),
        ("ones", vec![0xff; 1_000_000]),
        ("noise", noise(1_000_000)),
        ("noise behind a film's first bytes", [header, &noise(100_000)].concat()),
        ("a film without its index", whole[..whole.len() * 2 / 3].to_vec()),
        (
            "a playlist",
            format!("#EXTM3U\n#EXTINF:3,\n{secret}\n#EXT-X-ENDLIST\n").into_bytes(),
        ),
        (
            "a list of files",
            format!("ffconcat version 1.0\nfile '{secret}'\n").into_bytes(),
        ),
        ("a session description", b"v=0\nm=video 5004 RTP/AVP 96\n".to_vec()),
        (
            "a manifest",
            format!("<?xml version=\"1.0\"?><MPD><BaseURL>file://{secret}</BaseURL></MPD>").into_bytes(),
        ),
        ("a picture", fixture("screen.png")),
    ];
    for (name, bytes) in forged {
        let path = films.write("forged.mp4", &bytes);
        assert_eq!(refused(name, told(&pool, &path).await), "media_invalid", "{name}");
    }
    for (name, arguments) in [
        ("tiny.mp4", format!("-f lavfi -i color=black:s=2x2:r=10:d=2 {encoder}")),
        (
            "jump.mkv",
            format!(
                "-f lavfi -i color=gray:s=64x64:r=10:d=2 -vf setpts=PTS+gte(N\\,10)*36000/TB -fps_mode vfr {encoder}"
            ),
        ),
        ("tone.mp4", "-f lavfi -i sine=d=1 -c:a aac".to_owned()),
        (
            "huge.mp4",
            format!("-f lavfi -i color=black:s=8192x8192:r=1 -frames:v 1 {encoder}"),
        ),
    ] {
        let film = films.make(name, &arguments);
        assert_eq!(refused(name, told(&pool, &film).await), "media_invalid", "{name}");
    }
    let found = told(&pool, &sound).await.expect("a sound film is read");
    assert_eq!((found.frames, found.steps.len()), (20, 0));
    assert_eq!(metrics.media_children_started(), 1);
}

#[tokio::test]
async fn odd_recordings_are_told_within_bounds() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let encoder = "-c:v libx264 -preset ultrafast";
    // Of a thousand pictures a second; with twenty tracks.
    let tracks = "-map 0:v ".repeat(20);
    let odd = [
        (
            "fast.mp4",
            format!("-f lavfi -i testsrc2=s=64x64:r=1000:d=3 {encoder} -pix_fmt yuv420p"),
        ),
        (
            "tracks.mkv",
            format!("-f lavfi -i color=gray:s=64x64:r=10:d=2 {tracks} {encoder}"),
        ),
    ];
    for (name, arguments) in odd {
        let film = films.make(name, &arguments);
        let found = told(&pool, &film)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!((1..=40).contains(&found.frames), "{name}: {} pictures", found.frames);
    }
    assert_eq!(metrics.media_children_started(), 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", pool.idle_pids()[0])).expect("the child is alive");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    assert!(peak.expect("linux tells the peak") < MAX_PEAK_KIB, "{peak:?} KiB");
}

#[tokio::test]
async fn screenshots_that_do_not_fit_together_or_are_none_are_refused() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let grey = |width, height| {
        png(
            width,
            height,
            &[(b"IDAT", packed_zeros(u64::from(width + 1) * u64::from(height)))],
        )
    };
    let (first, other) = (grey(64, 48), grey(48, 64));
    let cut = fixture("screen.png")[..2_000].to_vec();
    for (name, shots, code) in [
        ("of two sizes", vec![first.clone(), other], "media_invalid"),
        ("cut off", vec![first.clone(), cut], "media_invalid"),
        ("of endless size", vec![png(65_535, 65_535, &[])], "media_invalid"),
        ("none", vec![b"hello".to_vec()], "media_invalid"),
        ("missing", Vec::new(), "input_invalid"),
    ] {
        let frames = (0_u64..).zip(shots).map(|(index, bytes)| Shot {
            path: films.write(&format!("{index}.png"), &bytes).display().to_string(),
            t_ms: index * 1000,
        });
        let input = StepsInput {
            frames: frames.collect(),
            ..input()
        };
        let answer: Result<StepsFound, _> = ask(&pool, STEPS, &input, Vec::new()).await;
        assert_eq!(refused(name, answer), code, "screenshots {name}");
    }
    assert_eq!(metrics.media_children_started(), 1);
}
