//! What every submit may say beside its input: priority, times, attempts, labels. The input belongs to the kind.

use std::time::Duration;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use zoetrope_queue::{Priority, is_fairness_key, is_unique_key};
use zoetrope_shared::tasks::Kind;

use crate::http::duration::{self, Span};
use crate::http::problem::{Mistake, Mistakes};
use crate::limits::{
    MAX_ATTEMPTS, MAX_DELAY, MAX_EXPIRES_IN, MAX_METADATA_BYTES, MAX_TAG_BYTES, MAX_TAGS, MAX_TIMEOUT,
};
use crate::tasks::view::OWN_TAGS;

/// Fields that the design promises and this version does not have: refused, so that nobody believes they work.
pub(crate) const NOT_YET: [&str; 1] = ["webhook"];

/// The envelope of a task, read and checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) priority: Priority,
    pub(crate) delay: Option<Duration>,
    pub(crate) run_at_ms: Option<u64>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) fairness_key: Option<String>,
    pub(crate) unique_key: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Option<Value>,
}

/// The envelope as it is documented; [`Envelope::take`] reads it field by field to name every mistake at once.
#[derive(ToSchema)]
#[schema(as = Envelope)]
#[expect(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct EnvelopeFields {
    /// `realtime`, `high`, `normal` or `low`: how long a task may be overtaken. Nothing starves.
    #[schema(default = "normal", example = "high")]
    priority: Option<PriorityName>,
    /// Wait before it may start: seconds, or text such as `"30s"`, `"5m"`, `"1h"`; at most 365 days. Not with `run_at`.
    #[schema(example = "30s")]
    delay: Option<Span>,
    /// RFC 3339 instant before which it does not start. Not with `delay`.
    #[schema(format = DateTime, example = "2026-11-20T09:00:00Z")]
    run_at: Option<String>,
    /// No attempt begins later than this after the submit: a task that does not run then ends as `expired`. Seconds, or
    /// text such as `"10m"`; longer than the wait for its start, at most 366 days. Not for live streams.
    #[schema(example = "10m")]
    expires_in: Option<Span>,
    /// Longest time an attempt may take: seconds, or text such as `"30s"`; at most 24 hours.
    #[schema(example = "5m")]
    timeout: Option<Span>,
    /// Executions before a retryable failure becomes final.
    #[schema(minimum = 1, maximum = 20, example = 3)]
    max_attempts: Option<u32>,
    /// Whose turn it is: tasks of several keys start in turns, so that the many of one do not keep those of another
    /// waiting. 1 to 64 letters, digits and `_.:@/+-`; limits go by it too.
    #[schema(pattern = "^[A-Za-z0-9_.:@/+-]{1,64}$", example = "customer-42")]
    fairness_key: Option<String>,
    /// As long as a task of this kind with this key has not ended, no other is made: the answer is that one, with
    /// `Unique-Existing: true`. 1 to 128 bytes without control characters.
    #[schema(min_length = 1, max_length = 128, example = "refresh-42")]
    unique_key: Option<String>,
    /// Labels for listing: at most 16 of 1 to 64 bytes.
    #[schema(max_items = 16)]
    tags: Option<Vec<String>>,
    /// Your own JSON object, returned as it came; at most 4 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// Names of priority classes.
#[derive(ToSchema)]
#[schema(as = Priority, rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) enum PriorityName {
    /// Now: somebody waits for the answer.
    Realtime,
    /// 15 seconds behind `realtime`.
    High,
    /// 60 seconds behind `realtime`.
    Normal,
    /// 15 minutes behind `realtime`.
    Low,
}

impl Envelope {
    /// Takes the envelope's fields out of `fields` and leaves the others. `null` is the same as absent.
    pub(crate) fn take(fields: &mut Map<String, Value>, now_ms: u64, mistakes: &mut Mistakes) -> Self {
        for name in NOT_YET {
            if fields.remove(name).is_some() {
                mistakes.unknown(name, format!("`{name}` is not available yet"));
            }
        }
        let mut take = |name: &str, read: &mut dyn FnMut(Value) -> Result<(), String>| {
            let value = fields.remove(name).filter(|value| !value.is_null());
            if let Some(Err(detail)) = value.map(read) {
                mistakes.push(Mistake::invalid(format!("/{name}"), detail));
            }
        };
        let mut envelope = Self::default();
        take("priority", &mut |value| {
            priority(&value).map(|read| envelope.priority = read)
        });
        take("delay", &mut |value| {
            span(&value, Duration::ZERO, MAX_DELAY).map(|read| envelope.delay = Some(read))
        });
        take("run_at", &mut |value| {
            run_at(&value, now_ms).map(|read| envelope.run_at_ms = Some(read))
        });
        take("expires_in", &mut |value| {
            span(&value, Duration::from_millis(1), MAX_EXPIRES_IN).map(|read| envelope.expires_in = Some(read))
        });
        take("timeout", &mut |value| {
            span(&value, Duration::from_millis(1), MAX_TIMEOUT).map(|read| envelope.timeout = Some(read))
        });
        take("max_attempts", &mut |value| {
            attempts(&value).map(|read| envelope.max_attempts = Some(read))
        });
        take("fairness_key", &mut |value| {
            fairness_key(&value).map(|read| envelope.fairness_key = Some(read))
        });
        take("unique_key", &mut |value| {
            unique_key(&value).map(|read| envelope.unique_key = Some(read))
        });
        take("tags", &mut |value| tags(&value).map(|read| envelope.tags = read));
        take("metadata", &mut |value| {
            metadata(&value).map(|()| envelope.metadata = Some(value))
        });
        if envelope.delay.is_some() && envelope.run_at_ms.is_some() {
            mistakes.push(Mistake::invalid("/run_at", "give `delay` or `run_at`, not both"));
        }
        if envelope
            .expires_in
            .is_some_and(|span| span <= envelope.starts_in(now_ms))
        {
            mistakes.push(Mistake::invalid("/expires_in", "it ends before the task may start"));
        }
        envelope
    }

    /// Says what does not go with the kind.
    pub(crate) fn fit(&self, kind: &Kind, mistakes: &mut Mistakes) {
        if kind.policy.live && self.expires_in.is_some() {
            mistakes.push(Mistake::invalid("/expires_in", "a task that runs without end has none"));
        }
    }

    /// How long from now it starts at the earliest.
    pub(crate) fn starts_in(&self, now_ms: u64) -> Duration {
        let run_at = self
            .run_at_ms
            .map(|at| Duration::from_millis(at.saturating_sub(now_ms)));
        self.delay.or(run_at).unwrap_or_default()
    }
}

/// The class of that name.
fn priority(value: &Value) -> Result<Priority, String> {
    serde_json::from_value(value.clone()).map_err(|_| "use realtime, high, normal or low".to_owned())
}

fn span(value: &Value, least: Duration, most: Duration) -> Result<Duration, String> {
    let span = duration::from_json(value)?;
    if span < least {
        return Err("it must be longer than nothing".to_owned());
    }
    if span > most {
        return Err(format!("it is longer than {} seconds", most.as_secs()));
    }
    Ok(span)
}

fn run_at(value: &Value, now_ms: u64) -> Result<u64, String> {
    let at_ms = duration::instant_ms(value.as_str().unwrap_or_default())?;
    let furthest_ms = now_ms.saturating_add(u64::try_from(MAX_DELAY.as_millis()).unwrap_or(u64::MAX));
    if at_ms > furthest_ms {
        return Err(format!("it lies more than {} days ahead", MAX_DELAY.as_secs() / 86_400));
    }
    Ok(at_ms)
}

fn attempts(value: &Value) -> Result<u32, String> {
    let attempts = value.as_u64().and_then(|attempts| u32::try_from(attempts).ok());
    attempts
        .filter(|attempts| (1..=MAX_ATTEMPTS).contains(attempts))
        .ok_or_else(|| format!("use an integer from 1 to {MAX_ATTEMPTS}"))
}

fn fairness_key(value: &Value) -> Result<String, String> {
    let key = value.as_str().filter(|key| is_fairness_key(key)).map(ToOwned::to_owned);
    key.ok_or_else(|| "use a text of 1 to 64 letters, digits and _ . : @ / + -".to_owned())
}

fn unique_key(value: &Value) -> Result<String, String> {
    let fits = |key: &&str| is_unique_key(key) && !key.starts_with(OWN_TAGS);
    let key = value.as_str().filter(fits).map(ToOwned::to_owned);
    key.ok_or_else(|| {
        format!("use a text of 1 to 128 bytes without control characters that does not begin with {OWN_TAGS:?}")
    })
}

fn tags(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || {
        format!(
            "use a list of at most {MAX_TAGS} texts of 1 to {MAX_TAG_BYTES} bytes, without control characters, that do not begin with {OWN_TAGS:?}"
        )
    };
    let list = value
        .as_array()
        .filter(|list| list.len() <= MAX_TAGS)
        .ok_or_else(wrong)?;
    let mut tags = Vec::new();
    for tag in list {
        let fits = |tag: &&str| {
            let ours = tag.starts_with(OWN_TAGS);
            (1..=MAX_TAG_BYTES).contains(&tag.len()) && !tag.chars().any(char::is_control) && !ours
        };
        let tag = tag.as_str().filter(fits).ok_or_else(wrong)?.to_owned();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn metadata(value: &Value) -> Result<(), String> {
    if !value.is_object() {
        return Err("use a JSON object".to_owned());
    }
    let bytes = value.to_string().len();
    if bytes > MAX_METADATA_BYTES {
        Err(format!(
            "it has {bytes} bytes, at most {MAX_METADATA_BYTES} are allowed"
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn read(fields: Value) -> (Envelope, Value, Vec<String>) {
        let Value::Object(mut fields) = fields else {
            panic!("an object")
        };
        let mut mistakes = Mistakes::at("");
        let envelope = Envelope::take(&mut fields, NOW_MS, &mut mistakes);
        (envelope, Value::Object(fields), mistakes.pointers())
    }

    #[test]
    fn an_empty_envelope_is_the_default_and_other_fields_are_left() {
        let (envelope, left, mistakes) = read(json!({"input": {"message": "hi"}, "delay": null}));
        assert_eq!(
            (envelope, left, mistakes),
            (Envelope::default(), json!({"input": {"message": "hi"}}), vec![])
        );
    }

    #[test]
    fn every_field_is_read() {
        let (envelope, left, mistakes) = read(json!({
            "priority": "high", "delay": "5m", "timeout": 1.5, "max_attempts": 20, "tags": ["a", "b", "a"],
            "fairness_key": "customer:42", "unique_key": "nightly ☾", "expires_in": "10m", "metadata": {"k": [1]}
        }));
        let expected = Envelope {
            priority: Priority::High,
            delay: Some(Duration::from_secs(300)),
            run_at_ms: None,
            expires_in: Some(Duration::from_secs(600)),
            timeout: Some(Duration::from_millis(1_500)),
            max_attempts: Some(20),
            fairness_key: Some("customer:42".to_owned()),
            unique_key: Some("nightly ☾".to_owned()),
            tags: vec!["a".to_owned(), "b".to_owned()],
            metadata: Some(json!({"k": [1]})),
        };
        assert_eq!((envelope, left, mistakes), (expected, json!({}), vec![]));
    }

    #[test]
    fn a_past_run_at_is_now() {
        let (envelope, _, mistakes) = read(json!({"run_at": "1970-01-01T00:00:00Z"}));
        assert_eq!((envelope.starts_in(NOW_MS), mistakes), (Duration::ZERO, vec![]));
    }

    #[test]
    fn values_out_of_range_or_of_another_type_are_named_by_pointer() {
        let wrong = [
            json!({"priority": "HIGH"}),
            json!({"priority": -9_223_372_036_854_775_808_i64}),
            json!({"delay": -1}),
            json!({"delay": "400d"}),
            json!({"delay": 1e18}),
            json!({"run_at": "9999-12-31T23:59:59Z"}),
            json!({"run_at": 5}),
            json!({"expires_in": 0}),
            json!({"expires_in": "400d"}),
            json!({"expires_in": "soon"}),
            json!({"timeout": 0}),
            json!({"timeout": -1}),
            json!({"timeout": "25h"}),
            json!({"max_attempts": 0}),
            json!({"max_attempts": 21}),
            json!({"max_attempts": 1.5}),
            json!({"max_attempts": "3"}),
            json!({"fairness_key": ""}),
            json!({"fairness_key": "a b"}),
            json!({"fairness_key": 7}),
            json!({"fairness_key": "x".repeat(65)}),
            json!({"unique_key": ""}),
            json!({"unique_key": "a\nb"}),
            json!({"unique_key": "zoetrope:stream:x"}),
            json!({"unique_key": "x".repeat(129)}),
            json!({"tags": "a"}),
            json!({"tags": [""]}),
            json!({"tags": ["a\nb"]}),
            json!({"tags": [1]}),
            json!({"tags": vec!["x"; 17]}),
            json!({"tags": ["x".repeat(65)]}),
            json!({"metadata": []}),
            json!({"metadata": {"k": "x".repeat(4_096)}}),
        ];
        for fields in wrong {
            let name = fields
                .as_object()
                .and_then(|fields| fields.keys().next())
                .expect("a field")
                .clone();
            assert_eq!(read(fields.clone()).2, [format!("/{name}")], "{fields}");
        }
        assert_eq!(
            read(json!({"delay": 1, "run_at": "2023-11-20T09:00:00Z"})).2,
            ["/run_at"]
        );
        assert_eq!(read(json!({"delay": "5m", "expires_in": "5m"})).2, ["/expires_in"]);
        assert_eq!(
            read(json!({"delay": -1, "tags": 1, "webhook": {}})).2,
            ["/webhook", "/delay", "/tags"]
        );
    }

    #[test]
    fn the_documented_fields_are_the_ones_that_are_read() {
        let schema = serde_json::to_value(<EnvelopeFields as utoipa::PartialSchema>::schema()).expect("a schema");
        let documented = schema["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .map(|name| (name.clone(), json!(null)));
        assert_eq!(read(Value::Object(documented.collect())).1, json!({}));
    }
}
