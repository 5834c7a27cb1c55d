//! Settings that contradict each other: nothing that stops the boot, everything that a person should hear of then.

use super::reader::Reader;
use super::settings::{AuthMode, Settings};

pub(super) fn of(settings: &Settings, from: &Reader<'_>) -> Vec<String> {
    let set = |name| from.raw(name).is_some();
    let s3 = settings.artifacts_url.starts_with("s3:");
    let http_endpoint = settings
        .aws
        .endpoint_url
        .as_deref()
        .is_some_and(|url| url.starts_with("http:"));
    let half_credentials = settings.aws.access_key_id.is_some() != settings.aws.secret_access_key.is_some();
    let everything = settings
        .netguard_allow_cidrs
        .iter()
        .any(|range| range.prefix_len() == 0);
    let longest_lease = settings.lease.is_some_and(|lease| lease > settings.processing_timeout);

    let cases = [
        (
            settings.auth == AuthMode::None && !settings.host.is_loopback(),
            "AUTH=none and HOST is not loopback: whoever reaches this address owns every task",
        ),
        (
            set("REDIS_URL") && (set("REDIS_HOST") || set("REDIS_PORT")),
            "REDIS_URL is set, so REDIS_HOST and REDIS_PORT have no effect",
        ),
        (
            settings.redis_access.cert.is_some() != settings.redis_access.key.is_some(),
            "only one of REDIS_CERT_FILE and REDIS_KEY_FILE is set: no certificate is shown to Redis",
        ),
        (
            settings.redis_access.ca.is_some() && !settings.redis_url.starts_with("rediss"),
            "REDIS_CA_FILE is set, but REDIS_URL does not begin with rediss: Redis is reached without TLS",
        ),
        (
            settings.port != 0 && settings.port == settings.worker_port,
            "PORT and WORKER_PORT are equal: api and worker cannot both listen on one machine",
        ),
        (
            s3 && half_credentials,
            "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set: the bucket will refuse us",
        ),
        (
            s3 && http_endpoint && !settings.aws.allow_http,
            "AWS_ENDPOINT_URL is http:// but AWS_ALLOW_HTTP is not true: the bucket will not be reached",
        ),
        (
            !s3 && (settings.aws.endpoint_url.is_some()),
            "AWS_ENDPOINT_URL is set, but ARTIFACTS_URL is no bucket: it has no effect",
        ),
        (
            everything,
            "NETGUARD_ALLOW_CIDRS allows every address: user URLs reach this machine and its network",
        ),
        (
            longest_lease,
            "LEASE_SECONDS is longer than PROCESSING_TIMEOUT: a dead worker holds a task past its deadline",
        ),
    ];
    cases
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, warning)| warning.to_owned())
        .collect()
}
