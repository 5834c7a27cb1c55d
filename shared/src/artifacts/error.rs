//! Why a call to the store failed, as far as callers branch on it.
//!
//! These sentences reach tenants. The store's own words hold paths, hosts and buckets: they are logged here, once, and
//! kept as the source.

/// Why a call to the store failed. Not finding an artifact is an answer (`None`, `false`), not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// An artifact that must exist does not, or has expired.
    #[error("no such artifact")]
    NotFound,
    /// More bytes than the caller allows.
    #[error("more than {max_bytes} bytes")]
    TooLarge {
        /// What the caller allows.
        max_bytes: u64,
    },
    /// The range does not lie within the artifact.
    #[error("the range is outside of the artifact's {size} bytes")]
    OutOfRange {
        /// Bytes of the artifact.
        size: u64,
    },
    /// No space is left on the device, or a quota is used up.
    #[error("the artifact store is full")]
    StorageFull,
    /// The store does not answer or refuses us; the same call may succeed later.
    #[error("the artifact store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ArtifactError {
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        tracing::warn!(%cause, "the artifact store failed");
        Self::Unavailable(cause)
    }

    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::StorageFull | Self::Unavailable(_))
    }
}

impl From<object_store::Error> for ArtifactError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            return Self::NotFound;
        }
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
        let mut text = String::new();
        for cause in causes {
            if cause.downcast_ref::<std::io::Error>().is_some_and(is_full) {
                return Self::StorageFull;
            }
            let words = cause.to_string();
            if !text.contains(&words) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&words);
            }
        }
        Self::unavailable(text)
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: std::io::Error) -> object_store::Error {
        object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(source),
        }
    }

    #[test]
    fn a_full_disk_a_quota_and_a_file_limit_are_storage_full() {
        for errno in [28, 122, 27] {
            let error = ArtifactError::from(generic(std::io::Error::from_raw_os_error(errno)));
            assert!(matches!(error, ArtifactError::StorageFull), "{error}");
        }
    }

    #[test]
    fn other_faults_are_unavailable_and_keep_their_causes_to_the_log() {
        let error = ArtifactError::from(generic(std::io::Error::other("the cable is out")));
        assert_eq!(error.to_string(), "the artifact store is unavailable");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.contains("the cable is out"), "{cause}");
        assert!(error.is_transient());
    }
}
