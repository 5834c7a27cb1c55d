//! Text to values: what each form of setting allows, said in its errors.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::secret::Secret;
use crate::secrets::SecretKeys;

/// A whole number within a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let allowed = || format!("`{text}` is not a number from {} to {}", range.start(), range.end());
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(allowed)
    }
}

/// A duration within a range of whole seconds: `90`, `90s`, `500ms`, `5m` or `2h`.
pub(super) fn duration(seconds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let allowed = || {
            let (low, high) = (seconds.start(), seconds.end());
            format!("`{text}` is not a duration from {low} s to {high} s, written as 90, 90s, 500ms, 5m or 2h")
        };
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(unit_at);
        let unit_ms = match unit.trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(allowed()),
        };
        let ms = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit_ms))
            .ok_or_else(allowed)?;
        let within = (seconds.start() * 1_000..=seconds.end().saturating_mul(1_000)).contains(&ms);
        if within {
            Ok(Duration::from_millis(ms))
        } else {
            Err(allowed())
        }
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("`{text}` is none of {}", names.join(", "))
        })
    }
}

/// Items between commas; every one is parsed.
pub(super) fn list<T>(parse: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Vec<T>, String> {
    move |text| {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(&parse)
            .collect()
    }
}

/// `name=value` between commas, values percent-encoded. They may be secrets: nothing of them is repeated.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=').filter(|(name, _)| !name.trim().is_empty())?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    list(|item| pair(item).ok_or_else(|| "it is not a list of name=value between commas".to_owned()))(text)
}

/// Names and values of HTTP headers, written as pairs.
pub(super) fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let headers = pairs(text)?;
    let sendable = |(name, value): &(String, String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    if headers.iter().all(sendable) {
        Ok(headers)
    } else {
        Err("a name or a value in it cannot be an HTTP header".to_owned())
    }
}

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "has the form of every other parser here")]
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Any text, hidden.
#[expect(clippy::unnecessary_wraps, reason = "has the form of every other parser here")]
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// Sealing keys, hidden.
pub(super) fn secret_keys(text: &str) -> Result<Secret, String> {
    SecretKeys::parse(text).map(|_| Secret::new(text))
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    text.parse()
        .map_err(|_| format!("`{text}` is not an IP address such as 127.0.0.1, 0.0.0.0 or ::1"))
}

/// A range of addresses.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| single())
        .map_err(|_| format!("`{text}` is not a range such as 192.168.0.0/16 or ::1/128"))
}

/// A URL of one of these schemes. The text may hold a password: it is not repeated.
pub(super) fn url(schemes: &'static [&'static str]) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        let known = Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()));
        if known {
            Ok(text.to_owned())
        } else {
            Err(format!(
                "it is not a URL that starts with {}",
                schemes.join(":// or ") + "://"
            ))
        }
    }
}

/// `http://host[:port]`, or `*`.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let parsed = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/");
    match parsed {
        _ if text == "*" => Ok(text.to_owned()),
        Some(url) => Ok(url.origin().ascii_serialization()),
        None => Err(format!("`{text}` is not an origin such as https://app.example.com")),
    }
}

/// The wire name of a kind.
pub(super) fn kind(text: &str) -> Result<String, String> {
    let known = || {
        crate::tasks::KINDS
            .iter()
            .map(|kind| kind.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match crate::tasks::find(text) {
        Some(kind) => Ok(kind.name.to_owned()),
        None => Err(format!("`{text}` is no kind; there are {}", known())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_unless_they_say_otherwise() {
        let parse = duration(1..=86_400);
        for (text, ms) in [
            ("300", 300_000),
            ("30s", 30_000),
            ("1500ms", 1_500),
            ("5m", 300_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["0", "-1", "1e18", "25h", "500ms", "5 days", "s", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_ignore_spaces_and_empty_items() {
        assert_eq!(
            list(text)(" a, b ,,c,"),
            Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
        );
    }

    #[test]
    fn pairs_are_decoded_and_what_is_none_is_not_repeated() {
        let expected = [("authorization", "Basic aGk="), ("x-team", "a,b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            headers(" authorization=Basic%20aGk=, x-team=a%2Cb ,"),
            Ok(expected.to_vec())
        );
        for text in ["hunter2", "=hunter2", "a b=hunter2", "a=hunter2%0d%0a"] {
            let error = headers(text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn origins_lose_their_trailing_slash_and_must_have_no_path() {
        assert_eq!(
            origin("https://app.example.com/"),
            Ok("https://app.example.com".to_owned())
        );
        assert!(origin("https://app.example.com/x").is_err() && origin("app.example.com").is_err());
    }
}
