//! From a media ref to bytes, by the worker: children have no network and no store. What the bytes are is not judged
//! here; the child that decodes them does that.

use bytes::Bytes;
use zoetrope_queue::{ErrorClass, Failure};
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::media::MediaRef;
use zoetrope_shared::netguard::{FetchError, FetchLimits};
use zoetrope_shared::tasks::MediaField;
use zoetrope_shared::tenant::Tenant;

use crate::services::Services;

/// Reads the bytes that a media ref points at, at most what the field takes.
pub async fn read(
    services: &Services,
    tenant: &Tenant,
    media: &MediaRef,
    field: &MediaField,
) -> Result<Bytes, Failure> {
    match media {
        MediaRef::Artifact { artifact } => match services.artifacts.read(tenant, artifact, field.max_bytes).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(artifact_gone()),
            Err(error) => Err(artifact_failure(error, field)),
        },
        MediaRef::Url { url } => {
            let limits = FetchLimits {
                max_bytes: field.max_bytes,
                ..FetchLimits::default()
            };
            services
                .netguard
                .fetch(url, limits)
                .await
                .map(|fetched| fetched.bytes)
                .map_err(|error| fetch_failure(&error))
        }
        MediaRef::Base64 { .. } => Err(Failure::non_retryable(
            "media_invalid",
            format!(
                "{} was queued inline; inline media is stored as an artifact before it is queued",
                field.name
            ),
        )),
    }
}

fn artifact_gone() -> Failure {
    Failure::non_retryable("media_missing", "the artifact does not exist any more")
}

fn artifact_failure(error: ArtifactError, field: &MediaField) -> Failure {
    match error {
        ArtifactError::NotFound => artifact_gone(),
        ArtifactError::TooLarge { max_bytes } => Failure::non_retryable(
            "media_too_large",
            format!("{} has more than {max_bytes} bytes", field.name),
        ),
        other => Failure::retryable("artifacts_unavailable", other.to_string()),
    }
}

fn fetch_failure(error: &FetchError) -> Failure {
    let class = match (error.retry_after(), error.is_retryable()) {
        (Some(pause), true) => ErrorClass::RateLimited(Some(pause)),
        (None, true) => ErrorClass::Retryable,
        (_, false) => ErrorClass::NonRetryable,
    };
    Failure {
        class,
        ..Failure::retryable(error.code(), format!("fetching the media failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zoetrope_shared::netguard::UrlForbidden;

    use super::*;

    #[test]
    fn what_a_fetch_says_decides_whether_another_attempt_follows() {
        let forbidden = fetch_failure(&FetchError::Forbidden(UrlForbidden::Address));
        assert_eq!(
            (forbidden.code.as_str(), forbidden.class),
            ("url_forbidden", ErrorClass::NonRetryable)
        );
        let pause = Some(Duration::from_secs(7));
        let busy = fetch_failure(&FetchError::Http {
            status: 429,
            retry_after: pause,
        });
        assert_eq!(
            (busy.code.as_str(), busy.class),
            ("fetch_failed", ErrorClass::RateLimited(pause))
        );
        assert_eq!(fetch_failure(&FetchError::Timeout).class, ErrorClass::Retryable);
        let gone = fetch_failure(&FetchError::Http {
            status: 404,
            retry_after: None,
        });
        assert_eq!(gone.class, ErrorClass::NonRetryable);
    }
}
