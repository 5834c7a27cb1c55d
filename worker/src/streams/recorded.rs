//! The source that is recorded and not watched: that of a stream whose smaller sub-stream is watched. It has a connection of its own,
//! which is made again by itself as `live`'s is; neither knows how the other one is.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::Failure;
use zoetrope_shared::recordings::{GapCause, VIDEO_TIMESCALE};

use super::backoff::{self, Backoff, HEALTHY_AFTER};
use super::cause::{Cause, SourceDown};
use super::clocks::StreamClock;
use super::connection::Playing;
use super::live::REST;
use super::opening::Source;
use super::rtsp::Item;
use super::status::Status;
use super::watchdog::{self, Watchdog};
use crate::recording::muxer::Picture;
use crate::recording::recorder::Recorder;
use crate::recording::spool::Spool;
use crate::services::Services;

/// A source that is recorded beside one that is watched.
pub struct RecordedApart<'a> {
    /// The worker's own.
    pub services: &'a Services,
    /// Where to connect, and as whom.
    pub source: Source,
    /// Who writes it down.
    pub recorder: Recorder<'a>,
    /// Unix milliseconds of the stream's time 0.
    pub began_ms: u64,
    /// Nothing is older than this, Unix milliseconds.
    pub from_ms: u64,
    /// Counts, and how this source is.
    pub status: &'a Status,
    /// Asks to come to an end; the last picture is written first.
    pub stop: CancellationToken,
}

/// What lives as long as the attempt.
struct Reader {
    backoff: Backoff,
    newest_ms: u64,
    expected_gap: Duration,
    connections: usize,
    has_played: bool,
}

impl RecordedApart<'_> {
    /// Records until it has to stop, or the source has come to its end.
    pub async fn run(&self) -> Result<(), Failure> {
        let spool = Spool::default();
        let read = async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.read(&spool) => {}
            }
            spool.close();
            Ok(())
        };
        tokio::try_join!(read, self.recorder.run(&spool))?;
        Ok(())
    }

    /// Reads one connection after the other.
    async fn read(&self, spool: &Spool) {
        let mut reader = Reader {
            backoff: Backoff::default(),
            newest_ms: self.from_ms,
            expected_gap: Duration::ZERO,
            connections: 0,
            has_played: false,
        };
        loop {
            let connected = self
                .source
                .play(self.services, reader.connections, self.elapsed(&reader))
                .await;
            reader.connections += 1;
            let mut lived = Duration::ZERO;
            // What may not be connected to now is away: the source that is watched goes on.
            let connected = connected.unwrap_or_else(|failure| Err(SourceDown::new(Cause::Network, failure.message)));
            let down = match connected {
                Ok(mut playing) => {
                    let since = Instant::now();
                    self.plays(&playing);
                    if std::mem::replace(&mut reader.has_played, true) {
                        spool.break_off(GapCause::Source);
                    }
                    spool.set_sound(playing.track());
                    let down = self.watch(&mut playing, &mut reader, spool).await;
                    playing.leave().await;
                    let Some(down) = down else { return };
                    lived = since.elapsed();
                    down
                }
                Err(down) => down,
            };
            if lived >= HEALTHY_AFTER {
                reader.expected_gap = Duration::ZERO;
            }
            // The longest pause where the system has no random number to give.
            let random = backoff::random().unwrap_or(1.0);
            let pause = reader.backoff.after(down.cause, lived, random);
            let url = &self.source.checked;
            tracing::warn!(%url, cause = %down.cause, ?pause, "the source that is recorded is down: {}", down.detail);
            self.status.recorded_down(&down);
            self.status.count(|counts| down.cause.count(&mut counts.reconnects));
            tokio::time::sleep(pause).await;
        }
    }

    /// How much of a source that has an end is over: nothing of one that has not played yet.
    fn elapsed(&self, reader: &Reader) -> Duration {
        let began = reader.has_played || self.from_ms > self.began_ms;
        let now_ms = if began { self.services.clock.now_ms() } else { 0 };
        Duration::from_millis(now_ms.saturating_sub(self.began_ms))
    }

    fn plays(&self, playing: &Playing) {
        let url = &self.source.checked;
        tracing::info!(%url, codec = ?playing.codec(), size = ?playing.size(), "the source that is recorded plays");
        self.status.recorded_plays(playing.video());
    }

    /// Reads one connection until it ends: why it is down, `None` if the source has come to its end. Nobody looks at its pictures,
    /// so they are taken together.
    async fn watch(&self, playing: &mut Playing, reader: &mut Reader, spool: &Spool) -> Option<SourceDown> {
        let mut clock = StreamClock::new(reader.newest_ms);
        let mut dog = Watchdog::new(reader.expected_gap.max(playing.usual_gap()), Instant::now());
        let (mut pictures, mut rested) = (0_u64, true);
        let mut hurry = self.services.live_thread.hurry();
        loop {
            let item = tokio::select! {
                biased;
                item = playing.next() => item,
                () = std::future::ready(()), if !rested => {
                    hurry = hurry.rest(REST).await;
                    rested = true;
                    continue;
                }
                () = tokio::time::sleep_until(dog.deadline()) => {
                    if pictures > 0 {
                        reader.expected_gap = watchdog::slower(reader.expected_gap);
                    }
                    return Some(SourceDown::new(Cause::Timeout, "no pictures arrive any more"));
                }
            };
            rested = !playing.waits_for_us();
            match item {
                Err(down) => return Some(down),
                Ok(Item::End) => return None,
                Ok(Item::Gap) => {
                    spool.break_off(GapCause::Source);
                    self.status.count(|counts| counts.drops.network_loss += 1);
                }
                Ok(Item::Track(track)) => spool.set_sound(Some(track)),
                Ok(Item::Sound(frame)) => spool.push_sound(frame),
                Ok(Item::Report { media_s, sender_s }) => clock.report(media_s, sender_s),
                Ok(Item::Picture {
                    data,
                    is_key,
                    media_s,
                    lost,
                }) => {
                    pictures += 1;
                    dog.seen(Instant::now());
                    let wall_ms = clock.place(media_s, self.services.clock.now_ms());
                    reader.newest_ms = clock.newest_ms();
                    let picture = Picture {
                        data,
                        codec: playing.codec(),
                        is_key,
                        ticks: (media_s * f64::from(VIDEO_TIMESCALE)).round() as i64,
                        wall_ms,
                    };
                    self.record(picture, lost, spool);
                }
            }
        }
    }

    fn record(&self, picture: Picture, lost: u16, spool: &Spool) {
        let taken = spool.push(picture);
        if !taken {
            self.services.metrics.recording_picture_lost();
        }
        self.status.count(|counts| {
            counts.drops.network_loss += u64::from(lost);
            counts.drops.recorder_behind += u64::from(!taken);
        });
    }
}
