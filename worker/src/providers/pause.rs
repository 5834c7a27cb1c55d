//! How long a provider asks us to wait, in all the ways in which they say it.

use std::time::Duration;

use reqwest::header::HeaderMap;
use zoetrope_shared::netguard::retry_after;

/// Headers that name a pause: milliseconds, or seconds and dates as HTTP has them; last, the reset of OpenAI's limits.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let millis = text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok());
    let seconds = text("retry-after").and_then(|text| text.trim().parse::<f64>().ok());
    let resets = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];
    millis
        .and_then(|millis| positive(millis / 1_000.0))
        .or_else(|| positive(seconds?))
        .or_else(|| retry_after(headers))
        .or_else(|| resets.iter().filter_map(|name| of_text(text(name)?)).min())
}

/// A duration as Go and Google write it: `31s`, `1.798s`, `12ms`, `6m0s`, `1h2m`.
pub(super) fn of_text(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    positive(total)
}

/// The pause in a sentence such as "Please try again in 1.798s."
pub(super) fn of_sentence(sentence: &str) -> Option<Duration> {
    let (_, rest) = sentence
        .split_once(" again in ")
        .or_else(|| sentence.split_once("retry in "))?;
    of_text(rest.split_whitespace().next()?.trim_end_matches(['.', ',']))
}

fn positive(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &'static str, value: &'static str) -> Option<u128> {
        let headers = HeaderMap::from_iter([
            (name.parse().expect("a name"), value.parse().expect("a value")),
            (
                "date".parse().expect("a name"),
                "Wed, 21 Oct 2015 07:28:00 GMT".parse().expect("a value"),
            ),
        ]);
        of_headers(&headers).map(|pause| pause.as_millis())
    }

    #[test]
    fn a_pause_is_read_from_every_header_that_may_name_it() {
        for (name, value, millis) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "0.25", Some(250)),
            ("retry-after-ms", "1500", Some(1_500)),
            ("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000)),
            ("x-ratelimit-reset-tokens", "6m0s", Some(360_000)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after-ms", "1e300", None),
        ] {
            assert_eq!(header(name, value), millis, "{name}: {value}");
        }
    }

    #[test]
    fn durations_are_read_as_go_and_google_write_them() {
        let millis = |text| of_text(text).map(|pause| pause.as_millis());
        assert_eq!(
            ["12ms", "1s", "2m52.8s", "31s", "1h", "", "5", "s", "3 days"].map(millis),
            [
                Some(12),
                Some(1_000),
                Some(172_800),
                Some(31_000),
                Some(3_600_000),
                None,
                None,
                None,
                None
            ]
        );
        assert_eq!(
            of_sentence("Please try again in 1.798s. Visit").map(|p| p.as_millis()),
            Some(1_798)
        );
        assert_eq!(
            of_sentence("Please retry in 31.2s.").map(|p| p.as_millis()),
            Some(31_200)
        );
        assert_eq!(of_sentence("No hope"), None);
    }
}
