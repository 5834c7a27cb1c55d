//! What a client asks of a stream: read, checked, its credentials taken out and sealed. The same for a new stream and for
//! a change of one, which is a JSON merge patch (RFC 7396) over what it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;

use super::record::StreamRecord;
use crate::recordings::StreamRetention;
use crate::schema::{self, FieldCode, FieldError, InputSchema};
use crate::stream_source::{self, SEALED_FIELD};
use crate::tasks::stream_ingest::{self, StreamTransport, StreamWindow};
use crate::tasks::{Preparation, Unprepared};

/// Largest `metadata`, bytes of compact JSON.
const MAX_METADATA_BYTES: usize = 4 * 1024;
/// Longest label, bytes.
const MAX_TAG_BYTES: usize = 64;

/// A stream to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamRequest {
    /// Name for people, at most 100 characters. Several streams may have the same.
    #[serde(default)]
    #[schema(required = false, max_length = 100, default = "")]
    pub name: String,
    /// The source, `rtsp://host[:port]/path`, `rtmp://host[:port]/app/stream` or an HLS playlist, `https://host/path.m3u8`: H.264 or H.265. A user
    /// name and password in it are taken out, sealed and never shown.
    #[schema(min_length = 1, max_length = 8192)]
    pub url: String,
    /// User name for `url`, basic or digest. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub username: Option<String>,
    /// Password for `url`. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 1024)]
    pub password: Option<String>,
    /// The same camera's smaller stream, watched instead of `url`, which is then connected to only where it is recorded
    /// (`store`). It has the credentials of `url` unless it carries its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8192)]
    pub detect_url: Option<String>,
    /// What is recorded with `store`: `video` always, `audio` beside it where it is AAC. Both unless told otherwise.
    #[serde(default = "both_media")]
    #[schema(required = false, min_items = 1, max_items = 2)]
    pub media_types: Vec<StreamMedia>,
    /// Whether it is recorded while it is started.
    #[serde(default)]
    #[schema(required = false, default = false)]
    pub store: bool,
    /// How much of the recording is kept, the oldest goes first; needs `store`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = StreamRetention, required = false)]
    pub retention: Option<StreamRetention>,
    /// How packets travel: `tcp` inside the RTSP connection, or `udp` beside it.
    #[serde(default)]
    #[schema(required = false, default = "tcp")]
    pub transport: StreamTransport,
    /// Frames looked at a second, 0.02 to 30; at least one a window, whatever is asked for.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 0.02, maximum = 30, default = 1.0)]
    pub fps: f64,
    /// Seconds after its start at which it stops by itself, 0.1 to 31,536,000. Left out: it goes on until it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.1, maximum = 31_536_000)]
    pub duration: Option<f64>,
    /// The windows of time that scenes describe.
    #[serde(default)]
    #[schema(required = false)]
    pub window: StreamWindow,
    /// What a vision model should say of each window that shows something new, at most 8,192 characters; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8_192)]
    pub prompt: Option<String>,
    /// JSON Schema (2020-12) of an object that each of its answers has to be, at most 32 KiB; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub schema: Option<Value>,
    /// Who describes: `local` (motion, colours, text), `auto` (the first provider that is configured) or a provider's name.
    /// Left out: `auto` with a `prompt` or a `schema`, `local` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub provider: Option<String>,
    /// The provider's model by name, or a tier: `mini`, `basic`, `pro`, `ultra`; `local` has none to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Providers that are asked after the first one fails, in order, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub fallback: Vec<String>,
    /// US dollars that models may cost in an hour of the stream, 0.001 to 10,000: over it they are asked less often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.001, maximum = 10_000)]
    pub budget_usd_per_hour: Option<f64>,
    /// Labels for listing: at most 16 of 1 to 64 bytes.
    #[serde(default)]
    #[schema(required = false, max_items = 16)]
    pub tags: Vec<String>,
    /// Your own JSON object, returned as it came; at most 4 KiB.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    pub metadata: Map<String, Value>,
}

/// What is taken of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamMedia {
    /// Its pictures.
    Video,
    /// Its sound.
    Audio,
}

fn both_media() -> Vec<StreamMedia> {
    vec![StreamMedia::Video, StreamMedia::Audio]
}

fn one() -> f64 {
    1.0
}

static REQUEST: InputSchema = InputSchema::new(schema::of::<StreamRequest>, None);

/// A new stream from what a client sends.
///
/// # Errors
/// Everything that is wrong with it, or no key to seal credentials with.
pub fn check_request(body: &Value, now_ms: u64, with: &Preparation<'_>) -> Result<StreamRecord, Unprepared> {
    let record = StreamRecord {
        settings: read(body)?,
        sealed: None,
        detect_sealed: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        started: false,
        run: 0,
        task: None,
    };
    seal(record, with)
}

/// A stream as it would be after a change: fields that are null get their defaults. Credentials stay unless others are
/// sent, `username` is null, or the URL becomes another.
///
/// # Errors
/// Everything that is wrong with it, or no key to seal credentials with.
pub fn change(
    record: &StreamRecord,
    patch: Map<String, Value>,
    now_ms: u64,
    with: &Preparation<'_>,
) -> Result<StreamRecord, Unprepared> {
    let forget = patch.get("username").is_some_and(Value::is_null);
    let mut whole = match serde_json::to_value(&record.settings) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    merge(&mut whole, patch);
    let settings = read(&Value::Object(whole))?;
    let known = (record.sealed.clone(), record.detect_sealed.clone());
    let (sealed, detect_sealed) = if forget { (None, None) } else { known };
    let changed = StreamRecord {
        // What was sealed for another URL opens for that one only.
        sealed: sealed.filter(|_| settings.url == record.settings.url),
        detect_sealed: detect_sealed.filter(|_| settings.detect_url == record.settings.detect_url),
        settings,
        updated_at_ms: now_ms,
        ..record.clone()
    };
    seal(changed, with)
}

/// The settings of a body that keeps to the schema, and whose fields go together.
fn read(body: &Value) -> Result<StreamRequest, Unprepared> {
    checked(body).map_err(Unprepared::Fields)
}

fn checked(body: &Value) -> Result<StreamRequest, Vec<FieldError>> {
    let request: StreamRequest = REQUEST.check(body)?;
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, detail: &str| {
        errors.push(FieldError {
            pointer,
            detail: detail.to_owned(),
            code: FieldCode::Invalid,
        });
    };
    if !request.media_types.contains(&StreamMedia::Video) {
        wrong("/media_types".to_owned(), "must have `video`");
    }
    for (index, tag) in request.tags.iter().enumerate() {
        if !(1..=MAX_TAG_BYTES).contains(&tag.len()) {
            wrong(format!("/tags/{index}"), "must have 1 to 64 bytes");
        }
    }
    if serde_json::to_vec(&request.metadata).map_or(0, |json| json.len()) > MAX_METADATA_BYTES {
        wrong("/metadata".to_owned(), "must have at most 4 KiB as JSON");
    }
    let mut ingest = ingest_input(&request, &request.url);
    for (name, value) in [("username", &request.username), ("password", &request.password)] {
        if let Some(value) = value {
            ingest.insert(name.to_owned(), json!(value));
        }
    }
    errors.extend(
        (stream_ingest::KIND.check)(&Value::Object(ingest))
            .err()
            .into_iter()
            .flatten(),
    );
    if errors.is_empty() { Ok(request) } else { Err(errors) }
}

/// The input of the task that watches this source with these settings, without credentials.
pub fn ingest_input(settings: &StreamRequest, url: &str) -> Map<String, Value> {
    let window = serde_json::to_value(settings.window).unwrap_or_default();
    let given = [
        ("url", Some(json!(url))),
        ("transport", Some(json!(settings.transport))),
        ("fps", Some(json!(settings.fps))),
        ("window", Some(window)),
        ("duration", settings.duration.map(|seconds| json!(seconds))),
        ("store", settings.store.then_some(json!(true))),
        ("retention", settings.retention.map(|retention| json!(retention))),
        ("prompt", settings.prompt.as_ref().map(|text| json!(text))),
        ("provider", settings.provider.as_ref().map(|name| json!(name))),
        ("schema", settings.schema.clone()),
        ("model", settings.model.as_ref().map(|name| json!(name))),
        (
            "fallback",
            (!settings.fallback.is_empty()).then(|| json!(settings.fallback)),
        ),
        (
            "budget_usd_per_hour",
            settings.budget_usd_per_hour.map(|usd| json!(usd)),
        ),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}

/// RFC 7396: null takes a field away, objects are merged, everything else is replaced.
fn merge(whole: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (whole.get_mut(&name), value) {
            (_, Value::Null) => {
                whole.remove(&name);
            }
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            (_, Value::Object(patch)) => {
                let mut inner = Map::new();
                merge(&mut inner, patch);
                whole.insert(name, Value::Object(inner));
            }
            (_, value) => {
                whole.insert(name, value);
            }
        }
    }
}

/// Judges the URLs, and takes credentials out of them and of their fields.
fn seal(mut record: StreamRecord, with: &Preparation<'_>) -> Result<StreamRecord, Unprepared> {
    let settings = &mut record.settings;
    let (username, password) = (settings.username.take(), settings.password.take());
    let main = source(&settings.url, username, password, with)?;
    settings.url = main.url;
    if main.sealed.is_some() {
        record.sealed = main.sealed;
        record.detect_sealed = None;
    }
    let Some(detect_url) = &settings.detect_url else {
        record.detect_sealed = None;
        return Ok(record);
    };
    let shared = match &record.sealed {
        Some(sealed) if record.detect_sealed.is_none() && !has_user(detect_url) => {
            let opened = stream_source::open_credentials(with.secrets, &settings.url, sealed);
            Some(opened.map_err(Unprepared::Secrets)?)
        }
        _ => None,
    };
    let (username, password) = shared.map_or((None, None), |own| (Some(own.username), Some(own.password)));
    let detect = source(detect_url, username, password, with).map_err(|unprepared| at(unprepared, "/detect_url"))?;
    settings.detect_url = Some(detect.url);
    if detect.sealed.is_some() {
        record.detect_sealed = detect.sealed;
    }
    Ok(record)
}

struct Source {
    url: String,
    sealed: Option<String>,
}

fn source(
    url: &str,
    username: Option<String>,
    password: Option<String>,
    with: &Preparation<'_>,
) -> Result<Source, Unprepared> {
    let mut fields = Map::from_iter([("url".to_owned(), json!(url))]);
    for (name, value) in [("username", username), ("password", password)] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    stream_source::prepare(&mut fields, with)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Source {
        url: text("url").unwrap_or_default(),
        sealed: text(SEALED_FIELD),
    })
}

fn has_user(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// The same mistakes of another field.
fn at(unprepared: Unprepared, pointer: &str) -> Unprepared {
    let Unprepared::Fields(mut errors) = unprepared else {
        return unprepared;
    };
    for error in &mut errors {
        pointer.clone_into(&mut error.pointer);
    }
    Unprepared::Fields(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netguard::{NetGuard, NetGuardConfig};
    use crate::secrets::{self, SecretKeys};

    fn keys() -> SecretKeys {
        SecretKeys::parse(&secrets::generate().unwrap()).unwrap()
    }

    fn with<T>(keys: &SecretKeys, work: impl FnOnce(&Preparation<'_>) -> T) -> T {
        let netguard = NetGuard::new(NetGuardConfig::default());
        work(&Preparation {
            netguard: &netguard,
            secrets: keys,
        })
    }

    fn made(body: &Value, keys: &SecretKeys) -> StreamRecord {
        with(keys, |with| check_request(body, 7, with)).expect("a good request")
    }

    fn changed(record: &StreamRecord, patch: Value, keys: &SecretKeys) -> Result<StreamRecord, Unprepared> {
        let Value::Object(patch) = patch else {
            panic!("an object")
        };
        with(keys, |with| change(record, patch, 9, with))
    }

    fn opened(keys: &SecretKeys, (url, sealed): (&str, Option<&str>)) -> Option<String> {
        let opened = stream_source::open_credentials(keys, url, sealed?).expect("it was sealed for this URL");
        Some(format!("{}:{}", opened.username, opened.password))
    }

    fn pointer(refused: Result<StreamRecord, Unprepared>) -> String {
        match refused {
            Err(Unprepared::Fields(errors)) => errors[0].pointer.clone(),
            other => panic!("{other:?} should be refused"),
        }
    }

    #[test]
    fn credentials_are_sealed_for_both_urls_and_shown_in_neither() {
        let keys = keys();
        let body = json!({"url": "rtsp://alice:s3cret@camera.example.com/main", "detect_url": "rtsp://camera.example.com/sub"});
        let record = made(&body, &keys);
        let stored = serde_json::to_string(&record).unwrap();
        assert!(!stored.contains("s3cret") && !stored.contains("alice"), "{stored}");
        assert_eq!(record.settings.url, "rtsp://camera.example.com/main");
        assert_eq!(opened(&keys, record.watched()).as_deref(), Some("alice:s3cret"));
        assert_eq!(record.watched().0, "rtsp://camera.example.com/sub");
        assert!(record.recorded_apart().is_none(), "nothing is recorded");
        let stored = changed(&record, json!({"store": true}), &keys).unwrap();
        let (url, sealed) = stored.recorded_apart().expect("both are connected to");
        assert_eq!(url, "rtsp://camera.example.com/main");
        assert_eq!(opened(&keys, (url, sealed)).as_deref(), Some("alice:s3cret"));
        assert_eq!(opened(&keys, stored.watched()).as_deref(), Some("alice:s3cret"));
        let own = json!({"url": "rtsp://camera.example.com/a", "username": "u", "password": "p", "detect_url": "rtsp://v:q@camera.example.com/b"});
        assert_eq!(opened(&keys, made(&own, &keys).watched()).as_deref(), Some("v:q"));
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_null_is_the_default() {
        let keys = keys();
        let body = json!({"url": "rtsp://u:p@camera.example.com/a", "name": "gate", "fps": 2, "window": {"size_s": 5, "hop_s": 1}});
        let record = made(&body, &keys);
        let after = changed(
            &record,
            json!({"name": "door", "fps": null, "window": {"hop_s": null}}),
            &keys,
        )
        .unwrap();
        assert_eq!((after.settings.name.as_str(), after.settings.fps), ("door", 1.0));
        assert_eq!((after.settings.window.size_s, after.settings.window.hop_s), (5.0, None));
        assert_eq!((after.created_at_ms, after.updated_at_ms), (7, 9));
        assert_eq!(opened(&keys, after.watched()).as_deref(), Some("u:p"));
    }

    #[test]
    fn credentials_go_with_their_url() {
        let keys = keys();
        let record = made(&json!({"url": "rtsp://u:p@camera.example.com/a"}), &keys);
        let moved = changed(&record, json!({"url": "rtsp://elsewhere.example.com/a"}), &keys).unwrap();
        assert_eq!(moved.sealed, None);
        let forgotten = changed(&record, json!({"username": null}), &keys).unwrap();
        assert_eq!(forgotten.sealed, None);
        let others = changed(&record, json!({"username": "v", "password": "q"}), &keys).unwrap();
        assert_eq!(opened(&keys, others.watched()).as_deref(), Some("v:q"));
        let sub = changed(&record, json!({"detect_url": "rtsp://camera.example.com/sub"}), &keys).unwrap();
        assert_eq!(opened(&keys, sub.watched()).as_deref(), Some("u:p"));
        let rekeyed = changed(&sub, json!({"username": "v", "password": "q"}), &keys).unwrap();
        assert_eq!(opened(&keys, rekeyed.watched()).as_deref(), Some("v:q"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let keys = keys();
        let url = "rtsp://camera.example.com/a";
        let cases = [
            (json!({}), "/url"),
            (json!({"url": "ftp://camera.example.com/a"}), "/url"),
            (json!({"url": "rtsp://169.254.169.254/"}), "/url"),
            (json!({"url": url, "detect_url": "rtsp://127.0.0.1/"}), "/detect_url"),
            (json!({"url": url, "media_types": ["audio"]}), "/media_types"),
            (json!({"url": url, "media_types": []}), "/media_types"),
            (
                json!({"url": url, "window": {"size_s": 60, "hop_s": 1}}),
                "/window/hop_s",
            ),
            (json!({"url": url, "password": "p"}), "/password"),
            (json!({"url": url, "fps": 0}), "/fps"),
            (json!({"url": url, "tags": ["x", ""]}), "/tags/1"),
            (json!({"url": url, "metadata": {"a": "x".repeat(5_000)}}), "/metadata"),
            (json!({"url": url, "sealed": "x"}), "/sealed"),
            (json!({"url": url, "media": {"artifact": "x"}}), "/media"),
        ];
        for (body, at) in cases {
            let refused = with(&keys, |with| check_request(&body, 0, with));
            assert_eq!(pointer(refused), at, "{body}");
        }
        let record = made(&json!({"url": url}), &keys);
        assert_eq!(pointer(changed(&record, json!({"url": null}), &keys)), "/url");
        assert_eq!(pointer(changed(&record, json!({"window": 5}), &keys)), "/window");
    }

    #[test]
    fn without_keys_nothing_is_sealed() {
        let none = SecretKeys::default();
        let body = json!({"url": "rtsp://u:p@camera.example.com/a"});
        let refused = with(&none, |with| check_request(&body, 0, with));
        assert!(matches!(refused, Err(Unprepared::Secrets(_))), "{refused:?}");
        made(&json!({"url": "rtsp://camera.example.com/a"}), &none);
    }
}
