//! Durations and instants as clients write them: `30`, `1.5`, `"30s"`, `"5m"`, `"1h"`, `"250ms"`; RFC 3339 instants.

use std::time::Duration;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use zoetrope_shared::wire::parse_rfc3339_ms;

/// What [`from_text`] reads.
const PATTERN: &str = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)?$";
const FORMS: &str = "seconds as a number, or text such as \"30s\", \"5m\" or \"1h\"";

/// Reads a duration from JSON.
pub(crate) fn from_json(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Number(number) => from_seconds(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => from_text(text),
        _ => Err(format!("write {FORMS}")),
    }
}

/// Reads a duration from a query or a header: the same forms, a bare number being seconds.
pub(crate) fn from_text(text: &str) -> Result<Duration, String> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let seconds_per_unit = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("write {FORMS}")),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('.') {
        return Err(format!("write {FORMS}"));
    }
    let number: f64 = digits.parse().map_err(|_| format!("write {FORMS}"))?;
    from_seconds(number * seconds_per_unit)
}

/// Reads an RFC 3339 instant as Unix milliseconds.
pub(crate) fn instant_ms(text: &str) -> Result<u64, String> {
    let wrong = || "write an RFC 3339 instant after 1970 such as \"2026-11-20T09:00:00Z\"".to_owned();
    parse_rfc3339_ms(text).ok_or_else(wrong)
}

/// A duration as it is documented: the forms that [`from_json`] reads.
#[derive(Debug)]
pub(crate) struct Span;

impl ToSchema for Span {}

impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let seconds = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        OneOfBuilder::new()
            .item(seconds)
            .item(text)
            .description(Some(format!("A duration: {FORMS}.")))
            .into()
    }
}

fn from_seconds(seconds: f64) -> Result<Duration, String> {
    if seconds < 0.0 {
        return Err("it must not be negative".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| "it is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_seconds_or_carry_a_unit() {
        let cases = [
            (json!(30), 30_000),
            (json!(0), 0),
            (json!(1.5), 1_500),
            (json!("30"), 30_000),
            (json!("30s"), 30_000),
            (json!("250ms"), 250),
            (json!("5m"), 300_000),
            (json!("1h"), 3_600_000),
            (json!("0.5h"), 1_800_000),
            (json!("1d"), 86_400_000),
        ];
        for (value, ms) in cases {
            assert_eq!(from_json(&value), Ok(Duration::from_millis(ms)), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        let wrong = [
            json!(-1),
            json!("-5s"),
            json!(1e300),
            json!("1e18"),
            json!(""),
            json!("s"),
            json!("1 s"),
            json!("5 minutes"),
            json!("1.2.3s"),
            json!("5."),
            json!(".5"),
            json!(" 5s"),
            json!(true),
            json!(null),
            json!([30]),
            json!("NaN"),
            json!("inf"),
        ];
        for value in wrong {
            assert!(from_json(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn instants_are_rfc_3339() {
        assert_eq!(instant_ms("1970-01-01T00:00:01.5Z"), Ok(1_500));
        assert_eq!(
            instant_ms("2026-11-20T10:00:00+01:00"),
            instant_ms("2026-11-20T09:00:00Z")
        );
        for wrong in [
            "",
            "tomorrow",
            "2026-11-20",
            "1969-12-31T23:59:59Z",
            "2026-11-20T09:00:00",
            "1700000000",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(instant_ms(wrong).is_err(), "{wrong}");
        }
    }
}
