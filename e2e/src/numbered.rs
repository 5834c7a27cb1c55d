//! A camera that numbers its pictures by the clock, and the numbers in a film or a picture that was made of them: what is
//! missing shows, and how old it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::process::Child;
use zoetrope_queue::{Clock, SystemClock};

use crate::announced::{self, PYTHON};

/// Pictures a second.
pub const FPS: u32 = 15;

// As `numbered-camera.py` draws them.

/// Blocks in a row of a picture.
pub const COLUMNS: usize = 8;
/// Rows of blocks.
pub const ROWS: usize = 6;
const BLOCK: usize = 16;
const BITS: usize = 24;
const PICTURE_BYTES: usize = COLUMNS * ROWS * BLOCK * BLOCK;
/// Between bright and dark.
const MIDDLE: usize = 128;

/// A camera over RTSP. Picture 0 is of the moment at which it was started; those that nobody reads have their numbers, too.
/// Killed when dropped.
#[derive(Debug)]
pub struct NumberedCamera {
    _child: Child,
    port: u16,
    began_ms: u64,
}

impl NumberedCamera {
    /// Starts it.
    pub async fn start() -> Self {
        Self::start_with(FPS, &[]).await
    }

    /// Starts several that send an encoded film, one picture after the other, see `numbered-camera.py`.
    pub async fn start_film(film: &Path, fps: u32, cameras: usize) -> Self {
        let film = film.display().to_string();
        let (gop, mounts) = (fps.to_string(), cameras.to_string());
        Self::start_with(fps, &["--film", &film, "--gop", &gop, "--mounts", &mounts]).await
    }

    async fn start_with(fps: u32, more: &[&str]) -> Self {
        let began_ms = SystemClock.now_ms();
        let (began, rate) = (began_ms.to_string(), fps.to_string());
        let words = ["--port", "0", "--began-ms", &began, "--fps", &rate];
        let words: Vec<String> = words.iter().chain(more).map(|word| (*word).to_owned()).collect();
        let (child, port) = announced::start(Path::new(PYTHON), "numbered-camera.py", &words).await;
        Self {
            _child: child,
            port,
            began_ms,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/numbered", self.port)
    }

    /// Where one of several is.
    pub fn url_of(&self, camera: usize) -> String {
        format!("{}-{camera}", self.url())
    }

    /// When it was started, Unix milliseconds.
    pub fn began_ms(&self) -> u64 {
        self.began_ms
    }
}

/// The luma of a picture with this number, a value for each of its blocks: [`COLUMNS`] to a row.
pub fn blocks_of(number: u32) -> [u8; COLUMNS * ROWS] {
    const BRIGHT: u8 = 0xdc;
    const DARK: u8 = 0x24;
    let both = u64::from(number) << BITS | u64::from(!number & ((1 << BITS) - 1));
    std::array::from_fn(|place| match both >> (COLUMNS * ROWS - 1 - place) & 1 {
        1 => BRIGHT,
        _ => DARK,
    })
}

/// The number that a JPEG shows, of whatever size; `None` if it does not read.
pub fn number_of(jpeg: &[u8]) -> Option<u32> {
    let luma = image::load_from_memory(jpeg).ok()?.into_luma8();
    number_in(luma.as_raw(), luma.width() as usize)
}

/// The numbers in a film, in the order in which they are shown. An error is what FFmpeg or `ffprobe` has to say about it, or
/// that a picture does not read.
pub fn numbers_in(film: &Path) -> Result<Vec<u32>, String> {
    said_nothing(
        Command::new("ffprobe").args(["-v", "error", "-show_streams", "-show_packets"]),
        film,
    )?;
    let mut decode = Command::new("ffmpeg");
    decode.args(["-nostdin", "-v", "error", "-i"]).arg(film);
    let raw = [
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ];
    let output = decode.args(raw).output().expect("`make setup` installs ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.is_empty() {
        return Err(format!("{}: {said}", film.display()));
    }
    let (pictures, rest) = output.stdout.as_chunks::<PICTURE_BYTES>();
    if !rest.is_empty() {
        return Err("the pictures have another size".to_owned());
    }
    let numbers = pictures.iter().enumerate().map(|(place, luma)| {
        let number = number_in(luma, COLUMNS * BLOCK);
        number.ok_or_else(|| format!("{}: picture {place} does not read", film.display()))
    });
    numbers.collect()
}

fn said_nothing(command: &mut Command, film: &Path) -> Result<(), String> {
    let output = command.arg(film).output().expect("`make setup` installs ffprobe");
    let said = String::from_utf8_lossy(&output.stderr);
    let well = output.status.success() && said.is_empty();
    well.then_some(()).ok_or_else(|| format!("{}: {said}", film.display()))
}

/// The number that a picture of this width shows; `None` unless it is followed by its complement.
fn number_in(luma: &[u8], width: usize) -> Option<u32> {
    let (across, down) = (width / COLUMNS, luma.len() / width.max(1) / ROWS);
    let bit = |place: usize| {
        let (left, top) = (place % COLUMNS * across, place / COLUMNS * down);
        // The middle of the block: its edges may have something of its neighbours.
        let rows = (top + down / 4..top + down * 3 / 4).map(|row| row * width + left);
        let (mut sum, mut count) = (0, 0);
        for value in rows.flat_map(|row| &luma[row + across / 4..row + across * 3 / 4]) {
            sum += usize::from(*value);
            count += 1;
        }
        u32::from(sum > MIDDLE * count)
    };
    let read = |places: std::ops::Range<usize>| places.fold(0, |number, place| number << 1 | bit(place));
    let (number, complement) = (read(0..BITS), read(BITS..BITS * 2));
    (number ^ complement == (1 << BITS) - 1).then_some(number)
}

/// Writes a film into a folder and reads its numbers.
pub fn numbers_of(bytes: &[u8], folder: &Path) -> Result<Vec<u32>, String> {
    let film: PathBuf = folder.join("numbered.mp4");
    std::fs::write(&film, bytes).expect("there should be room for a file");
    numbers_in(&film)
}
