//! A source tried once: connected to, looked at until its pictures are known, and left.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};
use zoetrope_queue::Failure;
use zoetrope_shared::tasks::stream_test::StreamTestOutput;

use super::cause::{Cause, SourceDown};
use super::connection::Playing;
use super::groups;
use super::opening::Source;
use super::rtsp::Item;
use crate::media_pool::MediaError;
use crate::protocol_streams::{Analyse, Codec, KEY_FRAME, KeyFrameInput, Sampled};
use crate::services::Services;

/// Longest until the source plays.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest look at its pictures: cameras send a key frame at least every few seconds.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// So much of the source's own time tells how many pictures it has a second.
const ENOUGH_S: f64 = 2.0;

/// Tries a source. The answer takes at most `CONNECT_LIMIT` and `LOOK_LIMIT`, and the decoding of one picture.
///
/// # Errors
/// An address that may not be connected to; that no picture can be decoded here.
pub async fn of(services: &Services, source: &Source) -> Result<StreamTestOutput, Failure> {
    let began = Instant::now();
    let played = timeout(CONNECT_LIMIT, source.play(services, 0, Duration::ZERO)).await;
    let played = played.unwrap_or_else(|_| {
        let detail = format!("it did not play within {} s", CONNECT_LIMIT.as_secs());
        Ok(Err(SourceDown::new(Cause::Timeout, detail)))
    })?;
    let mut output = StreamTestOutput {
        ok: false,
        cause: None,
        detail: None,
        codec: None,
        width: None,
        height: None,
        fps: None,
        connect_ms: ms(began),
        key_frame_ms: None,
    };
    let mut playing = match played {
        Ok(playing) => playing,
        Err(down) => return Ok(refused(output, down)),
    };
    output.codec = Some(playing.codec().as_str().to_owned());
    let seen = look(&mut playing).await;
    let codec = playing.codec();
    playing.leave().await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(down) => return Ok(refused(output, down)),
    };
    output.key_frame_ms = Some(seen.key_frame_ms);
    output.fps = seen.fps;
    match size(services, codec, seen.key).await {
        Ok((width, height)) => {
            (output.ok, output.width, output.height) = (true, Some(width), Some(height));
            Ok(output)
        }
        Err(error @ MediaError::Unavailable(_)) => Err(error.into()),
        Err(error) => Ok(refused(output, SourceDown::new(Cause::Codec, error.to_string()))),
    }
}

/// What a look at a source's pictures told.
struct Seen {
    key: Bytes,
    key_frame_ms: u64,
    fps: Option<f64>,
}

async fn look(playing: &mut Playing) -> Result<Seen, SourceDown> {
    let began = Instant::now();
    let (mut key, mut times) = (None, Times::default());
    loop {
        let item = match timeout_at(began + LOOK_LIMIT, playing.next()).await {
            Ok(Ok(item)) => item,
            Ok(Err(down)) => return Err(down),
            Err(_) => break,
        };
        if matches!(item, Item::End) {
            break;
        }
        let Item::Picture {
            data, is_key, media_s, ..
        } = item
        else {
            continue;
        };
        times.add(media_s);
        if is_key && key.is_none() {
            key = Some((data, ms(began)));
        }
        if key.is_some() && times.span_s() >= ENOUGH_S {
            break;
        }
    }
    let (key, key_frame_ms) = key.ok_or_else(|| {
        let none = format!(
            "no picture that decoding can start with came within {} s",
            LOOK_LIMIT.as_secs()
        );
        SourceDown::new(Cause::Timeout, none)
    })?;
    Ok(Seen {
        key,
        key_frame_ms,
        fps: times.fps(),
    })
}

/// Times of pictures, in whatever order they come.
#[derive(Debug, Default)]
struct Times {
    pictures: u32,
    range: Option<(f64, f64)>,
}

impl Times {
    fn add(&mut self, media_s: f64) {
        self.pictures += 1;
        let (first, last) = self.range.unwrap_or((media_s, media_s));
        self.range = Some((first.min(media_s), last.max(media_s)));
    }

    fn span_s(&self) -> f64 {
        self.range.map_or(0.0, |(first, last)| last - first)
    }

    /// Pictures a second, to a tenth; none of less than two pictures.
    fn fps(&self) -> Option<f64> {
        let span_s = self.span_s();
        (span_s > 0.0).then(|| (f64::from(self.pictures - 1) / span_s * 10.0).round() / 10.0)
    }
}

/// Width and height of the picture, decoded.
async fn size(services: &Services, codec: Codec, key: Bytes) -> Result<(u32, u32), MediaError> {
    let input = KeyFrameInput {
        tenant: None,
        codec,
        t_ms: 0,
        gate: None,
        analyse: Analyse::default(),
    };
    let request = groups::request(KEY_FRAME, &input)?;
    let answer = services.live_media.run(&request, key, |_, _| {}).await?;
    let sampled: Sampled = groups::parse(&answer)?;
    let frame = sampled.frames.first().ok_or_else(|| MediaError::Refused {
        code: "media_invalid".to_owned(),
        message: "its key frame does not decode".to_owned(),
        retryable: false,
    })?;
    Ok((frame.width, frame.height))
}

fn refused(output: StreamTestOutput, down: SourceDown) -> StreamTestOutput {
    StreamTestOutput {
        cause: Some(down.cause),
        detail: Some(down.detail),
        ..output
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn pictures_a_second_are_told_of_the_sources_own_time_in_whatever_order_they_come() {
        let mut times = Times::default();
        assert_eq!(times.fps(), None);
        times.add(0.0);
        assert_eq!((times.fps(), times.span_s()), (None, 0.0));
        for media_s in [0.12, 0.04, 0.08, 0.16] {
            times.add(media_s);
        }
        assert_eq!(times.fps(), Some(25.0));
    }
}
