//! A narrated video: pictures and their times, a narration and its captions, put together by the command `ffmpeg`. All of it
//! was made by our own workers, and comes as files.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::exit::CliError;

/// Pictures a second: nothing moves in it.
const RATE: &str = "10";

/// What a video is made of.
#[derive(Debug)]
pub(crate) struct Film {
    /// Pictures and how long each is seen, milliseconds.
    pub(crate) pictures: Vec<(PathBuf, u64)>,
    /// The narration.
    pub(crate) sound: PathBuf,
    /// What is spoken, as SRT.
    pub(crate) captions: PathBuf,
    /// Width and height of the video: the largest even ones within the recording's.
    pub(crate) size: (u32, u32),
}

/// Whether a video can be made here.
pub(crate) async fn check() -> Result<(), CliError> {
    let asked = Command::new("ffmpeg")
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .await;
    match asked {
        Ok(answer) if answer.status.success() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(CliError::unavailable(
            "the command ffmpeg, which makes the video, is not here\n  install it, or pass --no-video",
        )),
        Ok(answer) => Err(CliError::unavailable(format!(
            "ffmpeg does not work: {}",
            answer.status
        ))),
        Err(error) => Err(CliError::unavailable(format!("ffmpeg does not start: {error}"))),
    }
}

/// Writes the video as MP4, with the captions as a track that players show when asked.
pub(crate) async fn make(film: &Film, path: &Path) -> Result<(), CliError> {
    let scratch = TempDir::new().map_err(CliError::failed)?;
    let list = scratch.path().join("pictures.ffconcat");
    std::fs::write(&list, pictures(&film.pictures)?).map_err(CliError::failed)?;
    let (width, height) = (film.size.0 & !1, film.size.1 & !1);
    let fit = format!(
        "scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:-1:-1,fps={RATE},format=yuv420p"
    );
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y", "-protocol_whitelist", "file"]);
    command.args(["-f", "concat", "-safe", "0", "-i"]).arg(&list);
    command.args(["-protocol_whitelist", "file", "-i"]).arg(&film.sound);
    command.args(["-protocol_whitelist", "file", "-i"]).arg(&film.captions);
    command.args(["-map", "0:v", "-map", "1:a", "-map", "2:s", "-vf", &fit]);
    command.args([
        "-c:a",
        "aac",
        "-c:s",
        "mov_text",
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
    ]);
    // Ctrl-C ends it too.
    let run = command.arg(path).stdin(Stdio::null()).kill_on_drop(true).output();
    let done = run
        .await
        .map_err(|error| CliError::unavailable(format!("ffmpeg does not start: {error}")))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or("it does not say why");
    Err(CliError::failed(format!("ffmpeg made no video: {last}")))
}

/// The list that ffmpeg's `concat` reads. It wants the last picture twice: a time counts only before a next one.
fn pictures(pictures: &[(PathBuf, u64)]) -> Result<String, CliError> {
    let file = |path: &Path| {
        let path = std::path::absolute(path).map_err(CliError::failed)?;
        Ok(format!("file '{}'\n", path.to_string_lossy().replace('\'', "'\\''")))
    };
    let mut list = "ffconcat version 1.0\n".to_owned();
    for (path, ms) in pictures {
        list.push_str(&file(path)?);
        let _ = writeln!(list, "duration {}.{:03}", ms / 1_000, ms % 1_000);
    }
    if let Some((path, _)) = pictures.last() {
        list.push_str(&file(path)?);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_quotes_are_read_as_they_are() {
        let list = pictures(&[(PathBuf::from("/a/it's.jpg"), 1_250), (PathBuf::from("/b.jpg"), 90)]).expect("a list");
        let expected = "ffconcat version 1.0\nfile '/a/it'\\''s.jpg'\nduration 1.250\nfile '/b.jpg'\nduration 0.090\nfile '/b.jpg'\n";
        assert_eq!(list, expected);
    }
}
