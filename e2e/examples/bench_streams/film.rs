//! The films that are replayed: encoded once, 2 Mbit/s.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zoetrope_e2e::numbered::{COLUMNS, ROWS, blocks_of};

/// Frames a second.
pub(super) const FPS: u32 = 30;
/// Pictures of the numbered film; it begins anew after them.
pub(super) const NUMBERED: u32 = 60 * FPS;
/// A minute is encoded; this many make a film that outlasts every measurement.
const MINUTES: u32 = 10;

/// A still scene with the noise of a sensor: nothing to read, so that both sides do the same work.
pub(super) const STILL: &str = "smptehdbars=size=1280x720:rate=30:duration=60,noise=alls=12:allf=t";
/// The same, through which something walks for 6 s of every 20: what passes the gate is read, which the loop does not do.
pub(super) const WALKER: &str = "smptehdbars=size=1280x720:rate=30:duration=60,noise=alls=12:allf=t[scene];\
    color=color=0x803020:size=120x260:rate=30:duration=60[walker];\
    [scene][walker]overlay=x='if(lt(mod(t,20),6),mod(t,20)*230-120,-200)':y=400";

const ENCODER: &str =
    "-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -b:v 2M -maxrate 2M -bufsize 2M -sc_threshold 0";

/// A film of this content, a key frame a second.
#[expect(clippy::print_stderr, reason = "it takes a while")]
pub(super) fn encode(folder: &Path, content: &str, filter: &str) -> PathBuf {
    eprintln!("bench-streams: {content}: encoding");
    let minute = folder.join(format!("{content}-1.mp4"));
    let film = folder.join(format!("{content}.mp4"));
    let gop = FPS.to_string();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-y", "-filter_complex", filter])
        .args(ENCODER.split(' '))
        .args(["-g", &gop, "-keyint_min", &gop])
        .arg(&minute);
    run(ffmpeg);
    let mut repeat = Command::new("ffmpeg");
    repeat
        .args(["-v", "error", "-y", "-stream_loop", &(MINUTES - 1).to_string(), "-i"])
        .arg(&minute);
    repeat.args(["-c", "copy"]).arg(&film);
    run(repeat);
    film
}

/// A minute of a drawn scene as cameras and phones write it, with pictures that refer to later ones.
pub(super) fn encode_usual(folder: &Path) -> PathBuf {
    let film = folder.join("usual.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=1280x720:rate=30:duration=60")
        .args("-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60".split(' '))
        .arg(&film);
    run(ffmpeg);
    film
}

/// Pictures that show their number, under the same noise and at the same rate, as [`zoetrope_e2e::NumberedCamera`] takes them.
pub(super) fn encode_numbered(folder: &Path) -> PathBuf {
    let film = folder.join("numbered.h264");
    let (size, gop) = (format!("{COLUMNS}x{ROWS}"), FPS.to_string());
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args("-v error -y -f rawvideo -pix_fmt gray -video_size".split(' '))
        .args([&size, "-framerate", &gop, "-i", "-", "-vf"])
        .arg("scale=1280:720:flags=neighbor,noise=alls=12:allf=t")
        .args(ENCODER.split(' '))
        .args(["-g", &gop, "-keyint_min", &gop])
        .args("-x264-params aud=1 -f h264".split(' '))
        .arg(&film)
        .stdin(Stdio::piped());
    let mut child = ffmpeg.spawn().expect("ffmpeg should be installed: `make setup`");
    let mut pictures = child.stdin.take().expect("it is piped");
    for number in 0..NUMBERED {
        pictures
            .write_all(&blocks_of(number))
            .expect("ffmpeg should take pictures");
    }
    drop(pictures);
    let status = child.wait().expect("ffmpeg should end");
    assert!(status.success(), "{ffmpeg:?}: {status}");
    film
}

fn run(mut command: Command) {
    let status = command
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg should be installed: `make setup`");
    assert!(status.success(), "{command:?}: {status}");
}
