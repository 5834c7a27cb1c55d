//! Every bound of this process, with its unit. A limit that is not written here does not exist.

use std::time::Duration;

/// JSON body and multipart submit without its file, inline base64 included, bytes.
pub(crate) const MAX_JSON_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of a JSON body, levels. `serde_json` stops one level earlier than this number.
pub(crate) const MAX_JSON_DEPTH: usize = 128;
/// Most values in one JSON body: a value costs 32 bytes in memory and may cost 2 on the wire.
pub(crate) const MAX_JSON_VALUES: usize = 250_000;
/// Times that the stream of `RTSP_STREAM_URL` is started anew because earlier ones have ended and are not forgotten yet.
pub(crate) const MAX_BOOT_STREAMS: usize = 1_000;
/// One upload, bytes.
pub(crate) const MAX_UPLOAD_BYTES: u64 = 500 * 1024 * 1024;
/// First bytes of a film that are looked at to tell what it is.
pub(crate) const MAGIC_BYTES: u64 = 64 * 1024;
/// Parts of one multipart body.
pub(crate) const MAX_PARTS: usize = 16;
/// Multipart part `input` or `task`, bytes.
pub(crate) const MAX_PART_JSON_BYTES: usize = 1024 * 1024;
/// All bodies held in memory at a time, bytes. Above it a request is refused with 503.
pub(crate) const BODY_BUDGET_BYTES: usize = 256 * 1024 * 1024;
/// Longest silence inside a body.
pub(crate) const BODY_IDLE: Duration = Duration::from_secs(30);
/// Longest a JSON or multipart body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest an upload may take to arrive.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// What is still read of a body that is too large, so that its sender sees the answer and not a reset.
pub(crate) const DISCARD_BYTES: u64 = 64 * 1024 * 1024;
/// Longest such reading.
pub(crate) const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest a request's head may take to arrive; also how long a kept-alive connection may idle.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Head of a request, bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Header fields of a request.
pub(crate) const MAX_HEADERS: usize = 100;
/// Connections at a time; more wait in the listener's backlog.
pub(crate) const MAX_CONNECTIONS: usize = 8_192;
/// How long open requests may go on once the process is asked to stop.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_secs(20);

/// Longest `wait`, and the largest value it is cut to.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);
/// Requests that wait at a time; one more is answered at once, as if it had not asked to wait.
pub(crate) const MAX_LONG_POLLS: usize = 10_000;
/// Longest a frame may take to be described for a caller that waits.
pub(crate) const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest a worker may take to list its voices for a caller that waits, and how long its list is kept.
pub(crate) const VOICES_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const VOICES_CACHE: Duration = Duration::from_mins(10);
/// Longest a source may be tried for a caller that waits: the task's own bounds are shorter.
pub(crate) const STREAM_TEST_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest wait for a stream's task to end once it was told to: a lease, and what finds that it is over.
pub(crate) const STREAM_STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a picture of a stream.
pub(crate) const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest picture of a stream, bytes.
pub(crate) const MAX_SNAPSHOT_BYTES: u64 = 32 * 1024 * 1024;
/// Times that a change of a stream is tried again because others change it, too.
pub(crate) const MAX_STREAM_RACES: usize = 50;
/// Streams that one page looks at, and at a time; a filter may leave few of them.
pub(crate) const MAX_STREAM_SCAN: usize = 1_000;
/// Days of usage that are told where none are asked for.
pub(crate) const USUAL_USAGE_DAYS: u16 = 30;
/// Days of tenants that are read for one answer about usage, how many tenants at a time, and most items in it.
pub(crate) const MAX_USAGE_READS: usize = 10_000;
pub(crate) const USAGE_READS_AT_ONCE: usize = 16;
pub(crate) const MAX_USAGE_ITEMS: usize = 5_000;
/// Event streams and web sockets at a time; one more is refused with 503.
pub(crate) const MAX_LIVE_CLIENTS: usize = 4_000;
/// Tasks that one WebSocket follows.
pub(crate) const MAX_LIVE_SUBSCRIPTIONS: usize = 64;
/// One message of a WebSocket's client, bytes.
pub(crate) const MAX_SOCKET_MESSAGE_BYTES: usize = 64 * 1024;
/// What a WebSocket may hold of messages that it was given to send, bytes.
pub(crate) const MAX_SOCKET_BUFFER_BYTES: usize = 1024 * 1024;
/// Chunks of output read for a live client at a time: with the task itself less than 1 MiB.
pub(crate) const LIVE_PAGE: usize = 8;
/// After this time a live connection's key is looked at again: with the age of what is known of keys, and the time to
/// the next look at its task, it is cut off within 5 s of its revocation.
pub(crate) const LIVE_RECHECK: Duration = Duration::from_secs(2);
/// Longest silence on a live connection.
pub(crate) const LIVE_HEARTBEAT: Duration = Duration::from_secs(15);
/// A WebSocket whose client takes nothing for this long is closed.
pub(crate) const LIVE_STALL: Duration = Duration::from_secs(20);
/// Viewers of streams at a time, and of one stream; one more is refused with 503.
pub(crate) const MAX_VIEWERS: usize = 1_000;
pub(crate) const MAX_STREAM_VIEWERS: usize = 100;
/// A viewer that takes longer than this for a single frame is closed.
pub(crate) const VIEW_STALL: Duration = Duration::from_secs(60);
/// A watched stream that is said to be connected is not shown as such after this long without a frame.
pub(crate) const VIEW_SILENCE: Duration = Duration::from_secs(5);
/// What the system holds of a connection that was not sent yet, bytes. More would make slow viewers watch what was long ago.
pub(crate) const MAX_UNSENT_BYTES: u32 = 128 * 1024;
/// How long such a client has to take the reason.
pub(crate) const LIVE_CLOSE_GRACE: Duration = Duration::from_secs(2);
/// A connection whose client takes nothing of an answer for this long is cut off. Longer than `LIVE_STALL` and
/// `LIVE_CLOSE_GRACE` together: a WebSocket is told why.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);
/// Longest a request may take that neither waits nor moves a body.
pub(crate) const HANDLER_TIMEOUT: Duration = Duration::from_secs(60);

/// Page of a listing, tasks.
pub(crate) const DEFAULT_PAGE: usize = 50;
/// Attempts a client may ask for.
pub(crate) const MAX_ATTEMPTS: u32 = 20;
/// Furthest `delay` or `run_at`.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);
/// Longest `expires_in`: it has to be longer than the delay.
pub(crate) const MAX_EXPIRES_IN: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest `timeout` of an attempt.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Labels of a task.
pub(crate) const MAX_TAGS: usize = 16;
/// One label, bytes.
pub(crate) const MAX_TAG_BYTES: usize = 64;
/// `metadata` as compact JSON, bytes.
pub(crate) const MAX_METADATA_BYTES: usize = 4 * 1024;
/// `Idempotency-Key`, bytes.
pub(crate) const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long uploads and inline media are kept.
pub(crate) const ARTIFACT_TTL: Duration = Duration::from_secs(24 * 3600);

/// API keys that are kept, revoked ones included: every api knows all of them.
pub(crate) const MAX_API_KEYS: usize = 1_000;
/// How long the keys are believed to be unchanged; a revocation is felt within 5 s.
pub(crate) const API_KEY_CACHE: Duration = Duration::from_secs(2);
/// Longest that reading the keys may take.
pub(crate) const API_KEY_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests a second with one key, unless it says otherwise; twice as many at once.
pub(crate) const DEFAULT_REQUESTS_PER_SECOND: u32 = 100;
/// Most that a key may say.
pub(crate) const MAX_REQUESTS_PER_SECOND: u32 = 10_000;
/// Wrong keys a second that are answered 401; more are 429.
pub(crate) const WRONG_KEYS_PER_SECOND: u32 = 10;
/// Name of an API key, characters.
pub(crate) const MAX_KEY_NAME_CHARS: usize = 100;
/// Furthest expiry of an API key: ten years.
pub(crate) const MAX_KEY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// Longest part of a recording that is listed at a time, and what is listed where none is named.
pub(crate) const LISTED_RECORDING: Duration = Duration::from_hours(7 * 24);
pub(crate) const USUAL_LISTED_RECORDING: Duration = Duration::from_hours(24);
/// Longest part of a recording that is played or exported at a time.
pub(crate) const PLAYED_RECORDING: Duration = Duration::from_hours(24);
/// How far back the playlist of what is going on now looks for segments.
pub(crate) const LIVE_PLAYLIST: Duration = Duration::from_mins(5);
/// How long a signed URL plays.
pub(crate) const GRANT_TTL: Duration = Duration::from_hours(1);

/// Pause between two sweeps of expired artifacts.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long an answer about the state of Redis, workers and queues is reused.
pub(crate) const HEALTH_CACHE: Duration = Duration::from_secs(1);
/// Longest one health check may take.
pub(crate) const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// First and longest pause between attempts to connect to Redis.
pub(crate) const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Work on more bytes than this leaves the threads that serve requests.
pub(crate) const INLINE_CPU_BYTES: usize = 64 * 1024;
