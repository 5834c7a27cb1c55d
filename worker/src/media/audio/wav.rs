//! WAVE files in and out. Reading is lenient about lengths, which streaming writers leave open, and strict about
//! everything else.

use crate::fault::Fault;

/// Rates that are taken, samples a second.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// `WAVE_FORMAT_PCM`, and the extensible form whose first word is the same.
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xfffe;

/// Mono samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) rate: u32,
    pub(super) samples: Vec<i16>,
}

impl Sound {
    /// Bare little-endian samples.
    pub(super) fn of_samples(bytes: &[u8], rate: u32) -> Result<Self, Fault> {
        if !RATES.contains(&rate) {
            return Err(Fault::media_invalid(format!(
                "audio of {rate} samples a second is not taken"
            )));
        }
        let (pairs, _) = bytes.as_chunks::<2>();
        let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        Ok(Self { rate, samples })
    }

    /// A WAVE file of 16-bit samples, mono or more channels, which are mixed.
    pub(super) fn of_wav(bytes: &[u8]) -> Result<Self, Fault> {
        let invalid = |message: &str| Fault::media_invalid(format!("the WAVE file cannot be read: {message}"));
        let chunks = bytes
            .strip_prefix(b"RIFF")
            .and_then(|rest| rest.get(4..)?.strip_prefix(b"WAVE"))
            .ok_or_else(|| invalid("it is none"))?;
        let (mut rest, mut form) = (chunks, None);
        while let (Some(name), Some(length)) = (rest.get(..4), rest.get(4..8)) {
            let body = &rest[8..];
            let length = u32::from_le_bytes(length.try_into().map_err(|_| invalid("it is cut off"))?) as usize;
            // Streams say 0 or 0xFFFFFFFF for "until the end".
            let length = if length == 0 || length > body.len() {
                body.len()
            } else {
                length
            };
            match name {
                b"fmt " => form = Some(Form::read(&body[..length]).ok_or_else(|| invalid("its format is cut off"))?),
                b"data" => {
                    let form = form.ok_or_else(|| invalid("its samples come before their format"))?;
                    return form.samples(&body[..length]);
                }
                _ => {}
            }
            rest = body.get(length + length % 2..).unwrap_or_default();
        }
        Err(invalid("it has no samples"))
    }

    /// As a WAVE file.
    pub(super) fn to_wav(&self) -> Result<Vec<u8>, Fault> {
        let too_long = |_| Fault::input_invalid("the audio is too long for a WAVE file");
        let data = u32::try_from(self.samples.len() * 2).map_err(too_long)?;
        let whole = data
            .checked_add(36)
            .ok_or_else(|| Fault::input_invalid("the audio is too long for a WAVE file"))?;
        let mut out = Vec::with_capacity(44 + self.samples.len() * 2);
        out.extend_from_slice(b"RIFF");
        out.extend_from_slice(&whole.to_le_bytes());
        out.extend_from_slice(b"WAVEfmt ");
        out.extend_from_slice(&16_u32.to_le_bytes());
        out.extend_from_slice(&PCM.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&self.rate.to_le_bytes());
        out.extend_from_slice(&(self.rate * 2).to_le_bytes());
        out.extend_from_slice(&2_u16.to_le_bytes());
        out.extend_from_slice(&16_u16.to_le_bytes());
        out.extend_from_slice(b"data");
        out.extend_from_slice(&data.to_le_bytes());
        out.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(out)
    }

    pub(super) fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1_000 / u64::from(self.rate)
    }
}

/// The format chunk.
#[derive(Debug, Clone, Copy)]
struct Form {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Form {
    fn read(chunk: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes(chunk.get(at..at + 2)?.try_into().ok()?));
        Some(Self {
            tag: word(0)?,
            channels: word(2)?,
            rate: u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?),
            bits: word(14)?,
        })
    }

    fn samples(self, bytes: &[u8]) -> Result<Sound, Fault> {
        let is_ours = matches!(self.tag, PCM | EXTENSIBLE) && self.bits == 16 && (1..=8).contains(&self.channels);
        if !is_ours {
            return Err(Fault::media_invalid("the WAVE file does not hold 16-bit samples"));
        }
        let mut sound = Sound::of_samples(bytes, self.rate)?;
        if self.channels > 1 {
            let channels = usize::from(self.channels);
            let mix = |frame: &[i16]| {
                let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
                i16::try_from(sum / i32::from(self.channels)).unwrap_or_default()
            };
            sound.samples = sound.samples.chunks_exact(channels).map(mix).collect();
        }
        Ok(sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_also_with_open_lengths() {
        let sound = Sound {
            rate: 22_050,
            samples: vec![0, 1, -1, i16::MAX, i16::MIN],
        };
        let mut bytes = sound.to_wav().expect("it is short");
        assert_eq!(Sound::of_wav(&bytes), Ok(sound.clone()));
        for open in [[0xff; 4], [0; 4]] {
            bytes[4..8].copy_from_slice(&[0xff; 4]);
            bytes[40..44].copy_from_slice(&open);
            assert_eq!(Sound::of_wav(&bytes), Ok(sound.clone()), "{open:?}");
        }
    }

    #[test]
    fn damaged_files_are_refused_and_never_read_beyond_their_end() {
        let bytes = Sound {
            rate: 8_000,
            samples: vec![5; 9],
        }
        .to_wav()
        .expect("it is short");
        for cut in 0..44 {
            assert!(Sound::of_wav(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for (at, value) in [(20, 3), (22, 0), (22, 9), (24, 1), (34, 8)] {
            let mut wrong = bytes.clone();
            wrong[at..at + 2].copy_from_slice(&[value, 0]);
            assert!(Sound::of_wav(&wrong).is_err(), "{at} = {value}");
        }
    }

    #[test]
    fn channels_are_mixed() {
        let mut bytes = Sound {
            rate: 8_000,
            samples: vec![100, 300, -5, 5],
        }
        .to_wav()
        .expect("it is short");
        bytes[22] = 2;
        assert_eq!(Sound::of_wav(&bytes).expect("stereo").samples, [200, 0]);
    }
}
