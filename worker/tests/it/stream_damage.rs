//! Films that are cut off, flipped, forged or made to exhaust their reader. A child may refuse them, give what is left
//! of them, or die; the next request is served, and nothing but the film itself is ever read.

use std::path::Path;

use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol_streams::{Codec, FILE, FilePiece, KEY_FRAME, PACKETS, Sampled};

use crate::films::{Films, Packet};
use crate::stream_decode::{ask, file_input, key_frame_input, packets_input};
use crate::vocabulary::pool;

/// Damaged copies of each medium.
const FLIPS: u64 = 200;
/// Bytes that are changed in each copy.
const FLIPPED_BYTES: usize = 12;
/// What a child may hold at most while it works on a film of 8K pictures, KiB.
const MAX_PEAK_KIB: u64 = 700 * 1024;

/// A generator of numbers that are the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        for _ in 0..FLIPPED_BYTES {
            let at = self.below(bytes.len());
            bytes[at] ^= 1 << self.below(8);
        }
    }
}

fn small_film(films: &Films, name: &str) -> std::path::PathBuf {
    films.make(
        name,
        "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -f lavfi -i sine=d=3 -c:v libx264 -preset veryfast -g 10 -bf 2 \
         -pix_fmt yuv420p -c:a aac",
    )
}

async fn refused(pool: &MediaPool, path: &Path) -> String {
    let answer: Result<FilePiece, _> = ask(pool, FILE, &file_input(path, 1.0), Vec::new()).await;
    match answer {
        Err(MediaError::Refused {
            code,
            message,
            retryable: false,
        }) if code == "media_invalid" => message,
        other => panic!("{} should be refused: {other:?}", path.display()),
    }
}

/// Reads a whole film, whatever state it is in; frames found, or `None` if it was refused or its child died.
async fn frames_of(pool: &MediaPool, path: &Path) -> Option<usize> {
    let mut input = file_input(path, 5.0);
    let mut frames = 0;
    loop {
        let piece: FilePiece = ask(pool, FILE, &input, Vec::new()).await.ok()?;
        frames += piece.sampled.frames.len();
        if piece.end {
            return Some(frames);
        }
        (input.from_ms, input.gate) = (piece.next_ms, piece.sampled.gate);
    }
}

#[tokio::test]
async fn flipped_films_never_keep_the_next_one_from_being_read() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    for name in ["film.mp4", "film.mkv", "film.ts"] {
        let film = small_film(&films, name);
        let sound = std::fs::read(&film).expect("ffmpeg wrote it");
        let whole = frames_of(&pool, &film).await;
        assert_eq!(whole, Some(15), "{name}");
        let mut read = 0;
        for seed in 0..FLIPS / 2 {
            let mut bytes = sound.clone();
            Dice::seeded(seed).flip(&mut bytes);
            let damaged = films.write("damaged", &bytes);
            read += usize::from(frames_of(&pool, &damaged).await.is_some());
        }
        assert!(read > 50, "{name}: only {read} of the damaged films gave anything");
        assert_eq!(frames_of(&pool, &film).await, whole, "{name}");
    }
    assert!(metrics.media_children_started() < 10, "children died too often");
}

#[tokio::test]
async fn flipped_packets_are_counted_and_the_stream_goes_on() {
    let (films, (pool, _)) = (Films::new(), pool());
    let h265 = films.make(
        "small265.mp4",
        "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -c:v libx265 -preset ultrafast -pix_fmt yuv420p \
         -x265-params log-level=error:keyint=10:bframes=2",
    );
    // What H.265's decoder cannot see, the decoder of H.264 marks: few flips of H.265 are told.
    for (codec, film, least) in [
        (Codec::H264, small_film(&films, "small264.mp4"), FLIPS as u32 / 4),
        (Codec::H265, h265, 1),
    ] {
        let packets = films.packets(&film, codec);
        let mut errors = 0;
        for seed in 0..FLIPS {
            let mut dice = Dice::seeded(seed);
            let mut damaged: Vec<Packet> = packets.clone();
            let hit = dice.below(damaged.len());
            dice.flip(&mut damaged[hit].bytes);
            let (input, body) = packets_input("camera", codec, &damaged, 10.0);
            let answer: Result<Sampled, _> = ask(&pool, PACKETS, &input, body).await;
            errors += answer.map_or(1, |sampled| sampled.decode_errors);
            let answer: Result<Sampled, _> =
                ask(&pool, KEY_FRAME, &key_frame_input(codec, 0), damaged[hit].bytes.clone()).await;
            assert!(!matches!(answer, Err(MediaError::Unavailable(_))), "{answer:?}");
        }
        assert!(errors >= least, "{codec:?}: {errors} errors in {FLIPS} damaged streams");
        let sampled: Sampled = ask(&pool, KEY_FRAME, &key_frame_input(codec, 7), packets[0].bytes.clone())
            .await
            .expect("the picture is sound");
        assert_eq!((sampled.frames.len(), sampled.decode_errors), (1, 0), "{codec:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_picture_give_no_frame_and_count_as_errors() {
    let (pool, _) = pool();
    for codec in [Codec::H264, Codec::H265] {
        for bytes in [
            vec![0xff; 1],
            vec![0; 5000],
            vec![0xff; 5000],
            b"#EXTM3U\n/etc/passwd\n".to_vec(),
        ] {
            let sampled: Sampled = ask(&pool, KEY_FRAME, &key_frame_input(codec, 0), bytes)
                .await
                .expect("counted");
            assert_eq!(sampled.frames, Vec::new());
            assert!(sampled.decode_errors > 0);
        }
    }
}

#[tokio::test]
async fn cut_off_films_give_what_is_there_or_are_refused() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (name, readable) in [("film.mp4", false), ("film.mkv", true), ("film.ts", true)] {
        let bytes = std::fs::read(small_film(&films, name)).expect("ffmpeg wrote it");
        let half = films.write("half", &bytes[..bytes.len() / 2]);
        if readable {
            let frames = frames_of(&pool, &half).await.expect("the first half is sound");
            assert!((3..15).contains(&frames), "{name}: {frames}");
        } else {
            refused(&pool, &half).await;
        }
    }
}

#[tokio::test]
async fn playlists_and_other_lists_under_the_name_of_a_film_are_refused_and_open_nothing() {
    let (films, (pool, _)) = (Films::new(), pool());
    let secret = small_film(&films, "other-tenant.ts");
    let secret = secret.display();
    for (name, text) in [
        (
            "clip.mp4",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{secret}\n#EXT-X-ENDLIST\n"),
        ),
        ("clip.mov", format!("ffconcat version 1.0\nfile '{secret}'\n")),
        (
            "clip.mkv",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n".to_owned(),
        ),
        (
            "clip.avi",
            format!("<?xml version=\"1.0\"?><MPD><BaseURL>file://{secret}</BaseURL></MPD>"),
        ),
        ("clip.webm", String::new()),
    ] {
        let message = refused(&pool, &films.write(name, text.as_bytes())).await;
        assert!(message.contains("is no MP4"), "{name}: {message}");
    }
    // The magic of a film in front does not make the rest of a playlist one.
    let forged = [
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".as_slice(),
        b"#EXTM3U\n#EXTINF:3,\n/etc/hostname\n",
    ]
    .concat();
    refused(&pool, &films.write("forged.mp4", &forged)).await;
    for zeros in [1, 1_000_000] {
        refused(&pool, &films.write("zeros", &vec![0; zeros])).await;
    }
}

#[tokio::test]
async fn a_film_without_pictures_is_refused() {
    let (films, (pool, _)) = (Films::new(), pool());
    let film = films.make("sound.mp4", "-f lavfi -i sine=d=1 -c:a aac");
    let message = refused(&pool, &film).await;
    assert!(message.contains("no video"), "{message}");
}

#[tokio::test]
async fn a_small_film_of_huge_pictures_is_read_within_bounds_and_too_large_pictures_never() {
    let (films, (pool, _)) = (Films::new(), pool());
    let encoder = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let short = films.make(
        "8k.mp4",
        &format!("-f lavfi -i color=black:s=7680x4320:r=30:d=1 {encoder} -g 30"),
    );
    let bomb = films.make("bomb.mp4", &format!("-stream_loop 19 -i {} -c copy", short.display()));
    assert!(std::fs::metadata(&bomb).expect("ffmpeg wrote it").len() < 2_000_000);
    let piece: FilePiece = ask(&pool, FILE, &file_input(&bomb, 30.0), Vec::new())
        .await
        .expect("it is a film");
    assert!(!piece.sampled.frames.is_empty() && !piece.end);
    let [pid] = pool.idle_pids()[..] else {
        panic!("one child should be idle")
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the child is alive");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    assert!(peak.expect("linux tells the peak") < MAX_PEAK_KIB, "{peak:?} KiB");

    let huge = films.make(
        "huge.mp4",
        &format!("-f lavfi -i color=black:s=8192x8192:r=1 -frames:v 1 {encoder}"),
    );
    let message = refused(&pool, &huge).await;
    assert!(message.contains("50000000 pixels"), "{message}");
    let picture = films.packets(&huge, Codec::H264).remove(0);
    let sampled: Sampled = ask(&pool, KEY_FRAME, &key_frame_input(Codec::H264, 0), picture.bytes)
        .await
        .expect("it is counted");
    assert_eq!((sampled.frames.len(), sampled.decode_errors), (0, 1));
}
