//! From a decoded picture to its report: the gate's verdict and, for what passes, what can be said of it.

use ffmpeg_next::util::frame;
use image::GrayImage;
use zoetrope_worker::protocol_streams::{Analyse, FrameReport, GateState, PictureWish, Sampled, TextLine, Verdict};

use super::budget::Spent;
use super::colors;
use super::decoder::Decoder;
use super::gate;
use super::gate_state::Gate;
use super::picture;
use super::scaler::{Scaler, fitted};
use crate::fault::Fault;
use crate::ocr;
use crate::serve::Progress;

/// Collects the reports of one request.
pub(super) struct Reporter<'a> {
    tools: Tools<'a>,
    gate: &'a mut Gate,
    analyse: &'a Analyse,
    texts_left: u32,
    wish: Option<PictureWish>,
    spent: Spent,
    sampled: Sampled,
}

/// What frames are looked at with, and where their pictures go.
pub(super) struct Tools<'a> {
    pub(super) scaler: &'a mut Scaler,
    pub(super) ocr: &'a mut ocr::Engine,
    pub(super) progress: &'a Progress<'a>,
}

impl<'a> Reporter<'a> {
    /// Begins a request.
    pub(super) fn new(tools: Tools<'a>, gate: &'a mut Gate, analyse: &'a Analyse) -> Self {
        Self {
            tools,
            gate,
            analyse,
            texts_left: analyse.texts,
            wish: analyse.pictures,
            spent: Spent::begin(),
            sampled: Sampled::default(),
        }
    }

    /// Reports a picture.
    pub(super) fn report(&mut self, picture: &frame::Video, t_ms: u64, damaged: bool) -> Result<(), Fault> {
        let (width, height) = (picture.width(), picture.height());
        let luma = self.tools.scaler.small_luma(picture, gate::luma_size(width, height))?;
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
            picture: None,
        };
        if report.verdict == Verdict::Passed {
            self.describe(picture, &mut report)?;
        }
        // Nobody is shown what the decoder made up; the gate lets the next whole frame pass.
        let wish = self.wish.as_mut().filter(|_| !damaged);
        if wish.is_some_and(|wish| wish.wants(t_ms, report.verdict)) {
            let jpeg = picture::jpeg(self.tools.scaler, picture)?;
            self.tools.progress.picture(&t_ms.to_string(), &jpeg);
        }
        self.sampled.frames.push(report);
        Ok(())
    }

    fn describe(&mut self, picture: &frame::Video, report: &mut FrameReport) -> Result<(), Fault> {
        if self.analyse.colors {
            report.colors = Some(colors::dominant(self.tools.scaler, picture)?);
        }
        if self.texts_left > 0 {
            self.texts_left -= 1;
            let luma = self.reading_luma(picture)?;
            report.lines = read(self.tools.ocr, &luma, self.analyse, (report.width, report.height))?;
            report.text = Some(report.lines.iter().map(|line| line.text.clone() + "\n").collect());
        }
        Ok(())
    }

    fn reading_luma(&mut self, picture: &frame::Video) -> Result<GrayImage, Fault> {
        let size = fitted((picture.width(), picture.height()), self.analyse.max_side);
        self.tools.scaler.luma(picture, size)
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
