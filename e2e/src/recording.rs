//! Screen recordings drawn for tests, and encoded by the command `ffmpeg`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Width and height of a recording, pixels, and pictures a second.
const SIZE: (usize, usize) = (640, 400);
const FPS: &str = "10";
/// What scrolls ends here; below it is a field.
const FIELD: usize = 340;
const GROUND: u8 = 235;
const INK: u8 = 30;

/// Pixels that [`scrolled_and_typed`] scrolls.
pub const SCROLLED: usize = 150;

/// Six seconds: the page is scrolled by [`SCROLLED`] pixels, then eight letters are typed below it.
pub fn scrolled_and_typed(folder: &Path) -> Vec<u8> {
    let picture = |index: usize| {
        let scrolled = index.saturating_sub(9).min(5) * SCROLLED / 5;
        page(scrolled, index.saturating_sub(29).min(8))
    };
    encoded(folder, (0..60).map(picture))
}

/// Three seconds in which nothing happens.
pub fn still(folder: &Path) -> Vec<u8> {
    encoded(folder, (0..30).map(|_| page(0, 0)))
}

/// A page of lines like text, no two alike, and a field with as many letters.
fn page(scrolled: usize, letters: usize) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut pixels = vec![GROUND; width * height];
    let mut ink = |x: usize, y: usize, w: usize, h: usize, below: usize| {
        for row in y..(y + h).min(below) {
            pixels[row * width + x..row * width + (x + w).min(width)].fill(INK);
        }
    };
    for line in 0..40_usize {
        for word in 0..12 {
            // Spread by multiplication: a pattern that repeats could have scrolled by more than it did.
            let kind = (((line * 40_503 + word * 30_011 + 977) * 7_919) >> 6) % 11;
            let Some(y) = (10 + line * 24 + kind % 3).checked_sub(scrolled) else {
                continue;
            };
            ink(30 + word * 46 + kind, y, 12 + 2 * kind, 3 + kind % 5, FIELD);
        }
    }
    ink(20, FIELD + 4, 600, 1, height);
    for letter in 0..letters {
        ink(60 + letter * 9, 366, 6, 12, height);
    }
    pixels
}

fn encoded(folder: &Path, pictures: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let path = folder.join("recording.mp4");
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let mut ffmpeg = Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", FPS, "-i", "pipe:0",
        ])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "18",
            "-pix_fmt",
            "yuv420p",
        ])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg should be installed: `make setup`");
    let mut pipe = ffmpeg.stdin.take().expect("the pipe was asked for");
    for picture in pictures {
        pipe.write_all(&picture).expect("ffmpeg should take the pictures");
    }
    drop(pipe);
    assert!(
        ffmpeg.wait().is_ok_and(|status| status.success()),
        "ffmpeg should encode"
    );
    std::fs::read(path).expect("the recording should be there")
}
