//! Every setting with its default and unit. `.env.example` shows the same, and a test holds the two together.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;
use zoetrope_queue::ConnectOptions;

use super::error::ConfigError;
use super::provider_bounds::{self, ProviderBounds};
use super::providers::{self, ProviderSettings};
use super::reader::Reader;
use super::redis::RedisSettings;
use super::secret::Secret;
use super::sources::Sources;
use super::traces::TraceSettings;
use super::{redis, traces, value, warnings};
use crate::recordings::MAX_RECORDING_HOURS;
use crate::secrets::SecretKeys;
use crate::tasks::Kind;

/// The settings of a process.
#[derive(Clone)]
pub struct Settings {
    /// `HOST`: address that the api and the worker's health port listen on. Default 127.0.0.1.
    pub host: IpAddr,
    /// `PORT`: of the api. Default 8000; 0 takes any free one.
    pub port: u16,
    /// `WORKER_PORT`: of a worker's health and metrics. Default 8001; 0 takes any free one.
    pub worker_port: u16,
    /// `AUTH`: `on`, or `none` to ignore credentials. Default on.
    pub auth: AuthMode,
    /// `ALLOWED_ORIGINS`: browsers' origins, between commas. Default: only our own.
    pub allowed_origins: Vec<String>,
    /// `PUBLIC_URL`: the api as others reach it; webhooks there are refused. Default: none.
    pub public_url: Option<String>,
    /// `SERVER_URL`: the api, for the command line. Default <http://127.0.0.1:8000>.
    pub server_url: String,
    /// `ZOETROPE_API_KEY`: the key that the command line shows. Default: none.
    pub api_key: Option<Secret>,

    /// `REDIS_URL`, or made of `REDIS_HOST` and `REDIS_PORT`. Default <redis://127.0.0.1:6379>.
    pub redis_url: String,
    /// `LIVE_REDIS_URL`: the Redis that frames for viewers pass through. Default: that of `REDIS_URL`.
    pub live_redis_url: Option<String>,
    /// `REDIS_*`: how to log in there.
    pub redis_access: RedisSettings,
    /// `DATA_DIR`: everything that is kept on this machine. Default `./data`; absolute here.
    pub data_dir: PathBuf,
    /// `ARTIFACTS_URL`: `file:///dir` or `s3://bucket/prefix`. Default `artifacts` in `DATA_DIR`.
    pub artifacts_url: String,
    /// `AWS_*`: used when `ARTIFACTS_URL` is `s3://`.
    pub aws: AwsSettings,

    /// `MAX_WORKERS`: slots of class cpu in a worker. Default: the number of cores.
    pub max_workers: u32,
    /// `WORKER_IO_SLOTS`: slots of class io. Default 64.
    pub io_slots: u32,
    /// `WORKER_STREAM_SLOTS`: slots of class stream. Default 64.
    pub stream_slots: u32,
    /// `WORKER_KINDS`: kinds that this worker runs, between commas. Default: all.
    pub worker_kinds: Option<Vec<String>>,
    /// `PROCESSING_TIMEOUT`: deadline of an attempt of kinds that name none, seconds. Default 300.
    pub processing_timeout: Duration,
    /// `LEASE_SECONDS`: how long a silent worker keeps an attempt. Default: as the kind says, which is 15.
    pub lease: Option<Duration>,
    /// `DRAIN_SECONDS`: how long running attempts may go on after a signal. Default 30.
    pub drain: Duration,

    /// `SECRETS_KEYS`: keys that seal stored credentials, between commas, newest first. Default: none.
    pub secrets_keys: Option<Secret>,
    /// `RECORDING_MAX_HOURS`: how long recordings are kept that say nothing themselves. Default 168, a week.
    pub recording_max_hours: f64,
    /// `RECORDING_MAX_BYTES`: bytes kept of each of them. Default 50 GiB.
    pub recording_max_bytes: u64,
    /// `RECORDING_MAX_TENANT_BYTES`: bytes that all recordings of a tenant may take; the oldest go first. Default: no bound.
    pub recording_max_tenant_bytes: Option<u64>,
    /// `RECORDING_MAX_DISK_PERCENT`: recordings do not start on a disk that is as full as this. Default 95.
    pub recording_max_disk_percent: f64,
    /// `MEDIA_SIGNING_KEY`: signs media URLs. Default: none.
    pub media_signing_key: Option<Secret>,
    /// `NETGUARD_ALLOW_CIDRS`: private ranges that user URLs may reach, between commas. Default: none.
    pub netguard_allow_cidrs: Vec<IpNet>,
    /// Providers of AI services; a key switches its provider on.
    pub providers: ProviderSettings,
    /// `SPEND_CAP_*`, `PROVIDER_LIMITS`: what calls to them are bounded by.
    pub provider_bounds: ProviderBounds,

    /// `RTSP_STREAM_URL`: a stream that is described from boot on; hidden, for it may hold a password. Default: none.
    pub rtsp_stream_url: Option<Secret>,
    /// `FRAME_RATE`: frames a second that are described of it. Default 1.
    pub frame_rate: f64,
    /// `MAX_STREAMS`: streams that a tenant may have, started or not. Default 1000.
    pub max_streams: u32,
    /// `RTSP_PROMPT`: what a vision model should say of it. Default: none, described locally.
    pub rtsp_prompt: Option<String>,
    /// `RTSP_BUDGET_USD_PER_HOUR`: what models may cost it in an hour, US dollars. Default: no bound.
    pub rtsp_budget_usd_per_hour: Option<f64>,

    /// `RUST_LOG`: what is logged. Default `info`.
    pub log_filter: String,
    /// `LOG_FORMAT`: `text` or `json`. Default text.
    pub log_format: LogFormat,
    /// `OTEL_*`: where traces go. Default: nowhere.
    pub traces: TraceSettings,

    /// Settings that contradict each other; logged at boot.
    pub warnings: Vec<String>,
}

/// Whether callers must show credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// As the api's rules say.
    On,
    /// Credentials are ignored; everybody is tenant `default`.
    None,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The bucket's access.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// `AWS_ACCESS_KEY_ID`. Default: the machine's role.
    pub access_key_id: Option<Secret>,
    /// `AWS_SECRET_ACCESS_KEY`. Default: the machine's role.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`. Default: none.
    pub session_token: Option<Secret>,
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`. Default us-east-1.
    pub region: String,
    /// `AWS_ENDPOINT_URL`: another S3-compatible server. Default: Amazon's.
    pub endpoint_url: Option<String>,
    /// `AWS_ALLOW_HTTP`: `true` lets the endpoint be `http://`. Default false.
    pub allow_http: bool,
}

impl Settings {
    /// Reads the settings of this process.
    pub fn load() -> Result<Self, ConfigError> {
        Self::from_sources(&Sources::of_process()?)
    }

    /// Reads the settings from given sources.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let reader = Reader::new(sources)?;
        let settings = Self::read(&reader)?;
        reader.refuse_unknown()?;
        Ok(settings)
    }

    /// The name of every setting, in capitals.
    pub fn names() -> Vec<&'static str> {
        let sources = Sources::default();
        let reader = Reader::new(&sources).expect("empty sources should be readable");
        Self::read(&reader).expect("the defaults should be valid");
        reader.names()
    }

    /// How long a silent worker keeps an attempt of this kind.
    pub fn lease_of(&self, kind: &Kind) -> Duration {
        self.lease.unwrap_or(kind.policy.lease)
    }

    /// Deadline of an attempt of this kind, unless its submit says otherwise.
    pub fn timeout_of(&self, kind: &Kind) -> Option<Duration> {
        if kind.policy.live {
            None
        } else {
            Some(kind.policy.timeout.unwrap_or(self.processing_timeout))
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ConfigError> {
        const DAY: u64 = 86_400;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let data_dir = absolute(from.or("DATA_DIR", "./data".to_owned(), value::text)?);
        let artifacts_url = from.or("ARTIFACTS_URL", file_url(&data_dir), value::url(&["file", "s3"]))?;
        let mut settings = Self {
            host: from.or("HOST", IpAddr::V4(Ipv4Addr::LOCALHOST), value::address)?,
            port: from.or("PORT", 8000, value::number(0..=u16::MAX))?,
            worker_port: from.or("WORKER_PORT", 8001, value::number(0..=u16::MAX))?,
            auth: from.or(
                "AUTH",
                AuthMode::On,
                value::word(&[("on", AuthMode::On), ("none", AuthMode::None)]),
            )?,
            allowed_origins: from.or("ALLOWED_ORIGINS", Vec::new(), value::list(value::origin))?,
            public_url: from.optional("PUBLIC_URL", value::url(&["http", "https"]))?,
            server_url: from.or(
                "SERVER_URL",
                "http://127.0.0.1:8000".to_owned(),
                value::url(&["http", "https"]),
            )?,
            api_key: from.optional("ZOETROPE_API_KEY", value::secret)?,
            redis_url: redis::url(from)?,
            live_redis_url: redis::live_url(from)?,
            redis_access: redis::read(from)?,
            data_dir,
            artifacts_url,
            aws: aws(from)?,
            max_workers: from.or(
                "MAX_WORKERS",
                u32::try_from(cores).unwrap_or(1),
                value::number(1..=1024),
            )?,
            io_slots: from.or("WORKER_IO_SLOTS", 64, value::number(1..=65_536))?,
            stream_slots: from.or("WORKER_STREAM_SLOTS", 64, value::number(1..=65_536))?,
            worker_kinds: from
                .optional("WORKER_KINDS", value::list(value::kind))?
                .filter(|kinds| !kinds.is_empty()),
            processing_timeout: from.or("PROCESSING_TIMEOUT", Duration::from_mins(5), value::duration(1..=DAY))?,
            lease: from.optional("LEASE_SECONDS", value::duration(1..=3_600))?,
            drain: from.or("DRAIN_SECONDS", Duration::from_secs(30), value::duration(0..=DAY))?,
            secrets_keys: from.optional("SECRETS_KEYS", value::secret_keys)?,
            recording_max_hours: from.or("RECORDING_MAX_HOURS", 168.0, value::number(0.01..=MAX_RECORDING_HOURS))?,
            recording_max_bytes: from.or("RECORDING_MAX_BYTES", 50 << 30, value::number(100_000..=u64::MAX / 2))?,
            recording_max_tenant_bytes: from
                .optional("RECORDING_MAX_TENANT_BYTES", value::number(100_000..=u64::MAX / 2))?,
            recording_max_disk_percent: from.or("RECORDING_MAX_DISK_PERCENT", 95.0, value::number(1.0..=101.0))?,
            media_signing_key: from.optional("MEDIA_SIGNING_KEY", value::secret)?,
            netguard_allow_cidrs: from.or("NETGUARD_ALLOW_CIDRS", Vec::new(), value::list(value::cidr))?,
            providers: providers::read(from)?,
            provider_bounds: provider_bounds::read(from)?,
            rtsp_stream_url: from
                .optional("RTSP_STREAM_URL", value::url(&["rtsp", "rtsps"]))?
                .map(Secret::new),
            frame_rate: from.or("FRAME_RATE", 1.0, value::number(0.01..=60.0))?,
            max_streams: from.or("MAX_STREAMS", 1_000, value::number(1..=100_000))?,
            rtsp_prompt: from.optional("RTSP_PROMPT", value::text)?,
            rtsp_budget_usd_per_hour: from.optional("RTSP_BUDGET_USD_PER_HOUR", value::number(0.001..=10_000.0))?,
            log_filter: from.or("RUST_LOG", "info".to_owned(), value::text)?,
            log_format: from.or(
                "LOG_FORMAT",
                LogFormat::Text,
                value::word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            )?,
            traces: traces::read(from)?,
            warnings: Vec::new(),
        };
        settings.warnings = warnings::of(&settings, from);
        Ok(settings)
    }

    /// How to connect to Redis.
    pub fn redis(&self) -> ConnectOptions {
        self.redis_access.options(&self.redis_url)
    }

    /// How to connect to the Redis that frames for viewers pass through. Another one than the queue's has its login in its URL.
    pub fn live_redis(&self) -> ConnectOptions {
        match &self.live_redis_url {
            Some(url) => self.redis_access.options_elsewhere(url),
            None => self.redis(),
        }
    }

    /// The keys of `SECRETS_KEYS`; none if it is not set.
    pub fn secret_keys(&self) -> SecretKeys {
        let parsed = self.secrets_keys.as_ref().map(|keys| SecretKeys::parse(keys.expose()));
        parsed.and_then(Result::ok).unwrap_or_default()
    }

    /// The settings for people, secrets and passwords hidden: name and value, in the order of the documentation.
    pub fn redacted(&self) -> Vec<(&'static str, String)> {
        super::redacted::of(self)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.redacted()).finish()
    }
}

/// The bucket's access alone, for whoever opens a bucket without the other settings.
pub fn aws_settings() -> Result<AwsSettings, ConfigError> {
    aws(&Reader::new(&Sources::of_process()?)?)
}

fn aws(from: &Reader<'_>) -> Result<AwsSettings, ConfigError> {
    let fallback = from.or("AWS_DEFAULT_REGION", "us-east-1".to_owned(), value::text)?;
    Ok(AwsSettings {
        access_key_id: from.optional("AWS_ACCESS_KEY_ID", value::secret)?,
        secret_access_key: from.optional("AWS_SECRET_ACCESS_KEY", value::secret)?,
        session_token: from.optional("AWS_SESSION_TOKEN", value::secret)?,
        region: from.or("AWS_REGION", fallback, value::text)?,
        endpoint_url: from.optional("AWS_ENDPOINT_URL", value::url(&["http", "https"]))?,
        allow_http: from.or(
            "AWS_ALLOW_HTTP",
            false,
            value::word(&[("true", true), ("false", false)]),
        )?,
    })
}

/// Children of `zoetrope up` may run elsewhere: a relative folder would become another one.
fn absolute(folder: String) -> PathBuf {
    std::path::absolute(&folder).unwrap_or_else(|_| PathBuf::from(folder))
}

fn file_url(data_dir: &std::path::Path) -> String {
    let url = Url::from_file_path(data_dir.join("artifacts"));
    url.map_or_else(|()| "file:///".to_owned(), |url| url.to_string())
}
