//! `stream.packets`: one decoder a stream, fed with every packet that a wanted picture needs.

use zoetrope_worker::protocol_streams::{Codec, MAX_PACKET_BYTES, MAX_PACKETS, MAX_PACKETS_BYTES, PacketInfo};
use zoetrope_worker::protocol_streams::{PacketsInput, Sampled};
use zoetrope_worker::streams::bitstream::Disposables;

use super::decoder::Decoder;
use super::gate_state::Gate;
use super::reporter::{Reporter, Tools};
use super::sampler::{Claims, Sampler};
use crate::fault::Fault;

/// Stream time after which a stream without key frames is decoded anyway, milliseconds: some encoders refresh the
/// picture piece by piece and never send one.
pub(super) const KEY_PATIENCE_MS: u64 = 10_000;

/// What one stream keeps in the child.
pub(super) struct PacketSession {
    codec: Codec,
    decoder: Decoder,
    gate: Gate,
    disposables: Disposables,
    sampler: Sampler,
    claims: Claims,
    /// Since when it waits for a key frame; `None` while it decodes.
    awaiting_key_since: Option<Awaiting>,
}

#[derive(Debug, Clone, Copy)]
enum Awaiting {
    /// No packet came yet.
    First,
    /// Stream time of the first packet that was dropped.
    Since(u64),
}

impl PacketSession {
    /// A session that waits for its first key frame.
    pub(super) fn new(codec: Codec) -> Result<Self, Fault> {
        Ok(Self {
            codec,
            decoder: Decoder::of_stream(codec)?,
            gate: Gate::default(),
            disposables: Disposables::default(),
            sampler: Sampler::from(0),
            claims: Claims::default(),
            awaiting_key_since: Some(Awaiting::First),
        })
    }

    /// Decodes a run of packets and reports the pictures that are wanted.
    pub(super) fn run(&mut self, tools: Tools<'_>, input: &PacketsInput, body: &[u8]) -> Result<Sampled, Fault> {
        let packets = split(&input.packets, body)?;
        if self.codec != input.codec {
            *self = Self {
                gate: std::mem::take(&mut self.gate),
                ..Self::new(input.codec)?
            };
        }
        if input.reset {
            self.lose_track();
        }
        if input.gate.is_some() {
            self.gate = Gate::from_state(input.gate.as_ref());
        }
        let mut gate = std::mem::take(&mut self.gate);
        let mut reporter = Reporter::new(tools, &mut gate, &input.analyse);
        let outcome = packets
            .into_iter()
            .try_for_each(|(packet, bytes)| self.packet(&mut reporter, packet, bytes, input.fps));
        let sampled = if input.want_gate {
            reporter.finish_with_gate(&mut self.decoder)
        } else {
            reporter.finish(&mut self.decoder)
        };
        self.gate = gate;
        outcome.map(|()| sampled)
    }

    fn packet(&mut self, reporter: &mut Reporter<'_>, packet: PacketInfo, bytes: &[u8], fps: f64) -> Result<(), Fault> {
        if self.still_awaits_key(packet, fps) {
            reporter.await_key();
            return Ok(());
        }
        let disposable = self.disposables.is_disposable(self.codec, bytes);
        let wanted = self.sampler.wants(packet.t_ms) && self.claims.claim(packet.t_ms, fps);
        if disposable && !wanted {
            return Ok(());
        }
        let errors = self.decoder.errors();
        self.decoder.send(bytes, packet.t_ms, packet.key);
        while let Some((picture, damaged)) = self.decoder.receive() {
            let t_ms = time_of(picture, packet.t_ms);
            if self.sampler.wants(t_ms) {
                self.sampler.take(t_ms, fps);
                reporter.report(picture, t_ms, damaged)?;
            }
        }
        // What follows a damaged picture builds on the damage.
        if self.decoder.errors() > errors {
            self.lose_track();
        }
        Ok(())
    }

    fn lose_track(&mut self) {
        self.decoder.flush();
        self.claims = Claims::default();
        self.awaiting_key_since.get_or_insert(Awaiting::First);
    }

    fn still_awaits_key(&mut self, packet: PacketInfo, fps: f64) -> bool {
        let Some(awaiting) = self.awaiting_key_since else {
            return false;
        };
        let since = match awaiting {
            Awaiting::First => packet.t_ms,
            Awaiting::Since(since) => since,
        };
        if packet.key || packet.t_ms.saturating_sub(since) >= KEY_PATIENCE_MS {
            self.awaiting_key_since = None;
            // More than an interval until a picture is due: the stream began anew at an earlier time.
            let begun_anew = !self
                .sampler
                .wants(packet.t_ms.saturating_add((1000.0 / fps).ceil() as u64));
            if begun_anew {
                self.sampler = Sampler::from(packet.t_ms);
            }
            return false;
        }
        self.awaiting_key_since = Some(Awaiting::Since(since));
        true
    }
}

/// The picture's own time, or its packet's where the decoder lost it.
pub(super) fn time_of(picture: &ffmpeg_next::util::frame::Video, packet_t_ms: u64) -> u64 {
    let own = picture.timestamp().and_then(|t_ms| u64::try_from(t_ms).ok());
    own.unwrap_or(packet_t_ms)
}

pub(super) fn split<'a>(packets: &'a [PacketInfo], body: &'a [u8]) -> Result<Vec<(PacketInfo, &'a [u8])>, Fault> {
    if packets.len() > MAX_PACKETS || body.len() > MAX_PACKETS_BYTES {
        return Err(Fault::input_invalid(format!(
            "a request has at most {MAX_PACKETS} packets of together {MAX_PACKETS_BYTES} bytes"
        )));
    }
    let mut rest = body;
    let mut parts = Vec::with_capacity(packets.len());
    for packet in packets {
        let size = packet.bytes as usize;
        let (bytes, after) = rest
            .split_at_checked(size)
            .filter(|_| (1..=MAX_PACKET_BYTES).contains(&size))
            .ok_or_else(|| Fault::input_invalid("the packets' sizes do not fit the body"))?;
        parts.push((*packet, bytes));
        rest = after;
    }
    if rest.is_empty() {
        Ok(parts)
    } else {
        Err(Fault::input_invalid("the packets' sizes do not fit the body"))
    }
}
