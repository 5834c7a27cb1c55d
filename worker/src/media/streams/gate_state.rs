//! What the gate remembers of a stream, and how it travels: a few tens of kilobytes that go to the worker with each
//! answer and come back with the next request, so that a stream is bound to no child.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::GrayImage;
use serde_json::value::RawValue;
use zoetrope_worker::protocol_streams::GateState;

use super::gate::{BLOCK, LUMA_HEIGHT};

/// The hash's grid: one column more than bits, because a bit compares two neighbours.
pub(super) const GRID_COLUMNS: usize = 17;
pub(super) const GRID_ROWS: usize = 16;
/// First byte; another layout has another one, and what does not read starts the gate afresh.
const LAYOUT: u8 = 1;
/// Steps of noise in one level.
const NOISE_STEPS: f32 = 16.0;
/// Noise a block starts with, levels.
const FIRST_NOISE: f32 = 1.0;

/// Background, noise and the last frame that passed. Empty before the first frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Gate {
    /// Stream time of the newest frame.
    pub(super) t_ms: u64,
    /// Width of the luma; its height is [`LUMA_HEIGHT`].
    pub(super) width: u32,
    /// Running average, 1/256 levels.
    pub(super) background: Vec<u16>,
    /// Running average of each block's difference, levels.
    pub(super) noise: Vec<f32>,
    /// Means of the last frame that passed, 1/256 levels.
    pub(super) passed: Option<[u16; GRID_COLUMNS * GRID_ROWS]>,
}

impl Gate {
    /// A gate whose background is this frame.
    pub(super) fn beginning_with(luma: &GrayImage, t_ms: u64) -> Self {
        Self {
            t_ms,
            width: luma.width(),
            background: luma.as_raw().iter().map(|pixel| u16::from(*pixel) << 8).collect(),
            noise: vec![FIRST_NOISE; blocks(luma.width())],
            passed: None,
        }
    }

    /// As the worker keeps it; `None` before the first frame.
    pub(super) fn to_state(&self) -> Option<GateState> {
        if self.background.is_empty() {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.background.len() * 2 + 1024);
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&self.t_ms.to_le_bytes());
        bytes.extend_from_slice(&self.width.to_le_bytes());
        bytes.push(u8::from(self.passed.is_some()));
        if let Some(passed) = &self.passed {
            add_levels(&mut bytes, passed);
        }
        add_levels(&mut bytes, &self.background);
        bytes.extend(self.noise.iter().map(|noise| (noise * NOISE_STEPS).round() as u8));
        // Nothing of base64 has to be escaped.
        RawValue::from_string(format!("\"{}\"", STANDARD.encode(bytes)))
            .ok()
            .map(GateState)
    }

    /// From what the worker kept. What does not read is an empty gate: a stream goes on without its past.
    pub(super) fn from_state(state: Option<&GateState>) -> Self {
        state.and_then(Self::parse).unwrap_or_default()
    }

    fn parse(state: &GateState) -> Option<Self> {
        let text = state.0.get().strip_prefix('"')?.strip_suffix('"')?;
        let bytes = STANDARD.decode(text).ok()?;
        let (layout, rest) = bytes.split_first()?;
        let (t_ms, rest) = rest.split_first_chunk()?;
        let (width, rest) = rest.split_first_chunk()?;
        let (has_passed, mut rest) = rest.split_first()?;
        let width = u32::from_le_bytes(*width);
        let pixels = (width as usize).checked_mul(LUMA_HEIGHT as usize)?;
        let passed = match has_passed {
            1 => {
                let means = take_levels(&mut rest, GRID_COLUMNS * GRID_ROWS)?;
                Some(<[u16; GRID_COLUMNS * GRID_ROWS]>::try_from(means).ok()?)
            }
            _ => None,
        };
        let background = take_levels(&mut rest, pixels)?;
        let whole = *layout == LAYOUT && width.is_multiple_of(BLOCK) && width > 0 && rest.len() == blocks(width);
        whole.then(|| Self {
            t_ms: u64::from_le_bytes(*t_ms),
            width,
            background,
            noise: rest.iter().map(|steps| f32::from(*steps) / NOISE_STEPS).collect(),
            passed,
        })
    }
}

fn blocks(width: u32) -> usize {
    (width / BLOCK * (LUMA_HEIGHT / BLOCK)) as usize
}

fn add_levels(bytes: &mut Vec<u8>, levels: &[u16]) {
    let begin = bytes.len();
    bytes.resize(begin + levels.len() * 2, 0);
    for (pair, level) in bytes[begin..].chunks_exact_mut(2).zip(levels) {
        pair.copy_from_slice(&level.to_le_bytes());
    }
}

fn take_levels(bytes: &mut &[u8], count: usize) -> Option<Vec<u16>> {
    let (levels, rest) = bytes.split_at_checked(count.checked_mul(2)?)?;
    *bytes = rest;
    Some(
        levels
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use image::Luma;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn a_gate_survives_the_way_to_the_worker_and_back() {
        let luma = GrayImage::from_fn(180, LUMA_HEIGHT, |x, y| Luma([(x * 3 + y) as u8]));
        let mut gate = Gate::beginning_with(&luma, 77);
        assert_eq!(Gate::from_state(gate.to_state().as_ref()), gate);
        gate.passed = Some(std::array::from_fn(|index| index as u16 * 200));
        assert_eq!(Gate::from_state(gate.to_state().as_ref()), gate);
        assert_eq!(Gate::default().to_state(), None);
    }

    #[test]
    fn what_is_no_state_is_an_empty_gate() {
        let luma = GrayImage::new(20, LUMA_HEIGHT);
        let good = Gate::beginning_with(&luma, 1)
            .to_state()
            .expect("there is a background");
        let good = good.0.get().trim_matches('"');
        for bad in [
            "",
            "!",
            "AQ==",
            &good[..good.len() - 4],
            &format!("{good}AAAA"),
            &good.replacen('A', "B", 1),
        ] {
            let state = GateState(to_raw_value(bad).expect("text is JSON"));
            assert_eq!(Gate::from_state(Some(&state)), Gate::default(), "{bad:.20}");
        }
    }

    #[test]
    fn the_largest_state_stays_within_what_is_promised() {
        let state = Gate::beginning_with(&GrayImage::new(400, LUMA_HEIGHT), 1).to_state();
        assert!(state.expect("there is a background").0.get().len() < 120 * 1024);
    }
}
