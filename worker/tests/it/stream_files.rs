//! Films in the media child, read in pieces.

use std::path::PathBuf;

use zoetrope_worker::media_pool::{MediaError, MediaPool, MediaPoolConfig};
use zoetrope_worker::protocol_streams::{Codec, FILE, FileInput, FilePiece, Verdict};

use crate::films::Films;
use crate::stream_decode::{ask, file_input, still_then_cut};
use crate::vocabulary::{pool, pool_with};

/// Reads a film to its end, each piece by a pool that may be another.
async fn whole_film(pools: &[&MediaPool], mut input: FileInput) -> Vec<FilePiece> {
    let mut pieces: Vec<FilePiece> = Vec::new();
    for pool in pools.iter().cycle() {
        let piece: FilePiece = ask(pool, FILE, &input, Vec::new()).await.expect("the film is sound");
        input.from_ms = piece.next_ms;
        input.gate.clone_from(&piece.sampled.gate);
        let end = piece.end;
        pieces.push(piece);
        if end {
            break;
        }
    }
    pieces
}

fn times(pieces: &[FilePiece]) -> Vec<u64> {
    let frames = pieces.iter().flat_map(|piece| &piece.sampled.frames);
    frames.map(|frame| frame.t_ms).collect()
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_another_child_can_take_over_at_each() {
    let films = Films::new();
    let film = still_then_cut(&films, Codec::H264);
    let (one, other) = (pool().0, pool().0);
    for (fps, count) in [(0.5, 5), (1.0, 10), (4.0, 40), (25.0, 250)] {
        let alone = whole_film(&[&one], file_input(&film, fps)).await;
        assert_eq!(times(&alone).len(), count, "{fps} fps: {:?}", times(&alone));
        let shared = whole_film(&[&one, &other], file_input(&film, fps)).await;
        assert_eq!(times(&shared), times(&alone), "{fps} fps");
        let passed = shared.iter().flat_map(|piece| &piece.sampled.frames);
        let passed: Vec<u64> = passed
            .filter(|frame| frame.verdict == Verdict::Passed)
            .map(|frame| frame.t_ms)
            .collect();
        assert_eq!(passed, [0, 6000], "{fps} fps");
    }
    let video = &whole_film(&[&one], file_input(&film, 0.5)).await[0].video;
    assert_eq!(
        (video.codec.as_str(), video.width, video.height, video.duration_ms),
        ("h264", 640, 360, Some(10_000))
    );
    assert!((video.fps - 25.0).abs() < 0.01);
}

#[tokio::test]
async fn each_container_is_known_by_its_bytes_and_not_by_its_name() {
    let (films, (pool, _)) = (Films::new(), pool());
    let source = "-f lavfi -i testsrc2=s=320x180:r=10:d=3 -pix_fmt yuv420p";
    for (name, encoder, codec) in [
        ("a.mov", "-c:v libx264 -preset ultrafast", "h264"),
        (
            "a.mkv",
            "-c:v libx265 -preset ultrafast -x265-params log-level=error",
            "hevc",
        ),
        ("a.webm", "-c:v libvpx-vp9 -deadline realtime", "vp9"),
        ("a.avi", "-c:v mpeg4", "mpeg4"),
        ("a.ts", "-c:v libx264 -preset ultrafast", "h264"),
    ] {
        let film = films.make(name, &format!("{source} {encoder}"));
        let renamed = films.path("film.bin");
        std::fs::rename(&film, &renamed).expect("the folder is ours");
        let pieces = whole_film(&[&pool], file_input(&renamed, 1.0)).await;
        assert_eq!(
            (times(&pieces).len(), pieces[0].video.codec.as_str()),
            (3, codec),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_film_outside_the_folder_of_inputs_cannot_be_opened() {
    let (films, inputs) = (Films::new(), Films::new());
    let film = still_then_cut(&films, Codec::H264);
    let (pool, _) = pool_with(MediaPoolConfig {
        inputs: inputs.path(""),
        ..MediaPoolConfig::of(PathBuf::from(env!("CARGO_BIN_EXE_zoetrope-media")), 1)
    });
    let refused: Result<FilePiece, _> = ask(&pool, FILE, &file_input(&film, 1.0), Vec::new()).await;
    assert!(
        matches!(&refused, Err(MediaError::Refused { code, message, .. })
            if code == "engine_failed" && message.contains("Permission denied")),
        "{refused:?}"
    );
    let inside = inputs.path("film");
    std::fs::rename(&film, &inside).expect("both folders are ours");
    let read: Result<FilePiece, _> = ask(&pool, FILE, &file_input(&inside, 1.0), Vec::new()).await;
    assert!(read.is_ok(), "{read:?}");
}
