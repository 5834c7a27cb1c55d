//! Samples at another rate, by a windowed sinc: J. O. Smith, "Digital Audio Resampling", for mono speech, where linking
//! a resampler would buy nothing.

/// Zero crossings of the sinc on each side.
const CROSSINGS: usize = 16;
/// Values of the kernel between two crossings; in between they are interpolated.
const STEPS: usize = 256;

/// The same sound at another rate.
pub(super) fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let kernel = kernel();
    let (step, length) = (
        f64::from(from) / f64::from(to),
        samples.len() as u64 * u64::from(to) / u64::from(from),
    );
    // Going down, what the new rate cannot hold is left out.
    let cutoff = (f64::from(to) / f64::from(from)).min(1.0);
    let reach = CROSSINGS as f64 / cutoff;
    let at = |n: u64| {
        let center = n as f64 * step;
        let first = (center - reach).ceil().max(0.0) as usize;
        let last = ((center + reach).floor() as usize).min(samples.len() - 1);
        let sum: f64 = (first..=last)
            .map(|index| {
                let place = (index as f64 - center).abs() * cutoff * STEPS as f64;
                let (whole, part) = (place as usize, place.fract());
                let value = |index: usize| kernel.get(index).copied().unwrap_or(0.0);
                f64::from(samples[index]) * (value(whole) * (1.0 - part) + value(whole + 1) * part)
            })
            .sum();
        (sum * cutoff).round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    };
    (0..length).map(at).collect()
}

/// One half of a sinc under a Hann window.
fn kernel() -> Vec<f64> {
    let value = |index: usize| {
        let angle = index as f64 / STEPS as f64 * std::f64::consts::PI;
        let sinc = if index == 0 { 1.0 } else { angle.sin() / angle };
        sinc * (0.5 + 0.5 * (angle / CROSSINGS as f64).cos())
    };
    (0..=CROSSINGS * STEPS).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64) -> Vec<i16> {
        let sample =
            |n: u32| (10_000.0 * (f64::from(n) / f64::from(rate) * hertz * std::f64::consts::TAU).sin()) as i16;
        (0..rate / 4).map(sample).collect()
    }

    /// Root of the mean square difference, without the edges.
    fn difference(a: &[i16], b: &[i16]) -> f64 {
        let pairs: Vec<f64> = a
            .iter()
            .zip(b)
            .skip(200)
            .take(4_000)
            .map(|(a, b)| f64::from(*a) - f64::from(*b))
            .collect();
        (pairs.iter().map(|d| d * d).sum::<f64>() / pairs.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_stays_the_same_tone_and_what_does_not_fit_is_left_out() {
        for (from, to) in [(22_050, 24_000), (24_000, 16_000), (8_000, 16_000)] {
            let made = resample(&tone(from, 440.0), from, to);
            let error = difference(&made, &tone(to, 440.0));
            assert!(error < 60.0, "{from} to {to}: {error}");
        }
        let silenced = resample(&tone(48_000, 11_000.0), 48_000, 16_000);
        assert!(difference(&silenced, &vec![0; silenced.len()]) < 60.0);
    }
}
