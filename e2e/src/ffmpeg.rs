//! FFmpeg's command, by which sources make and serve their films.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Runs it with these words and these more into a file.
pub(crate) async fn make(words: &str, more: &[&str], file: &Path) {
    let made = ffmpeg(words).args(more).arg(file).status().await;
    assert!(
        made.is_ok_and(|status| status.success()),
        "ffmpeg should make {}: `make setup`",
        file.display()
    );
}

/// FFmpeg's command with these words, silent. It ends with its handle.
pub(crate) fn ffmpeg(words: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-loglevel", "quiet", "-y"])
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}
