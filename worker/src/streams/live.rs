//! A live stream from the first connection to its end: connects, reads, decodes, describes, and connects again. The
//! stages run side by side in one attempt and are joined by the two links; dropping the attempt ends all of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Clock, Failure};
use zoetrope_shared::recordings::{GapCause, VIDEO_TIMESCALE};
use zoetrope_shared::tasks::stream_ingest::{Scene, StreamEnd};

use super::backoff::{self, Backoff, HEALTHY_AFTER};
use super::cause::{Cause, SourceDown};
use super::clocks::StreamClock;
use super::connection::Playing;
use super::decoding::{Decoding, Health};
use super::frame_link::FrameLink;
use super::latest::Latest;
use super::opening::Source;
use super::packet_link::{PacketLink, Picture};
use super::rtsp::Item;
use super::sampler::{Decision, Mode, Sampler};
use super::scribe::Scribe;
use super::shutter::Shutter;
use super::status::Status;
use super::view::View;
use super::watchdog::{self, Watchdog};
use super::windows::LATENESS_MS;
use crate::recording::muxer;
use crate::recording::recorder::Recorder;
use crate::recording::spool::Spool;
use crate::services::Services;

/// While nothing but key frames is decoded, a connection is read this often: pictures that nobody looks at now are taken
/// together. What waits meanwhile waits in the socket, so not over UDP, whose buffers are short.
pub(super) const REST: Duration = Duration::from_millis(160);
/// The same where a model waits for pictures.
const ASKED_REST: Duration = Duration::from_millis(20);
/// What is still decoded once a stream's time is over; one that came to its own end is decoded to it, however busy the worker is.
const LAST_PICTURES: Duration = Duration::from_secs(3);
const PICTURES_TO_THE_END: Duration = Duration::from_secs(30);
/// A stream without `duration` ends by being canceled; this is only a date.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 10);

/// What a live stream needs.
pub struct Live<'a> {
    /// The worker's own.
    pub services: &'a Services,
    /// Owner of the task.
    pub tenant: &'a str,
    /// Names the stream's decoder.
    pub session: &'a str,
    /// Where to connect, and as whom.
    pub source: Source,
    /// Frames a second.
    pub fps: f64,
    /// Unix milliseconds of the stream's time 0.
    pub began_ms: u64,
    /// How long from then.
    pub duration: Option<Duration>,
    /// The last scene that was written before this attempt.
    pub last: Option<&'a Scene>,
    /// Counts and progress.
    pub status: &'a Status,
    /// Keeps the newest key frame, where somebody may ask for it.
    pub latest: Option<&'a Latest>,
    /// Shows it to whoever watches.
    pub view: &'a View<'a>,
    /// Which frames a model is to see.
    pub shutter: Shutter,
    /// Who records it, if it is recorded.
    pub recorder: Option<Recorder<'a>>,
    /// Asks to come to an end; the recording's last picture is written first.
    pub stop: CancellationToken,
}

/// Why a connection ended.
enum End {
    /// The stream is over.
    Over(StreamEnd),
    /// The source is down.
    Down(SourceDown),
}

/// What lives as long as the attempt.
struct Reader {
    sampler: Sampler,
    newest_ms: u64,
    backoff: Backoff,
    expected_gap: Duration,
    connections: usize,
    /// Whether any connection has played.
    has_played: bool,
}

/// Where pictures go, and who tells whether they decode.
#[derive(Clone, Copy)]
struct Links<'a> {
    packets: &'a PacketLink,
    spool: &'a Spool,
    health: &'a Health,
}

impl Live<'_> {
    /// Watches until the duration is over, the source has come to its end, or it has to stop; for ever without any. The answer is
    /// why it ended, and the time of the last frame, ms.
    pub async fn run(&self, mut scribe: Scribe<'_>) -> Result<(StreamEnd, u64), Failure> {
        let spool = Spool::default();
        let watch = async {
            let watched = tokio::select! {
                biased;
                () = self.stop.cancelled() => Ok(StreamEnd::Duration),
                watched = self.watch_all(&spool, &mut scribe) => watched,
            };
            spool.close();
            Ok(watched)
        };
        let record = async {
            match &self.recorder {
                Some(recorder) => recorder.run(&spool).await,
                None => Ok(()),
            }
        };
        let (watched, ()) = tokio::try_join!(watch, record)?;
        watched.map(|ended| (ended, scribe.newest_ms()))
    }

    async fn watch_all(&self, spool: &Spool, scribe: &mut Scribe<'_>) -> Result<StreamEnd, Failure> {
        let (packets, frames, health) = (PacketLink::default(), FrameLink::default(), Health::default());
        let (over, is_over) = oneshot::channel();
        let read = async {
            let read = self.read(&packets, spool, &health).await;
            packets.close();
            // Whoever decodes may have failed.
            let _ = over.send(read.as_ref().ok().copied());
            read
        };
        let decoding = Decoding {
            pool: &self.services.live_media,
            groups: &self.services.decoders,
            thread: &self.services.live_thread,
            reading: &self.services.reading,
            tenant: self.tenant,
            session: self.session,
            fps: self.fps,
            packets: &packets,
            frames: &frames,
            status: self.status,
            health: &health,
            shutter: self.shutter,
        };
        let decode = async {
            tokio::select! {
                () = decoding.run() => {}
                () = async {
                    let patience = match is_over.await {
                        Ok(Some(StreamEnd::EndOfFile)) => PICTURES_TO_THE_END,
                        Ok(Some(StreamEnd::Duration) | None) | Err(_) => LAST_PICTURES,
                    };
                    tokio::time::sleep(patience).await;
                } => {}
            }
            frames.close();
            Ok(())
        };
        let (ended, (), ()) = tokio::try_join!(read, decode, self.describe(&packets, &frames, scribe))?;
        Ok(ended)
    }

    async fn describe(&self, packets: &PacketLink, frames: &FrameLink, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        loop {
            let overdue_ms = scribe.overdue_at();
            let overdue = async {
                let wait_ms = overdue_ms.map_or(u64::MAX / 2, |at_ms| at_ms.saturating_sub(self.now_ms()));
                tokio::time::sleep(Duration::from_millis(wait_ms).min(FOREVER)).await;
                // A decoder that is behind, or has just been started, may have frames of the window yet.
                packets
                    .passed(overdue_ms.unwrap_or_default().saturating_sub(LATENESS_MS))
                    .await;
            };
            let taken = tokio::select! {
                biased;
                () = scribe.told() => {
                    scribe.write_told().await?;
                    continue;
                }
                taken = frames.take() => taken,
                () = overdue => {
                    scribe.write_until(overdue_ms.unwrap_or_default().saturating_sub(LATENESS_MS)).await?;
                    continue;
                }
            };
            let Some(taken) = taken else { break };
            scribe.take(&taken);
            scribe.write_full().await?;
        }
        scribe.finish().await
    }

    /// Reads one connection after the other.
    async fn read(&self, packets: &PacketLink, spool: &Spool, health: &Health) -> Result<StreamEnd, Failure> {
        let deadline = self.deadline();
        let mut reader = Reader {
            sampler: Sampler::new(self.fps),
            newest_ms: self.began_ms + self.last.map_or(0, |scene| scene.start_ms),
            backoff: Backoff::default(),
            expected_gap: Duration::ZERO,
            connections: 0,
            has_played: false,
        };
        loop {
            let play = self
                .source
                .play(self.services, reader.connections, self.elapsed(&reader));
            let Ok(connected) = tokio::time::timeout_at(deadline, play).await else {
                return Ok(StreamEnd::Duration);
            };
            reader.connections += 1;
            let mut lived = Duration::ZERO;
            let end = match connected? {
                Ok(mut playing) => {
                    let since = Instant::now();
                    self.tell_connected(&playing);
                    health.restart();
                    packets.gap();
                    self.view.gap();
                    if reader.has_played {
                        spool.break_off(GapCause::Source);
                    }
                    reader.has_played = true;
                    spool.set_sound(playing.track());
                    let links = Links { packets, spool, health };
                    let end = self.watch(&mut playing, &mut reader, links, deadline).await;
                    playing.leave().await;
                    lived = since.elapsed();
                    end
                }
                Err(down) => End::Down(down),
            };
            let down = match end {
                End::Down(down) => down,
                End::Over(ended) => return Ok(ended),
            };
            let pause = self.went_down(&mut reader, &down, lived)?;
            if tokio::time::timeout_at(deadline, tokio::time::sleep(pause))
                .await
                .is_err()
            {
                return Ok(StreamEnd::Duration);
            }
        }
    }

    /// How much of a source that has an end is over: nothing of one that has not played yet.
    fn elapsed(&self, reader: &Reader) -> Duration {
        let began = reader.has_played || self.last.is_some();
        Duration::from_millis(if began { self.now_ms() } else { 0 })
    }

    fn tell_connected(&self, playing: &Playing) {
        let url = &self.source.checked;
        tracing::info!(%url, codec = ?playing.codec(), size = ?playing.size(), "the stream plays");
        self.status.plays(playing.video());
    }

    fn went_down(&self, reader: &mut Reader, down: &SourceDown, lived: Duration) -> Result<Duration, Failure> {
        let random = backoff::random().map_err(|error| {
            Failure::retryable("no_random", format!("the system's random generator failed: {error}"))
        })?;
        let pause = reader.backoff.after(down.cause, lived, random);
        let url = &self.source.checked;
        tracing::warn!(%url, cause = %down.cause, ?pause, "the stream is down: {}", down.detail);
        self.status.down(down);
        self.status.count(|counts| down.cause.count(&mut counts.reconnects));
        reader.sampler.restart();
        if lived >= HEALTHY_AFTER {
            reader.expected_gap = Duration::ZERO;
        }
        Ok(pause)
    }

    /// Reads one connection until it ends.
    async fn watch(&self, playing: &mut Playing, reader: &mut Reader, links: Links<'_>, deadline: Instant) -> End {
        let health = links.health;
        let mut clock = StreamClock::new(reader.newest_ms);
        let mut dog = Watchdog::new(reader.expected_gap.max(playing.usual_gap()), Instant::now());
        let (mut pictures, mut rested) = (0_u64, true);
        let mut hurry = self.services.live_thread.hurry();
        let end = loop {
            let look_at = dog.deadline().min(deadline);
            let item = tokio::select! {
                biased;
                down = health.broken() => break End::Down(down),
                item = playing.next() => item,
                () = std::future::ready(()), if !rested => {
                    match self.shutter.wish() {
                        Some(_) => tokio::time::sleep(ASKED_REST).await,
                        None => hurry = hurry.rest(REST).await,
                    }
                    rested = true;
                    continue;
                }
                () = tokio::time::sleep_until(look_at) => {
                    let now = Instant::now();
                    if now >= deadline {
                        break End::Over(StreamEnd::Duration);
                    }
                    if dog.is_stalled(now) {
                        break End::Down(SourceDown::new(Cause::Timeout, "no pictures arrive any more"));
                    }
                    continue;
                }
            };
            if Instant::now() >= deadline {
                break End::Over(StreamEnd::Duration);
            }
            rested = !playing.waits_for_us() || reader.sampler.mode() != Mode::KeyFrames || self.view.is_watched();
            match item {
                Err(down) => break End::Down(down),
                Ok(Item::End) => break End::Over(StreamEnd::EndOfFile),
                Ok(Item::Gap) => self.missed(reader, links),
                Ok(Item::Track(track)) => links.spool.set_sound(Some(track)),
                Ok(Item::Sound(frame)) => links.spool.push_sound(frame),
                Ok(Item::Report { media_s, sender_s }) => clock.report(media_s, sender_s),
                Ok(Item::Picture {
                    data,
                    is_key,
                    media_s,
                    lost,
                }) => {
                    pictures += 1;
                    dog.seen(Instant::now());
                    if is_key {
                        // Cameras change both without a word.
                        self.status.shows(playing.video());
                    }
                    let wall_ms = clock.place(media_s, self.clock().now_ms());
                    reader.newest_ms = clock.newest_ms();
                    let arrived = Arrived {
                        data,
                        is_key,
                        media_s,
                        wall_ms,
                        lost,
                    };
                    self.pass_on(playing, reader, links, arrived);
                }
            }
        };
        if matches!(&end, End::Down(down) if down.cause == Cause::Timeout) && pictures > 0 {
            reader.expected_gap = watchdog::slower(reader.expected_gap);
        }
        end
    }

    /// A piece of the stream is missing.
    fn missed(&self, reader: &mut Reader, links: Links<'_>) {
        links.packets.gap();
        links.spool.break_off(GapCause::Source);
        self.view.gap();
        reader.sampler.restart();
        self.status.count(|counts| counts.drops.network_loss += 1);
    }

    fn pass_on(&self, playing: &Playing, reader: &mut Reader, links: Links<'_>, arrived: Arrived) {
        let unrecorded = u64::from(!self.record(playing, links.spool, &arrived));
        let packets = links.packets;
        let Arrived {
            data,
            is_key,
            wall_ms,
            lost,
            ..
        } = arrived;
        if let Some(latest) = self.latest {
            latest.seen(playing.codec(), &data, is_key, self.clock().now_ms());
        }
        let t_ms = wall_ms.saturating_sub(self.began_ms);
        if lost > 0 {
            packets.gap();
            self.view.gap();
        }
        self.view.seen(playing.codec(), &data, is_key, t_ms);
        let decision = reader.sampler.decide(t_ms, is_key);
        let dropped = match decision {
            Decision::Skip => 0,
            Decision::Key | Decision::Decode => packets.push(Picture {
                data,
                codec: playing.codec(),
                t_ms,
                is_key,
                alone: decision == Decision::Key,
            }),
        };
        self.status.count(|counts| {
            counts.packets += 1;
            counts.drops.network_loss += u64::from(lost);
            counts.drops.decoder_behind += dropped;
            counts.drops.recorder_behind += unrecorded;
        });
    }

    /// Answers whether nothing is lost to the recording.
    fn record(&self, playing: &Playing, spool: &Spool, arrived: &Arrived) -> bool {
        if self.recorder.is_none() {
            return true;
        }
        let taken = spool.push(muxer::Picture {
            data: arrived.data.clone(),
            codec: playing.codec(),
            is_key: arrived.is_key,
            ticks: (arrived.media_s * f64::from(VIDEO_TIMESCALE)).round() as i64,
            wall_ms: arrived.wall_ms,
        });
        if !taken {
            self.services.metrics.recording_picture_lost();
        }
        taken
    }

    /// Milliseconds of the stream now.
    fn now_ms(&self) -> u64 {
        self.clock().now_ms().saturating_sub(self.began_ms)
    }

    fn deadline(&self) -> Instant {
        let passed = Duration::from_millis(self.now_ms());
        Instant::now()
            + self
                .duration
                .map_or(FOREVER, |duration| duration.saturating_sub(passed))
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.services.clock
    }
}

/// A picture as it arrived, placed on the wall clock.
struct Arrived {
    data: Bytes,
    is_key: bool,
    /// Seconds from the start of the connection.
    media_s: f64,
    /// Unix milliseconds.
    wall_ms: u64,
    lost: u16,
}
