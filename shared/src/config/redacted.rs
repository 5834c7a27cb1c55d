//! The settings for people: what `zoetrope doctor` prints and what `Debug` shows.

use std::fmt::Display;
use std::time::Duration;

use url::Url;
use zoetrope_queue::Address;

use super::redis::PemFile;
use super::secret::Secret;
use super::settings::{AuthMode, LogFormat, Settings};

pub(super) fn of(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings {
        aws,
        providers,
        redis_access: redis,
        traces,
        ..
    } = settings;
    let mut rows = vec![
        ("HOST", settings.host.to_string()),
        ("PORT", settings.port.to_string()),
        ("WORKER_PORT", settings.worker_port.to_string()),
        (
            "AUTH",
            if settings.auth == AuthMode::On { "on" } else { "none" }.to_owned(),
        ),
        ("ALLOWED_ORIGINS", settings.allowed_origins.join(",")),
        (
            "PUBLIC_URL",
            settings.public_url.as_deref().map(without_password).unwrap_or_default(),
        ),
        ("SERVER_URL", without_password(&settings.server_url)),
        ("ZOETROPE_API_KEY", hidden(settings.api_key.as_ref())),
        ("REDIS_URL", address(&settings.redis_url)),
        (
            "LIVE_REDIS_URL",
            settings.live_redis_url.as_deref().map(address).unwrap_or_default(),
        ),
        ("REDIS_USERNAME", redis.username.clone().unwrap_or_default()),
        ("REDIS_PASSWORD", hidden(redis.password.as_ref())),
        (
            "REDIS_SENTINEL_USERNAME",
            redis.sentinel_username.clone().unwrap_or_default(),
        ),
        ("REDIS_SENTINEL_PASSWORD", hidden(redis.sentinel_password.as_ref())),
        ("REDIS_CA_FILE", path(redis.ca.as_ref())),
        ("REDIS_CERT_FILE", path(redis.cert.as_ref())),
        ("REDIS_KEY_FILE", path(redis.key.as_ref())),
        (
            "REDIS_DURABILITY",
            redis
                .durability
                .map(|tier| tier.as_str().to_owned())
                .unwrap_or_default(),
        ),
        (
            "REDIS_SHARDS",
            redis.shards.map(|shards| shards.to_string()).unwrap_or_default(),
        ),
        ("DATA_DIR", settings.data_dir.display().to_string()),
        ("ARTIFACTS_URL", without_password(&settings.artifacts_url)),
        ("AWS_ACCESS_KEY_ID", hidden(aws.access_key_id.as_ref())),
        ("AWS_SECRET_ACCESS_KEY", hidden(aws.secret_access_key.as_ref())),
        ("AWS_SESSION_TOKEN", hidden(aws.session_token.as_ref())),
        ("AWS_REGION", aws.region.clone()),
        (
            "AWS_ENDPOINT_URL",
            aws.endpoint_url.as_deref().map(without_password).unwrap_or_default(),
        ),
        ("AWS_ALLOW_HTTP", aws.allow_http.to_string()),
        ("MAX_WORKERS", settings.max_workers.to_string()),
        ("WORKER_IO_SLOTS", settings.io_slots.to_string()),
        ("WORKER_STREAM_SLOTS", settings.stream_slots.to_string()),
        (
            "WORKER_KINDS",
            settings
                .worker_kinds
                .as_ref()
                .map_or_else(|| "all".to_owned(), |kinds| kinds.join(",")),
        ),
        ("PROCESSING_TIMEOUT", seconds(settings.processing_timeout)),
        ("LEASE_SECONDS", settings.lease.map(seconds).unwrap_or_default()),
        ("DRAIN_SECONDS", seconds(settings.drain)),
        ("SECRETS_KEYS", hidden(settings.secrets_keys.as_ref())),
        ("RECORDING_MAX_HOURS", settings.recording_max_hours.to_string()),
        ("RECORDING_MAX_BYTES", settings.recording_max_bytes.to_string()),
        (
            "RECORDING_MAX_TENANT_BYTES",
            settings
                .recording_max_tenant_bytes
                .map(|bytes| bytes.to_string())
                .unwrap_or_default(),
        ),
        (
            "RECORDING_MAX_DISK_PERCENT",
            settings.recording_max_disk_percent.to_string(),
        ),
        ("MEDIA_SIGNING_KEY", hidden(settings.media_signing_key.as_ref())),
        ("NETGUARD_ALLOW_CIDRS", joined(&settings.netguard_allow_cidrs)),
    ];
    rows.extend(super::providers::redacted(providers, without_password));
    rows.extend(super::provider_bounds::redacted(&settings.provider_bounds));
    rows.extend([
        ("RTSP_STREAM_URL", hidden(settings.rtsp_stream_url.as_ref())),
        ("FRAME_RATE", settings.frame_rate.to_string()),
        ("MAX_STREAMS", settings.max_streams.to_string()),
        ("RTSP_PROMPT", settings.rtsp_prompt.clone().unwrap_or_default()),
        (
            "RTSP_BUDGET_USD_PER_HOUR",
            settings
                .rtsp_budget_usd_per_hour
                .map(|usd| usd.to_string())
                .unwrap_or_default(),
        ),
        ("RUST_LOG", settings.log_filter.clone()),
        (
            "LOG_FORMAT",
            if settings.log_format == LogFormat::Text {
                "text"
            } else {
                "json"
            }
            .to_owned(),
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            traces.endpoint.as_deref().map(without_password).unwrap_or_default(),
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", named(&traces.headers)),
        ("OTEL_SERVICE_NAME", traces.service_name.clone().unwrap_or_default()),
        ("OTEL_RESOURCE_ATTRIBUTES", named(&traces.resource_attributes)),
        ("OTEL_TRACES_SAMPLER", traces.sampler.as_str().to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", traces.sampler_share.to_string()),
    ]);
    rows
}

/// A URL whose user, password and query, if any, are stars.
fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return "***".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    // A user name alone may be a token.
    if !url.username().is_empty() && url.password().is_none() && url.set_username("***").is_err() {
        return "***".to_owned();
    }
    // redis+unix carries its password in the query.
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.to_string()
}

/// The places behind an address of Redis. Addresses of several hosts are no URLs to others.
fn address(text: &str) -> String {
    if Url::parse(text).is_ok() {
        return without_password(text);
    }
    Address::parse(text).map_or_else(|_| "***".to_owned(), |address| address.to_string())
}

fn path(file: Option<&PemFile>) -> String {
    file.map(|file| file.path.clone()).unwrap_or_default()
}

fn hidden(secret: Option<&Secret>) -> String {
    secret.map(ToString::to_string).unwrap_or_default()
}

fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn named<T: Display>(pairs: &[(String, T)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{address, without_password};

    #[test]
    fn urls_are_shown_without_their_passwords() {
        for url in [
            "redis://:hunter2@db:6379/0",
            "redis://me:hunter2@db/",
            "redis+unix:///run/r.sock?pass=hunter2",
            "redis+sentinel://me:hunter2@a,b:1/main",
            "redis+cluster://me:hunter2@a",
        ] {
            assert!(!address(url).contains("hunter2"), "{}", address(url));
        }
        assert_eq!(without_password("redis://db:6379/1"), "redis://db:6379/1");
    }
}
