//! From a decoded picture to its report: the gate's verdict and, for what passes, what can be said of it.

use ffmpeg_next::util::frame;
use image::GrayImage;
use zoetrope_worker::protocol_streams::{Analyse, FrameReport, GateState, Sampled, TextLine, Verdict};

use super::budget::Spent;
use super::colors;
use super::decoder::Decoder;
use super::gate;
use super::gate_state::Gate;
use super::scaler::Scaler;
use crate::fault::Fault;
use crate::ocr;

/// Collects the reports of one request.
pub(super) struct Reporter<'a> {
    scaler: &'a mut Scaler,
    ocr: &'a mut ocr::Engine,
    gate: &'a mut Gate,
    analyse: &'a Analyse,
    texts_left: u32,
    spent: Spent,
    sampled: Sampled,
}

impl<'a> Reporter<'a> {
    /// Begins a request.
    pub(super) fn new(
        scaler: &'a mut Scaler,
        ocr: &'a mut ocr::Engine,
        gate: &'a mut Gate,
        analyse: &'a Analyse,
    ) -> Self {
        Self {
            scaler,
            ocr,
            gate,
            analyse,
            texts_left: analyse.texts,
            spent: Spent::begin(),
            sampled: Sampled::default(),
        }
    }

    /// Reports a picture.
    pub(super) fn report(&mut self, picture: &frame::Video, t_ms: u64, damaged: bool) -> Result<(), Fault> {
        let (width, height) = (picture.width(), picture.height());
        let luma = self.scaler.luma(picture, gate::luma_size(width, height))?;
        let seen = self.gate.judge(&luma, t_ms, damaged);
        let mut report = FrameReport {
            t_ms,
            width,
            height,
            motion: seen.motion,
            verdict: seen.verdict,
            hash: seen.hash,
            damaged,
            colors: None,
            text: None,
            lines: Vec::new(),
        };
        if report.verdict == Verdict::Passed {
            self.describe(picture, &mut report)?;
        }
        self.sampled.frames.push(report);
        Ok(())
    }

    fn describe(&mut self, picture: &frame::Video, report: &mut FrameReport) -> Result<(), Fault> {
        if self.analyse.colors {
            report.colors = Some(colors::dominant(self.scaler, picture)?);
        }
        if self.texts_left > 0 {
            self.texts_left -= 1;
            let luma = self.reading_luma(picture)?;
            report.lines = read(self.ocr, &luma, self.analyse, (report.width, report.height))?;
            report.text = Some(report.lines.iter().map(|line| line.text.clone() + "\n").collect());
        }
        Ok(())
    }

    fn reading_luma(&mut self, picture: &frame::Video) -> Result<GrayImage, Fault> {
        let (width, height) = (picture.width(), picture.height());
        let long = width.max(height).max(1);
        let shown = long.min(self.analyse.max_side);
        let scaled = |side: u32| (u64::from(side) * u64::from(shown) / u64::from(long)).max(1) as u32;
        self.scaler.luma(picture, (scaled(width), scaled(height)))
    }

    /// Frames reported so far.
    pub(super) fn frames(&self) -> u32 {
        self.sampled.frames.len() as u32
    }

    /// Processor time so far, microseconds.
    pub(super) fn spent_us(&self) -> u64 {
        self.spent.us()
    }

    /// Counts a packet that nobody can decode before the next key frame.
    pub(super) fn await_key(&mut self) {
        self.sampled.awaiting_key += 1;
    }

    /// Ends the request.
    pub(super) fn finish(mut self, decoder: &mut Decoder) -> Sampled {
        (self.sampled.decoded, self.sampled.decode_errors) = decoder.take_counts();
        self.sampled.cpu_us = self.spent.us();
        self.sampled
    }

    /// As [`Reporter::finish`], with the gate.
    pub(super) fn finish_with_gate(self, decoder: &mut Decoder) -> Sampled {
        let gate: Option<GateState> = self.gate.to_state();
        let mut sampled = self.finish(decoder);
        sampled.gate = gate;
        sampled
    }
}

/// The lines of a luma, in pixels of the picture that it was scaled from.
fn read(
    engine: &mut ocr::Engine,
    luma: &GrayImage,
    analyse: &Analyse,
    (width, height): (u32, u32),
) -> Result<Vec<TextLine>, Fault> {
    let lines = ocr::quick::lines(engine, luma, &analyse.languages)?;
    let across = |pixels: u32| (u64::from(pixels) * u64::from(width) / u64::from(luma.width())) as u32;
    let down = |pixels: u32| (u64::from(pixels) * u64::from(height) / u64::from(luma.height())) as u32;
    Ok(lines
        .into_iter()
        .map(|line| {
            let [x, y, line_width, line_height] = line.bbox;
            TextLine {
                text: line.text,
                bbox: [across(x), down(y), across(line_width).max(1), down(line_height).max(1)],
                confidence: line.confidence,
            }
        })
        .collect())
}
