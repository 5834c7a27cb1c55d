//! How long it takes until any minute of a recording can be played, while streams are recorded.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;
use zoetrope_e2e::Http;

const ASKED: usize = 50;
const EXPORTED: usize = 10;
/// Of video.
const CLIP: Duration = Duration::from_secs(60);

/// Times from the request to the last byte, sorted.
pub(super) struct Clips {
    playlists: Vec<Duration>,
    exports: Vec<Duration>,
    /// Of one export.
    bytes: usize,
}

/// Asks for minutes of this recording, which has more than one.
pub(super) async fn measure(http: &Http, id: &str) -> Clips {
    let folder = format!("/api/v1/streams/{id}");
    let found = http.get(&format!("{folder}/recordings")).await.body;
    let range = &found["ranges"][0];
    let (from, to) = (range["start"].as_f64(), range["end"].as_f64());
    let (from, to) = from.zip(to).unwrap_or_else(|| panic!("{found} should have a range"));
    let room = to - from - CLIP.as_secs_f64();
    assert!(room > 0.0, "{found} should be longer than a minute");
    let mut clips = Clips {
        playlists: Vec::new(),
        exports: Vec::new(),
        bytes: 0,
    };
    for number in 0..ASKED {
        let start = from + room * number as f64 / ASKED as f64;
        let path = format!(
            "{folder}/playlist.m3u8?start={start}&end={}",
            start + CLIP.as_secs_f64()
        );
        let (took, bytes) = timed(http, &path).await;
        assert!(bytes > 0, "{path} should play");
        clips.playlists.push(took);
    }
    for number in 0..EXPORTED {
        let start = from + room * number as f64 / EXPORTED as f64;
        let path = format!("{folder}/export?start={start}&end={}", start + CLIP.as_secs_f64());
        let (took, bytes) = timed(http, &path).await;
        clips.exports.push(took);
        clips.bytes = bytes;
    }
    clips.playlists.sort_unstable();
    clips.exports.sort_unstable();
    clips
}

async fn timed(http: &Http, path: &str) -> (Duration, usize) {
    let begin = Instant::now();
    let (status, _, bytes) = http.bytes(path, &[]).await;
    let took = begin.elapsed();
    assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
    (took, bytes.len())
}

impl fmt::Display for Clips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |times: &[Duration], share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
        writeln!(
            f,
            "A minute of a recording, while it goes on, to the last byte\n\n\
             | what | requests | p50, ms | p95, ms | slowest, ms |\n\
             |---|---|---|---|---|"
        )?;
        let mp4 = format!("MP4 of {:.1} MB", self.bytes as f64 / 1e6);
        for (what, times) in [("HLS playlist", &self.playlists), (mp4.as_str(), &self.exports)] {
            let [p50, p95, slowest] = [50, 95, 100].map(|share| ms(times, share));
            writeln!(f, "| {what} | {} | {p50:.1} | {p95:.1} | {slowest:.1} |", times.len())?;
        }
        Ok(())
    }
}
