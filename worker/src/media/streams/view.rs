//! `stream.view`: frames for whoever watches, of a decoder of their own. Every packet of a stream is decoded that a shown
//! frame needs; frames are made small, what is known is drawn in them, and they go up as JPEGs one by one.

use ffmpeg_next::util::frame;
use image::RgbImage;
use jpeg_encoder::{ColorType, Encoder};
use zoetrope_worker::protocol_images::{DrawnBox, MAX_DRAWN};
use zoetrope_worker::protocol_streams::{Codec, PacketInfo};
use zoetrope_worker::protocol_view::{
    CLEAN, MAX_MOVING, MAX_VIEW_BYTES, VIEW_SIDE, ViewInput, Viewed, ViewedFrame, scaled,
};
use zoetrope_worker::streams::bitstream::Disposables;

use super::decoder::Decoder;
use super::gate::{self, BLOCK};
use super::gate_state::Gate;
use super::packets::{KEY_PATIENCE_MS, split, time_of};
use super::regions;
use super::scaler::{Scaler, fitted};
use super::view_pace::Pace;
use crate::annotate;
use crate::fault::Fault;
use crate::serve::Progress;

/// Quality of the JPEGs, percent.
const QUALITY: u8 = 80;
/// A frame that is too large is tried again this much smaller, and no smaller than this, pixels.
const SMALLER: (u32, u32) = (3, 4);
const LEAST_SIDE: u32 = 160;
/// After frames of less than this share of the most, larger ones are tried.
const ROOM: usize = 4;
/// Colour of what moves, among the colours of boxes.
const MOTION_COLOR: usize = 5;

/// What one watched stream keeps in the child.
pub(super) struct ViewSession {
    codec: Codec,
    decoder: Decoder,
    gate: Gate,
    disposables: Disposables,
    pace: Pace,
    /// Long side of the next frame.
    side: u32,
    track: Track,
}

/// Whether the decoder knows what the next packet builds on.
#[derive(Debug, Clone, Copy)]
enum Track {
    Kept,
    /// It waits for a key frame.
    Lost,
    /// The same, since this time of the stream.
    LostSince(u64),
}

/// What a request needs beside its session.
pub(super) struct Means<'a> {
    pub(super) scaler: &'a mut Scaler,
    pub(super) progress: &'a Progress<'a>,
    pub(super) input: &'a ViewInput,
}

impl ViewSession {
    /// A session that waits for its first key frame.
    pub(super) fn new(codec: Codec) -> Result<Self, Fault> {
        Ok(Self {
            codec,
            decoder: Decoder::of_stream(codec)?,
            gate: Gate::default(),
            disposables: Disposables::default(),
            pace: Pace::default(),
            side: VIEW_SIDE,
            track: Track::Lost,
        })
    }

    /// Shows a run of packets.
    pub(super) fn run(&mut self, mut means: Means<'_>, body: &[u8]) -> Result<Viewed, Fault> {
        let input = means.input;
        let packets = split(&input.packets, body)?;
        if self.codec != input.codec {
            *self = Self::new(input.codec)?;
        }
        if input.reset {
            self.lose_track();
        }
        let mut viewed = Viewed::default();
        let newest = packets.len().saturating_sub(1);
        for (at, (packet, bytes)) in packets.into_iter().enumerate() {
            let clean = input.clean && at == newest;
            self.packet(&mut means, &mut viewed, (packet, bytes), clean)?;
        }
        if input.alone {
            self.decoder.send_end();
            self.receive(&mut means, &mut viewed, 0, input.clean)?;
            self.lose_track();
        }
        (_, viewed.decode_errors) = self.decoder.take_counts();
        Ok(viewed)
    }

    fn packet(
        &mut self,
        means: &mut Means<'_>,
        viewed: &mut Viewed,
        (packet, bytes): (PacketInfo, &[u8]),
        clean: bool,
    ) -> Result<(), Fault> {
        if !self.is_on_track(packet) {
            viewed.awaiting_key += 1;
            return Ok(());
        }
        let wanted = self.pace.wants(packet.t_ms, means.input.fps);
        if !wanted && self.disposables.is_disposable(self.codec, bytes) {
            return Ok(());
        }
        let errors = self.decoder.errors();
        self.decoder.send(bytes, packet.t_ms, packet.key);
        self.receive(means, viewed, packet.t_ms, clean)?;
        // What follows a damaged picture builds on the damage.
        if self.decoder.errors() > errors {
            self.lose_track();
        }
        Ok(())
    }

    fn receive(
        &mut self,
        means: &mut Means<'_>,
        viewed: &mut Viewed,
        packet_t_ms: u64,
        clean: bool,
    ) -> Result<(), Fault> {
        while let Some((picture, damaged)) = self.decoder.receive() {
            let t_ms = time_of(picture, packet_t_ms);
            if !damaged && self.pace.take(t_ms, means.input.fps) {
                let mut easel = Easel {
                    scaler: means.scaler,
                    gate: &mut self.gate,
                    side: &mut self.side,
                };
                let frame = easel.paint(picture, t_ms, means.input, clean, means.progress)?;
                viewed.frames.push(frame);
            }
        }
        Ok(())
    }

    fn lose_track(&mut self) {
        self.decoder.flush();
        self.pace = Pace::default();
        self.track = Track::Lost;
    }

    /// Some encoders refresh the picture piece by piece and never send a key frame: after a while it is decoded anyway.
    fn is_on_track(&mut self, packet: PacketInfo) -> bool {
        let since = match self.track {
            Track::Kept => return true,
            Track::Lost => packet.t_ms,
            Track::LostSince(since) => since,
        };
        let starts = packet.key || packet.t_ms.saturating_sub(since) >= KEY_PATIENCE_MS;
        self.track = if starts { Track::Kept } else { Track::LostSince(since) };
        starts
    }
}

/// From a decoded picture to a frame.
struct Easel<'a> {
    scaler: &'a mut Scaler,
    gate: &'a mut Gate,
    side: &'a mut u32,
}

impl Easel<'_> {
    fn paint(
        &mut self,
        picture: &frame::Video,
        t_ms: u64,
        input: &ViewInput,
        clean: bool,
        progress: &Progress<'_>,
    ) -> Result<ViewedFrame, Fault> {
        let blocks = self.moving(picture, t_ms)?;
        loop {
            let size = fitted((picture.width(), picture.height()), *self.side);
            let mut image = self.scaler.viewed(picture, size)?;
            let unpainted = if clean { Some(jpeg(&image)?) } else { None };
            let moving = in_pixels(&blocks, luma_of(picture), size);
            for place in &moving {
                annotate::draw(&mut image, &motion(*place));
            }
            if let Some(found) = &input.found {
                for drawn in found.boxes.iter().take(MAX_DRAWN) {
                    let bbox = scaled(drawn.bbox, found.size, size);
                    annotate::draw(&mut image, &DrawnBox { bbox, ..drawn.clone() });
                }
            }
            let jpeg = jpeg(&image)?;
            if jpeg.len() > MAX_VIEW_BYTES && *self.side > LEAST_SIDE {
                *self.side = (*self.side * SMALLER.0 / SMALLER.1).max(LEAST_SIDE);
                continue;
            }
            if jpeg.len() < MAX_VIEW_BYTES / ROOM {
                *self.side = (*self.side * SMALLER.1 / SMALLER.0).min(VIEW_SIDE);
            }
            progress.picture(&t_ms.to_string(), &jpeg);
            if let Some(unpainted) = unpainted {
                progress.picture(CLEAN, &unpainted);
            }
            return Ok(ViewedFrame {
                t_ms,
                size,
                moving,
                jpeg: Vec::new().into(),
            });
        }
    }

    /// Places that move, in blocks of the luma.
    fn moving(&mut self, picture: &frame::Video, t_ms: u64) -> Result<Vec<[u32; 4]>, Fault> {
        let luma_size = luma_of(picture);
        let luma = self.scaler.small_luma(picture, luma_size)?;
        let seen = self.gate.judge(&luma, t_ms, false);
        let mut places = regions::places(&seen.moving, (luma_size.0 / BLOCK) as usize);
        places.truncate(MAX_MOVING);
        Ok(places)
    }
}

fn luma_of(picture: &frame::Video) -> (u32, u32) {
    gate::luma_size(picture.width(), picture.height())
}

fn in_pixels(blocks: &[[u32; 4]], luma: (u32, u32), size: (u32, u32)) -> Vec<[u32; 4]> {
    let grid = (luma.0 / BLOCK, luma.1 / BLOCK);
    blocks.iter().map(|place| scaled(*place, grid, size)).collect()
}

fn motion(bbox: [u32; 4]) -> DrawnBox {
    DrawnBox {
        bbox,
        caption: String::new(),
        color: MOTION_COLOR,
    }
}

fn jpeg(image: &RgbImage) -> Result<Vec<u8>, Fault> {
    let failed = |error: String| Fault::engine_failed(format!("no JPEG can be made of a frame: {error}"));
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| failed(error.to_string()));
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, QUALITY);
    let encoded = encoder.encode(
        image.as_raw(),
        side(image.width())?,
        side(image.height())?,
        ColorType::Rgb,
    );
    encoded.map_err(|error| failed(error.to_string()))?;
    Ok(jpeg)
}
