//! For `make bench-streams`: every frame of a film through a media child. `decode_film ZOETROPE-MEDIA FILM` prints the
//! frames that were reported, the microseconds that it took, and the microseconds of processor time of the child's thread;
//! the child's start is not counted.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::to_raw_value;
use tokio::time::Instant;
use zoetrope_worker::media_pool::{HeldChild, MediaPool, MediaPoolConfig};
use zoetrope_worker::metrics::Metrics;
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_streams::{Analyse, FILE, FileInput, FilePiece, MAX_PIECE_FRAMES};

/// More than any film has, so that every frame is wanted.
const FPS: f64 = 1000.0;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it is run for")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [executable, film] = &arguments[..] else {
        anyhow::bail!("decode_film ZOETROPE-MEDIA FILM");
    };
    let film = std::path::absolute(film)?;
    let mut config = MediaPoolConfig::of(executable.clone(), 1);
    config.inputs = film.parent().map(ToOwned::to_owned).unwrap_or_default();
    let pool = MediaPool::new(config, Metrics::new()?);
    let mut child = pool.hold()?;
    // Opens the film, which starts the child; what is decoded then is decoded again.
    piece(&mut child, "first", film.display().to_string(), 0, 1).await?;

    let begin = Instant::now();
    let (mut frames, mut cpu_us, mut from_ms) = (0, 0, 0);
    loop {
        let path = film.display().to_string();
        let piece = piece(&mut child, "film", path, from_ms, MAX_PIECE_FRAMES).await?;
        frames += piece.sampled.frames.len();
        cpu_us += piece.sampled.cpu_us;
        from_ms = piece.next_ms;
        if piece.end {
            break;
        }
    }
    let took: Duration = begin.elapsed();
    println!("{frames} {} {cpu_us}", took.as_micros());
    Ok(())
}

async fn piece(
    child: &mut HeldChild,
    session: &str,
    path: String,
    from_ms: u64,
    max_frames: u32,
) -> anyhow::Result<FilePiece> {
    let input = FileInput {
        session: session.to_owned(),
        path,
        from_ms,
        fps: FPS,
        max_frames,
        gate: None,
        analyse: Analyse::default(),
    };
    let request = Request {
        kind: FILE.to_owned(),
        input: to_raw_value(&input)?,
    };
    let answer = child.run(&request, Bytes::new()).await?;
    Ok(serde_json::from_slice(&answer)?)
}
