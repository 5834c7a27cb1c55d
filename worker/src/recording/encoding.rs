//! The stage between the spool and the muxer of a stream with G.711, which no browser plays in MP4: a media child makes AAC
//! of it. Pictures wait for the sound of their time, about a second and a half; without such sound everything passes at once.
//!
//! A child that fails costs the sound of its batch, and one that goes on failing that of the connection; never a picture.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::timeout;
use zoetrope_shared::recordings::VIDEO_TIMESCALE;

use super::sound::{SoundCoding, SoundFrame};
use super::spool::Spooled;
use super::voice::{Batch, Voice};
use crate::media_pool::{MediaError, MediaPool};
use crate::metrics::Metrics;
use crate::protocol_sources::{AAC_FRAME, SOUND, sound_frames};
use crate::streams::groups;

/// Pictures that have waited for so long wait for sound that does not come, ticks.
const PATIENCE: i64 = 3 * VIDEO_TIMESCALE as i64;
/// Bytes of pictures that may wait.
const MAX_BYTES: usize = 16 * 1_024 * 1_024;
/// Longest wait for a child: the spool has room for some seconds.
const LIMIT: Duration = Duration::from_secs(5);
/// Failures in a row after which a connection is recorded without its sound.
const MOST_FAILURES: u32 = 3;

/// Makes AAC of one recording's sound.
#[derive(Debug)]
pub struct Encoding<'a> {
    pool: &'a MediaPool,
    metrics: &'a Metrics,
    voice: Option<Voice>,
    failures: u32,
    /// Pictures.
    waiting: VecDeque<Spooled>,
    bytes: usize,
}

impl<'a> Encoding<'a> {
    /// With children of this pool.
    pub fn new(pool: &'a MediaPool, metrics: &'a Metrics) -> Self {
        Self {
            pool,
            metrics,
            voice: None,
            failures: 0,
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes what comes out of the spool; what can be written now goes to the end of `ready`, in order.
    pub async fn take(&mut self, spooled: Spooled, ready: &mut VecDeque<Spooled>) {
        match spooled {
            Spooled::Track(track) => {
                self.finish(ready).await;
                let coding = track.as_ref().map(|track| (track.coding, track.rate));
                self.voice = coding.and_then(|(coding, rate)| match coding {
                    SoundCoding::Aac => None,
                    SoundCoding::G711(law) => Some(Voice::new(law, rate)),
                });
                self.failures = 0;
                ready.push_back(Spooled::Track(track));
            }
            Spooled::Break(cause) => {
                self.finish(ready).await;
                ready.push_back(Spooled::Break(cause));
            }
            Spooled::Sound(frame) => self.take_sound(frame, ready).await,
            Spooled::Picture(picture) if self.voice.is_some() => {
                self.bytes += picture.data.len();
                let latest = picture.ticks - PATIENCE;
                self.waiting.push_back(Spooled::Picture(picture));
                self.release(latest, ready);
                if self.bytes > MAX_BYTES {
                    self.release(i64::MAX, ready);
                }
            }
            picture @ Spooled::Picture(_) => ready.push_back(picture),
        }
    }

    /// Nothing continues what came so far: all of it can be written.
    pub async fn finish(&mut self, ready: &mut VecDeque<Spooled>) {
        let rest = self.voice.as_mut().and_then(Voice::rest);
        if let Some(batch) = rest {
            self.encode(batch, ready).await;
        }
        self.release(i64::MAX, ready);
    }

    async fn take_sound(&mut self, frame: SoundFrame, ready: &mut VecDeque<Spooled>) {
        let Some(voice) = &mut self.voice else {
            // Of AAC, or of a connection whose sound is not encoded any more: the muxer wants none of that.
            if self.failures == 0 {
                ready.push_back(Spooled::Sound(frame));
            }
            return;
        };
        if !voice.push(&frame) {
            let rest = voice.rest();
            voice.push(&frame);
            if let Some(batch) = rest {
                self.encode(batch, ready).await;
            }
        }
        let Some(batch) = self.voice.as_mut().and_then(Voice::batch) else {
            return;
        };
        self.encode(batch, ready).await;
        let until = self
            .voice
            .as_ref()
            .and_then(|voice| voice.encoded_until(VIDEO_TIMESCALE));
        // Without a voice nobody waits any more.
        self.release(until.unwrap_or(i64::MAX), ready);
    }

    /// Pictures that are shown before this time, up to the first that is not.
    fn release(&mut self, until: i64, ready: &mut VecDeque<Spooled>) {
        while let Some(Spooled::Picture(picture)) = self.waiting.front() {
            if picture.ticks >= until {
                break;
            }
            self.bytes -= picture.data.len();
            ready.extend(self.waiting.pop_front());
        }
    }

    async fn encode(&mut self, batch: Batch, ready: &mut VecDeque<Spooled>) {
        match self.ask(&batch).await {
            Ok(frames) => {
                self.failures = 0;
                ready.extend(frames.into_iter().map(Spooled::Sound));
            }
            Err(error) => {
                self.failures += 1;
                self.metrics.recording_sound_lost();
                tracing::warn!(failures = self.failures, "encode a recording's sound: {error}");
                if self.failures >= MOST_FAILURES {
                    tracing::error!("a recording goes on without its sound: it could not be encoded");
                    self.voice = None;
                }
            }
        }
    }

    async fn ask(&self, batch: &Batch) -> Result<Vec<SoundFrame>, MediaError> {
        let request = groups::request(SOUND, &batch.input)?;
        let asked = self.pool.run(&request, batch.body.clone(), |_, _| {});
        let late = |_| MediaError::Unavailable(format!("none encoded it within {} s", LIMIT.as_secs()));
        let answer = timeout(LIMIT, asked).await.map_err(late)??;
        let frames = sound_frames(&answer)
            .filter(|frames| frames.len() == batch.input.frames as usize)
            .ok_or_else(|| MediaError::Crashed("answered other sound than it was asked for".to_owned()))?;
        let each = frames.into_iter().zip(0..).map(|(frame, number)| SoundFrame {
            data: frame.to_vec(),
            ticks: batch.ticks + number * i64::from(AAC_FRAME),
            duration: AAC_FRAME,
        });
        Ok(each.collect())
    }
}
