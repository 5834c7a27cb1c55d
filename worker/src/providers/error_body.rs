//! What an error's body says, whatever its form. Providers, their gateways and compatible servers agree on none, so
//! nothing here fails: what is not understood is shown as text.

use serde_json::Value;

/// Longest raw text that is taken for a message, characters.
const MAX_RAW_CHARS: usize = 300;

/// The parts of an error that decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Its sentence.
    pub(super) message: String,
    /// Its type or status word, such as `insufficient_quota` or `RESOURCE_EXHAUSTED`.
    pub(super) kind: String,
    /// Its code as text; some servers send a number.
    pub(super) code: String,
    /// Reasons, quota ids and the like: further words that a rule may look for.
    pub(super) hints: Vec<String>,
    /// A pause that the body names, such as Google's `"31s"`.
    pub(super) retry_delay: Option<String>,
}

impl ErrorBody {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self {
                message: String::from_utf8_lossy(body)
                    .trim()
                    .chars()
                    .take(MAX_RAW_CHARS)
                    .collect(),
                ..Self::default()
            },
        }
    }

    /// Reads JSON: `error` as an object or a string, `detail` in three forms, a list of errors, or flat fields.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Array(items) => items.first().map(Self::of).unwrap_or_default(),
            Value::Object(fields) => {
                let inner = ["error", "detail"]
                    .iter()
                    .find_map(|name| fields.get(*name))
                    .filter(|inner| !inner.is_null());
                match inner {
                    Some(Value::String(message)) => Self {
                        message: message.clone(),
                        ..Self::flat(value)
                    },
                    Some(Value::Array(items)) => Self {
                        message: items.first().map(|item| text(&item["msg"])).unwrap_or_default(),
                        ..Self::default()
                    },
                    Some(inner) => Self::flat(inner),
                    None => Self::flat(value),
                }
            }
            other => Self {
                message: text(other),
                ..Self::default()
            },
        }
    }

    fn flat(error: &Value) -> Self {
        let first = |names: &[&str]| {
            let found = names.iter().map(|name| text(&error[*name]));
            found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
        };
        let mut body = Self {
            message: first(&["message", "err_msg", "msg", "description"]),
            kind: first(&["type", "status", "category", "error_type"]),
            code: first(&["code", "err_code"]),
            ..Self::default()
        };
        // ElevenLabs' older form has its word in `status`, the newer one also in `code`.
        body.hints.push(first(&["status"]));
        if error["metadata"]["reasons"].is_array() {
            body.hints.push("moderation".to_owned());
        }
        for detail in error["details"].as_array().into_iter().flatten() {
            body.hints.push(text(&detail["reason"]));
            let violations = detail["violations"].as_array().into_iter().flatten();
            body.hints
                .extend(violations.map(|violation| text(&violation["quotaId"])));
            if let Some(delay) = detail["retryDelay"].as_str() {
                body.retry_delay = Some(delay.to_owned());
            }
        }
        body.hints.retain(|hint| !hint.is_empty());
        body
    }

    /// Whether its code, its type or one of its hints is one of these words.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words
            .iter()
            .any(|word| self.code == *word || self.kind == *word || self.hints.iter().any(|hint| hint == word))
    }
}

/// A string as it is, a number as digits, anything else as nothing.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_error_that_is_known_gives_its_sentence() {
        for body in [
            r#"{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":null}}"#,
            r#"{"error":{"message":"no such model","code":404}}"#,
            r#"{"error":"no such model"}"#,
            r#"{"detail":{"status":"model_not_found","message":"no such model"}}"#,
            r#"{"detail":"no such model"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no such model","type":"value_error"}]}"#,
            r#"{"message":"no such model"}"#,
            r#"{"object":"error","message":"no such model","code":404}"#,
            r#"[{"error":{"code":404,"message":"no such model","status":"NOT_FOUND"}}]"#,
            r#"{"err_code":"X","err_msg":"no such model"}"#,
            "no such model\n",
        ] {
            assert_eq!(ErrorBody::read(body.as_bytes()).message, "no such model", "{body}");
        }
    }

    #[test]
    fn a_code_may_be_a_number_and_a_pause_may_stand_in_the_details() {
        let body = ErrorBody::read(
            br#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[
                {"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"31s"}]}}"#,
        );
        assert_eq!((body.code.as_str(), body.retry_delay.as_deref()), ("429", Some("31s")));
        assert!(body.is_one_of(&["RESOURCE_EXHAUSTED"]) && body.hints[0] == "RESOURCE_EXHAUSTED");
        assert_eq!(ErrorBody::read(b"\xff<html>").message, "\u{fffd}<html>");
    }
}
