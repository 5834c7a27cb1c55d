//! The stage between the links of a live stream: runs of pictures to media children, reports of frames back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::Budget;
use super::cause::{Cause, SourceDown};
use super::frame_link::FrameLink;
use super::groups::{self, DecoderGroups, Seat};
use super::packet_link::{PacketLink, Picture, Run};
use super::reading::{Reading, Turn};
use super::scribe::count_sampled;
use super::shutter::{Roll, Shutter};
use super::status::Status;
use super::thread::LiveThread;
use super::watchdog::LEAST_PATIENCE;
use crate::media_pool::{MediaError, MediaPool};
use crate::protocol_streams::{
    Analyse, GateState, KEY_FRAME, KeyFrameInput, PacketInfo, PacketsInput, Sampled, Verdict,
};

/// Crashes after which a stream gets a decoder of its own.
const CRASHES_TOGETHER: u32 = 2;
/// Crashes are forgotten after this long without another.
const FORGET_CRASHES: Duration = Duration::from_mins(1);
/// The gate's state is asked for once in so many runs, for whoever decodes next.
const GATE_EVERY: u64 = 16;
/// Shortest and longest span of a run, milliseconds.
const RUN_SPAN_MS: (f64, f64) = (200.0, 1_000.0);
/// Span of a run where a model waits for its pictures: more requests, each of which costs a fifth of decoding a picture.
const ASKED_SPAN_MS: u64 = 50;
/// Text is read only while less than this waits: it takes longest and matters least, milliseconds.
const READING_BACKLOG_MS: u64 = 1_500;
/// Patience with pictures that decode to nothing, in multiples of the time from one wanted frame to the next.
const GAPS: f64 = 4.0;
/// Key frames that were decoded and gave no frame, after which the source is to blame: they come, and are damaged.
const KEYS_IN_VAIN: usize = 2;
/// Pause while no media child can be had.
const PAUSE: Duration = Duration::from_secs(1);

/// What the stage and the source tell each other.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Frames have come of this connection.
    decoded: AtomicBool,
    broken: Mutex<Option<SourceDown>>,
    broke: Notify,
}

impl Health {
    /// A new connection: what was is over.
    pub(super) fn restart(&self) {
        self.decoded.store(false, Ordering::Relaxed);
        self.broken.lock().expect("nothing that holds this lock panics").take();
    }

    /// Returns when the stage cannot go on with this source.
    pub(super) async fn broken(&self) -> SourceDown {
        loop {
            let broke = self.broke.notified();
            if let Some(down) = self.broken.lock().expect("nothing that holds this lock panics").take() {
                return down;
            }
            broke.await;
        }
    }

    fn break_off(&self, down: SourceDown) {
        *self.broken.lock().expect("nothing that holds this lock panics") = Some(down);
        self.broke.notify_one();
    }

    /// Pictures decode to nothing. What did decode is damaged now, and another connection may help at once.
    fn decodes_no_more(&self) {
        self.break_off(if self.decoded.load(Ordering::Relaxed) {
            SourceDown::new(Cause::Network, "pictures arrive damaged and none decodes any more")
        } else {
            SourceDown::new(Cause::Codec, "pictures arrive and none decodes")
        });
    }
}

/// How long pictures have decoded to nothing, in time of the stream: a machine or a child that is held up is not the source's
/// fault.
#[derive(Debug, Default)]
struct Vain {
    /// Time of the first of them, milliseconds.
    since_ms: Option<u64>,
    /// Key frames among them.
    keys: usize,
}

impl Vain {
    /// A run came back that gave no frame. Answers for how long none did, milliseconds.
    fn add(&mut self, run: &Tried, all_await_a_key: bool) -> u64 {
        self.keys += run.keys;
        if all_await_a_key && self.keys < KEYS_IN_VAIN {
            // Nothing was tried: key frames are rare, or the last one was lost.
            self.since_ms = None;
            return 0;
        }
        let since_ms = *self.since_ms.get_or_insert(run.first_ms);
        run.last_ms.saturating_sub(since_ms)
    }
}

/// What there was to decode in a run.
struct Tried {
    pictures: u64,
    keys: usize,
    first_ms: u64,
    last_ms: u64,
}

impl Tried {
    fn of(run: &Run) -> Self {
        let times = || run.pictures.iter().map(|picture| picture.t_ms);
        Self {
            pictures: run.pictures.len() as u64,
            keys: run.pictures.iter().filter(|picture| picture.is_key).count(),
            first_ms: times().min().unwrap_or_default(),
            last_ms: times().max().unwrap_or_default(),
        }
    }
}

/// The stage of one stream.
pub(super) struct Decoding<'a> {
    pub(super) pool: &'a MediaPool,
    pub(super) groups: &'a DecoderGroups,
    pub(super) thread: &'a LiveThread,
    pub(super) reading: &'a Reading,
    pub(super) tenant: &'a str,
    pub(super) session: &'a str,
    pub(super) fps: f64,
    pub(super) packets: &'a PacketLink,
    pub(super) frames: &'a FrameLink,
    pub(super) status: &'a Status,
    pub(super) health: &'a Health,
    /// Which frames a model is to see.
    pub(super) shutter: Shutter,
}

/// What it remembers.
struct Memory {
    seat: Option<Seat>,
    gate: Option<GateState>,
    budget: Budget,
    shutter: Shutter,
    /// The newest picture that passed the gate was not read: the next key frame is, whatever the gate says of it.
    unread: bool,
    vain: Vain,
    runs: u64,
    crashes: u32,
    last_crash: Instant,
}

impl Decoding<'_> {
    /// Decodes until link 1 is closed and empty.
    pub(super) async fn run(&self) {
        let now = Instant::now();
        let mut memory = Memory {
            seat: None,
            gate: None,
            budget: Budget::new(now),
            shutter: self.shutter,
            unread: false,
            vain: Vain::default(),
            runs: 0,
            crashes: 0,
            last_crash: now,
        };
        let span_ms = match self.shutter.wish() {
            Some(_) => ASKED_SPAN_MS,
            None => (1_000.0 / self.fps).clamp(RUN_SPAN_MS.0, RUN_SPAN_MS.1) as u64,
        };
        while let Some(run) = self.packets.next_run(span_ms).await {
            let tried = Tried::of(&run);
            if run.after_gap {
                memory.vain = Vain::default();
            }
            // Until the answer is read, its child has nothing to do, and somebody waits for one.
            let hurry = self.pool.is_busy().then(|| self.thread.hurry());
            let decoded = self.decode(&mut memory, run).await;
            drop(hurry);
            match decoded {
                Ok(sampled) => self.pass_on(&mut memory, sampled, &tried),
                Err(error) => self.recover(&mut memory, &error, tried.pictures).await,
            }
        }
    }

    async fn decode(&self, memory: &mut Memory, run: Run) -> Result<Sampled, MediaError> {
        memory.runs += 1;
        let Some(first) = run.pictures.first() else {
            return Ok(Sampled::default());
        };
        let mut sampled = if first.alone {
            // A decoder that is not needed any more is given up.
            memory.seat = None;
            let analyse = wanted_of(memory);
            let mut roll = Roll::default();
            let gate = memory.gate.clone();
            let mut sampled = self.decode_alone(first, gate, analyse, &mut roll).await?;
            memory.shutter.develop(roll, &mut sampled.frames);
            sampled
        } else {
            self.decode_run(memory, &run).await?
        };
        memory.unread |= sampled.frames.iter().any(|frame| frame.verdict == Verdict::Passed);
        if memory.unread {
            self.read_text(memory, &run, &mut sampled).await?;
        }
        Ok(sampled)
    }

    async fn decode_run(&self, memory: &mut Memory, run: &Run) -> Result<Sampled, MediaError> {
        let seat = memory.seat.take();
        let gate = if seat.is_some() { None } else { memory.gate.clone() };
        let join = || {
            if memory.crashes >= CRASHES_TOGETHER {
                self.groups.join_alone(self.tenant, self.session)
            } else {
                self.groups.join(self.tenant, self.session)
            }
        };
        let seat = seat.unwrap_or_else(join);
        let (packets, body) = pack(&run.pictures);
        let input = PacketsInput {
            session: seat.session().to_owned(),
            codec: run.pictures[0].codec,
            reset: run.after_gap,
            packets,
            fps: self.fps,
            gate,
            want_gate: memory.runs.is_multiple_of(GATE_EVERY),
            analyse: wanted_of(memory),
        };
        let mut roll = Roll::default();
        let sampled = seat.decode(&input, body, &mut roll).await;
        memory.seat = Some(seat);
        let mut sampled = sampled?;
        memory.shutter.develop(roll, &mut sampled.frames);
        Ok(sampled)
    }

    /// Reads the run's key frame if it is this stream's turn, in a child that no other stream waits for: decoding it once more
    /// is nothing beside reading it.
    async fn read_text(&self, memory: &mut Memory, run: &Run, sampled: &mut Sampled) -> Result<(), MediaError> {
        let Some(key) = run.pictures.iter().rfind(|picture| picture.is_key) else {
            return Ok(());
        };
        let Some(frame) = sampled
            .frames
            .iter_mut()
            .min_by_key(|frame| frame.t_ms.abs_diff(key.t_ms))
        else {
            return Ok(());
        };
        let Some(turn) = self.turn_to_read(memory) else {
            return Ok(());
        };
        let analyse = Analyse {
            texts: 1,
            ..Analyse::default()
        };
        // Without a gate every picture passes.
        let mut read = self.decode_alone(key, None, analyse, &mut Roll::default()).await?;
        turn.end(read.cpu_us);
        if let Some(read) = read.frames.pop() {
            (frame.text, frame.lines) = (read.text, read.lines);
        }
        sampled.cpu_us += read.cpu_us;
        memory.unread = false;
        Ok(())
    }

    fn turn_to_read(&self, memory: &mut Memory) -> Option<Turn> {
        let now = Instant::now();
        let in_time = self.packets.backlog_ms() < READING_BACKLOG_MS;
        if in_time && memory.budget.allows(now) {
            self.reading.turn(now)
        } else {
            None
        }
    }

    async fn decode_alone(
        &self,
        picture: &Picture,
        gate: Option<GateState>,
        analyse: Analyse,
        roll: &mut Roll,
    ) -> Result<Sampled, MediaError> {
        let input = KeyFrameInput {
            tenant: Some(self.tenant.to_owned()),
            codec: picture.codec,
            t_ms: picture.t_ms,
            gate,
            analyse,
        };
        let request = groups::request(KEY_FRAME, &input)?;
        let answer = self.pool.run_heard(&request, picture.data.clone(), roll).await?;
        groups::parse(&answer)
    }

    fn pass_on(&self, memory: &mut Memory, mut sampled: Sampled, tried: &Tried) {
        memory.budget.charge(sampled.cpu_us);
        if let Some(gate) = sampled.gate.take() {
            memory.gate = Some(gate);
        }
        if memory.crashes > 0 && memory.last_crash.elapsed() >= FORGET_CRASHES {
            memory.crashes = 0;
        }
        count_sampled(self.status, &sampled);
        if sampled.frames.is_empty() {
            let all_await_a_key = u64::from(sampled.awaiting_key) >= tried.pictures;
            if memory.vain.add(tried, all_await_a_key) >= self.patience_ms() {
                memory.vain = Vain::default();
                self.health.decodes_no_more();
            }
        } else {
            memory.vain = Vain::default();
            self.health.decoded.store(true, Ordering::Relaxed);
        }
        let dropped = self.frames.push(sampled.frames) as u64;
        if dropped > 0 {
            self.status.count(|counts| counts.drops.describer_behind += dropped);
        }
    }

    async fn recover(&self, memory: &mut Memory, error: &MediaError, pictures: u64) {
        match error {
            MediaError::Crashed(how) => {
                self.status.count(|counts| {
                    counts.decoder_crashes += 1;
                    counts.drops.decode_errors += pictures;
                });
                memory.crashes += 1;
                memory.last_crash = Instant::now();
                tracing::warn!(crashes = memory.crashes, "decode a stream: the media child {how}");
                if memory.crashes >= CRASHES_TOGETHER {
                    memory.seat = None;
                }
                if memory.crashes > CRASHES_TOGETHER {
                    self.health
                        .break_off(SourceDown::new(Cause::Codec, "its pictures kill the decoder"));
                }
            }
            MediaError::Refused {
                code,
                message,
                retryable,
            } => {
                self.status.count(|counts| counts.drops.decode_errors += pictures);
                tracing::debug!(code, "decode a stream: {message}");
                if !retryable {
                    self.health.break_off(SourceDown::new(Cause::Codec, message.clone()));
                }
            }
            MediaError::Unavailable(why) => {
                self.status.count(|counts| counts.drops.decoder_behind += pictures);
                tracing::warn!("decode a stream: {why}");
                memory.seat = None;
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.packets.gap();
        memory.vain = Vain::default();
    }

    /// How long pictures may decode to nothing, milliseconds of the stream.
    fn patience_ms(&self) -> u64 {
        LEAST_PATIENCE.as_millis().max((GAPS * 1_000.0 / self.fps) as u128) as u64
    }
}

/// What is wanted of frames as they come.
fn wanted_of(memory: &Memory) -> Analyse {
    Analyse {
        colors: true,
        pictures: memory.shutter.wish(),
        ..Analyse::default()
    }
}

/// Pictures as one body, and where each lies in it.
pub(super) fn pack(pictures: &[Picture]) -> (Vec<PacketInfo>, Bytes) {
    let mut body = Vec::with_capacity(pictures.iter().map(|picture| picture.data.len()).sum());
    let mut packets = Vec::with_capacity(pictures.len());
    for picture in pictures {
        body.extend_from_slice(&picture.data);
        packets.push(PacketInfo {
            bytes: u32::try_from(picture.data.len()).unwrap_or(u32::MAX),
            t_ms: picture.t_ms,
            key: picture.is_key,
        });
    }
    (packets, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first_ms: u64, keys: usize) -> Tried {
        Tried {
            pictures: 10,
            keys,
            first_ms,
            last_ms: first_ms + 900,
        }
    }

    #[test]
    fn waiting_for_a_key_frame_is_patient_until_key_frames_come_in_vain() {
        let mut vain = Vain::default();
        let told: Vec<u64> = (0..20).map(|second| vain.add(&run(second * 1_000, 0), true)).collect();
        assert_eq!(told, [0; 20], "none has come yet");
        assert_eq!(vain.add(&run(20_000, 1), false), 900, "the first does not decode");
        assert_eq!(vain.add(&run(21_000, 0), true), 0, "the next may");
        assert_eq!(vain.add(&run(22_000, 1), false), 900);
        assert_eq!(vain.add(&run(23_000, 0), true), 1_900, "it did not");
    }
}
