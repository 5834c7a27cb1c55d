//! `stream_ingest`: watches a live stream or a video and describes it window by window.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{FieldCode, FieldError, Kind, MediaField, Policy, Slot};
use crate::media::{MAX_VIDEO_BYTES, MediaRef, VIDEO_TYPES};
use crate::netguard::MAX_URL_CHARS;
use crate::recordings::StreamRetention;
use crate::schema::{self, InputSchema, answer};
pub use crate::stream_model::{StreamModelCounts, WhyLocal};
use crate::stream_source;
use crate::streams::{STREAM_FIELD, StreamOf};
use crate::tasks::image_analysis::Color;
use crate::usage::{FellBack, Usage};

/// Most frames a second that can be asked for.
pub const MAX_FPS: f64 = 30.0;
/// A window may overlap this many others at most.
const MAX_OVERLAP: f64 = 10.0;
/// The describer of this machine, which needs no provider.
pub const LOCAL: &str = "local";

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "stream_ingest",
    summary: "Watches an RTSP, RTMP or HLS stream or a video and describes it, one scene for every window of time",
    slot: Slot::Stream,
    cost: 1,
    policy: Policy {
        // Another worker should be at work within 20 s of a death, connecting included.
        lease: std::time::Duration::from_secs(10),
        live: true,
        ..Policy::DEFAULT
    },
    media: Some(MediaField {
        name: "media",
        accepts: VIDEO_TYPES,
        max_bytes: MAX_VIDEO_BYTES,
    }),
    check,
    prepare: Some(stream_source::prepare),
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<StreamIngestOutput>,
    example: || json!({"url": "rtsp://camera.example.com/live", "fps": 1, "duration": 60, "window": {"size_s": 10}}),
};

/// What `stream_ingest` takes: exactly one of `url` and `media`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamIngestInput {
    /// A live stream, `rtsp://host[:port]/path`, `rtmp://host[:port]/app/stream` or an HLS playlist, `https://host/path.m3u8`: H.264 or H.265. A user name and
    /// password in it are taken out, sealed and never shown; RTMP has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8192)]
    pub url: Option<String>,
    /// A video: MP4, MOV, Matroska, ``WebM`` or AVI, at most 500 MB. It is read as fast as it decodes, or in `realtime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MediaRef, required = false)]
    pub media: Option<MediaRef>,
    /// Whether `media` is read no faster than it plays, as if it were live: for demonstrations and tests, and where each
    /// scene is to come when its time in the video does. A `url` is always read in real time.
    #[serde(default)]
    #[schema(default = false)]
    pub realtime: bool,
    /// How a live stream's packets travel: `tcp` inside the RTSP connection, or `udp` beside it. RTMP and HLS have `tcp` alone.
    #[serde(default)]
    #[schema(default = "tcp")]
    pub transport: StreamTransport,
    /// User name for `url`, basic or digest; of HLS for the host of `url` alone. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    pub username: Option<String>,
    /// Password for `url`. Sealed before it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 1024)]
    pub password: Option<String>,
    /// Frames looked at a second of the stream, 0.02 to 30; at least one a window, whatever is asked for.
    #[serde(default = "one")]
    #[schema(minimum = 0.02, maximum = 30, default = 1.0)]
    pub fps: f64,
    /// Seconds after which it ends by itself, 0.1 to 31,536,000. Left out: until it is canceled, or the video ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.1, maximum = 31_536_000)]
    pub duration: Option<f64>,
    /// The windows of time that scenes describe.
    #[serde(default)]
    pub window: StreamWindow,
    /// Whether the live stream is recorded, as it comes: video is never encoded again. What is recorded is played and
    /// exported under `/api/v1/streams/{id}`, and outlives the task.
    #[serde(default)]
    #[schema(default = false)]
    pub store: bool,
    /// How much of the recording is kept, the oldest goes first; needs `store`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = StreamRetention, required = false)]
    pub retention: Option<StreamRetention>,
    /// What a vision model should say of each window that shows something new, at most 8,192 characters; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 8_192)]
    pub prompt: Option<String>,
    /// JSON Schema (2020-12) of an object that each of its answers has to be, at most 32 KiB; needs a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub schema: Option<Value>,
    /// Who describes: `local` (motion, colours, text), `auto` (the first provider that is configured) or a provider's name.
    /// Left out: `auto` with a `prompt` or a `schema`, `local` without. Whatever no provider describes `local` does.
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
    /// US dollars that models may cost in an hour of the stream, 0.001 to 10,000. Windows over it are described locally, so
    /// that a model is asked less often; the stream goes on. Needs models with a price. Left out: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.001, maximum = 10_000)]
    pub budget_usd_per_hour: Option<f64>,
}

impl StreamIngestInput {
    /// Whether a model is to describe it.
    pub fn wants_model(&self) -> bool {
        match self.provider.as_deref() {
            Some(provider) => provider != LOCAL,
            None => self.is_asking(),
        }
    }

    /// Whether something is wanted to be known that only a model can tell.
    pub fn is_asking(&self) -> bool {
        self.prompt.is_some() || self.schema.is_some()
    }
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamTransport {
    /// Inside the RTSP connection.
    #[default]
    Tcp,
    /// As datagrams from the server's own address.
    Udp,
}

/// Windows of time: one of `size_s` seconds begins every `hop_s` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamWindow {
    /// Length, seconds, 0.2 to 3,600.
    #[serde(default = "ten")]
    #[schema(minimum = 0.2, maximum = 3600, default = 10.0)]
    pub size_s: f64,
    /// Seconds from the start of one to the start of the next, 0.2 to 3,600 and at least a tenth of `size_s`. Left
    /// out: `size_s`, so that they touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, minimum = 0.2, maximum = 3600)]
    pub hop_s: Option<f64>,
    /// Frames that a scene is made of at most, 1 to 256, spread over the window. Left out: all that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 256)]
    pub frame_count: Option<u32>,
}

impl Default for StreamWindow {
    fn default() -> Self {
        Self {
            size_s: ten(),
            hop_s: None,
            frame_count: None,
        }
    }
}

impl StreamWindow {
    /// Seconds from the start of one window to the start of the next.
    pub fn hop(&self) -> f64 {
        self.hop_s.unwrap_or(self.size_s)
    }
}

fn one() -> f64 {
    1.0
}

fn ten() -> f64 {
    10.0
}

/// What `stream_ingest` answers when it ends by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamIngestOutput {
    /// Why it ended: `duration` or `end_of_file`.
    pub ended_by: StreamEnd,
    /// Everything that was counted, over all workers that had the stream.
    pub counts: StreamCounts,
    /// Time of the stream from its first to its last frame, milliseconds.
    pub stream_ms: u64,
    /// Time from the submit to the end for live streams, of the work for videos, milliseconds.
    pub duration_ms: u64,
    /// Who described it: the provider that described a window last, or `local` if none did.
    pub provider: String,
    /// The model that did, or names of the engines used.
    pub model: String,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// The `duration` asked for is over.
    Duration,
    /// The video, or the HLS playlist, is at its end.
    EndOfFile,
}

/// What is counted of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StreamCounts {
    /// Pictures that arrived, compressed.
    pub packets: u64,
    /// Frames looked at.
    pub frames: u64,
    /// Frames that showed something new and were analysed.
    pub passed: u64,
    /// Frames in which nothing moved.
    pub still: u64,
    /// Frames that looked like the last analysed one.
    pub duplicate: u64,
    /// Scenes written.
    pub scenes: u64,
    /// What was lost, by cause.
    pub drops: StreamDrops,
    /// Connections that ended and were made again, by cause.
    pub reconnects: StreamReconnects,
    /// Times that media children died at this stream's pictures.
    pub decoder_crashes: u64,
    /// Windows that a model was to describe, by what became of them.
    pub model: StreamModelCounts,
}

/// Lost pictures, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StreamDrops {
    /// Packets of the network that never arrived; segments of HLS that could not be had.
    pub network_loss: u64,
    /// Pictures skipped up to the next key frame because decoding did not keep up.
    pub decoder_behind: u64,
    /// Pictures that could not be decoded until the next key frame came.
    pub awaiting_key: u64,
    /// Pictures that were damaged or did not decode.
    pub decode_errors: u64,
    /// Frames dropped, oldest first, because describing did not keep up.
    pub describer_behind: u64,
    /// Frames that came after their window was described: the source sent them late, or decoding did not keep up.
    pub late: u64,
    /// Pictures that were not recorded, up to the next key frame, because the store did not keep up.
    pub recorder_behind: u64,
}

/// Ended connections, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StreamReconnects {
    /// The credentials were refused.
    pub auth: u64,
    /// The server knows no such path.
    pub not_found: u64,
    /// Nobody listens.
    pub refused: u64,
    /// No answer, or no more pictures.
    pub timeout: u64,
    /// TLS failed.
    pub tls: u64,
    /// No codec that we take, or nothing that decodes.
    pub codec: u64,
    /// Any other failure, the end of the connection included.
    pub network: u64,
}

/// One window described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scene {
    /// Stable: the task's id and the window's number.
    pub id: String,
    /// Position in the task's output; rises, with gaps where there was no picture.
    pub seq: u64,
    /// Start, milliseconds: of the film for videos, from the submit for live streams.
    pub start_ms: u64,
    /// End, milliseconds.
    pub end_ms: u64,
    /// Start by the clock, RFC 3339; for videos, when the scene was made.
    pub wall_start: String,
    /// What is seen, in a sentence; a model's answer where one describes, at most 4,096 characters of it.
    pub description: String,
    /// The model's answer as JSON, where a schema was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub structured: Option<Value>,
    /// Who says so: a provider, or `local`.
    pub provider: String,
    /// The model, or names of the engines used.
    pub model: String,
    /// Why it is described locally although a model was to describe it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = WhyLocal, required = false)]
    pub why_local: Option<WhyLocal>,
    /// Providers that were asked for this window in vain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_back: Vec<FellBack>,
    /// What the model's answer used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Usage, required = false)]
    pub usage: Option<Usage>,
    /// Largest share of the picture that moved, 0 to 1.
    pub motion: f32,
    /// Text that was read, lines ending with `\n`; empty if there was none or nothing new was seen.
    pub text: String,
    /// Dominant colours of the newest picture that was analysed, largest share first.
    pub colors: Vec<Color>,
    /// Frames that it is made of.
    pub frame_count: u32,
    /// Everything that was counted by the end of this window.
    pub totals: StreamCounts,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<StreamIngestInput>, Some("media"));

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    let typed: StreamIngestInput = INPUT.check(input)?;
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, code: FieldCode, detail: &str| {
        errors.push(FieldError {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
            code,
        });
    };
    match (&typed.url, &typed.media) {
        (None, None) => wrong(
            "/url",
            FieldCode::MediaMissing,
            "is required: send `url` (rtsp://..., rtmp://... or an HLS playlist) for a live stream, or `media` for a video",
        ),
        (Some(_), Some(_)) => wrong("/media", FieldCode::Invalid, "send `url` or `media`, not both"),
        _ => {}
    }
    if typed.url.is_none() && (typed.username.is_some() || typed.password.is_some()) {
        wrong("/username", FieldCode::Invalid, "belongs to `url`, which is not there");
    }
    if typed.password.is_some() && typed.username.is_none() {
        wrong("/password", FieldCode::Invalid, "needs `username` beside it");
    }
    if typed.store && typed.url.is_none() {
        wrong(
            "/store",
            FieldCode::Invalid,
            "belongs to a live stream, `url`: a video is there already",
        );
    }
    if typed.realtime && typed.media.is_none() {
        wrong(
            "/realtime",
            FieldCode::Invalid,
            "belongs to `media`: a live stream is read in real time by itself",
        );
    }
    if typed.retention.is_some() && !typed.store {
        wrong("/retention", FieldCode::Invalid, "needs `store` beside it");
    }
    if typed.window.hop() < typed.window.size_s / MAX_OVERLAP {
        wrong(
            "/window/hop_s",
            FieldCode::Invalid,
            "must be at least a tenth of size_s",
        );
    }
    check_model(&typed, &mut wrong);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// What belongs to a model, where there is none.
fn check_model(typed: &StreamIngestInput, wrong: &mut impl FnMut(&str, FieldCode, &str)) {
    let needless = "has no effect on a stream that is described locally: it needs `prompt`, `schema` or a `provider`";
    let local = typed.provider.as_deref() == Some(LOCAL);
    let question = "needs a model, and `provider` is `local`, which answers no questions";
    let given = [
        ("/prompt", typed.prompt.is_some() && local, question),
        ("/schema", typed.schema.is_some() && local, question),
        ("/model", typed.model.is_some() && !typed.wants_model(), needless),
        (
            "/fallback",
            !typed.fallback.is_empty() && !typed.wants_model(),
            needless,
        ),
        (
            "/budget_usd_per_hour",
            typed.budget_usd_per_hour.is_some() && !typed.wants_model(),
            needless,
        ),
    ];
    for (pointer, is_wrong, detail) in given {
        if is_wrong {
            wrong(pointer, FieldCode::Invalid, detail);
        }
    }
    if let Some(mistake) = typed.schema.as_ref().and_then(answer::mistake) {
        wrong("/schema", FieldCode::Invalid, &mistake);
    }
}

/// An input as it is stored: credentials sealed.
#[derive(Debug, Clone)]
pub struct StoredStreamIngest {
    /// The input without credentials.
    pub input: StreamIngestInput,
    /// The credentials as [`stream_source::open_credentials`] takes them.
    pub sealed: Option<String>,
    /// The stream record that it was made for; a task that a client submits has none.
    pub stream: Option<StreamOf>,
}

impl StoredStreamIngest {
    /// Reads what [`stream_source::prepare`] made.
    ///
    /// # Errors
    /// What does not fit.
    pub fn parse(stored: &str) -> Result<Self, serde_json::Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(stored)?;
        let sealed = match fields.remove(stream_source::SEALED_FIELD) {
            Some(Value::String(sealed)) => Some(sealed),
            _ => None,
        };
        let stream = fields.remove(STREAM_FIELD).map(serde_json::from_value).transpose()?;
        let input = serde_json::from_value(Value::Object(fields))?;
        Ok(Self { input, sealed, stream })
    }
}

const _: () = assert!(MAX_URL_CHARS == 8192, "the schema of `url` says the same number");

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(more: &Value) -> Vec<String> {
        let mut input = json!({"url": "rtsp://camera.example.com/live"});
        let fields = more.as_object().expect("fields").clone();
        input.as_object_mut().expect("an object").extend(fields);
        let errors = check(&input).err().unwrap_or_default();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_prompt_takes_a_provider_and_what_a_model_costs_takes_a_model() {
        let schema = json!({"type": "object", "properties": {}});
        for fine in [
            json!({"prompt": "Is the gate open?", "budget_usd_per_hour": 0.5}),
            json!({"schema": schema, "model": "mini", "fallback": ["gemini"]}),
            json!({"provider": "openai", "budget_usd_per_hour": 10_000}),
            json!({"provider": "local"}),
        ] {
            assert_eq!(mistakes(&fine), [""; 0], "{fine}");
        }
        for (wrong, pointer) in [
            (json!({"prompt": "Who is it?", "provider": "local"}), "/prompt"),
            (json!({"prompt": ""}), "/prompt"),
            (json!({"schema": {"type": "array"}}), "/schema"),
            (json!({"model": "mini"}), "/model"),
            (json!({"fallback": ["gemini"]}), "/fallback"),
            (json!({"budget_usd_per_hour": 1}), "/budget_usd_per_hour"),
            (json!({"prompt": "x", "budget_usd_per_hour": 0}), "/budget_usd_per_hour"),
            (
                json!({"prompt": "x", "budget_usd_per_hour": -1.5}),
                "/budget_usd_per_hour",
            ),
            (
                json!({"prompt": "x", "budget_usd_per_hour": "1"}),
                "/budget_usd_per_hour",
            ),
        ] {
            assert_eq!(mistakes(&wrong), [pointer], "{wrong}");
        }
    }

    #[test]
    fn a_scene_of_an_earlier_build_is_read() {
        let counts: StreamCounts = serde_json::from_value(json!({"scenes": 3})).expect("counts may have fewer fields");
        assert_eq!((counts.scenes, counts.model), (3, StreamModelCounts::default()));
    }
}
