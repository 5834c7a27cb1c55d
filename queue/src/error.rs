//! What can go wrong between a caller and the queue.

/// Why a call to the queue failed. What a caller branches on is a variant; the rest is `Other`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// Redis cannot be reached or did not answer in time. A write may or may not have happened:
    /// repeat an enqueue with the same idempotency key, any other call as it is.
    #[error("redis is unavailable: {0}")]
    Unavailable(String),
    /// Redis has no memory left for new tasks; running ones still finish.
    #[error("redis is full: {0}")]
    Full(String),
    /// The kind is being drained: it takes no new tasks.
    #[error("the kind is being drained")]
    Draining,
    /// The tenant has as many tasks in the queue, or as many bytes of them, as it may.
    #[error("the tenant has as many tasks in the queue as it may")]
    Backlog,
    /// The task breaks a limit of this crate: the field and what is wrong with it.
    #[error("invalid {field}: {detail}")]
    Invalid {
        /// Field of `NewTask` or `ListQuery`.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// This Redis cannot hold the queue safely (version, eviction policy), holds a newer key schema, or refuses our login.
    #[error("redis is unsuitable: {0}")]
    Unsuitable(String),
    /// Something that no caller can branch on: a script error, a corrupt record.
    #[error("{0}")]
    Other(String),
}

impl QueueError {
    pub(crate) fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            detail: detail.into(),
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Full(_) | Self::Draining | Self::Backlog
        )
    }
}

impl From<redis::RedisError> for QueueError {
    fn from(error: redis::RedisError) -> Self {
        let text = error.to_string();
        let refused = ["WRONGPASS", "NOAUTH", "NOPERM"];
        if error.kind() == redis::ErrorKind::AuthenticationFailed
            || error.code().is_some_and(|code| refused.contains(&code))
        {
            return Self::Unsuitable(format!("it refuses our login: {text}"));
        }
        if text.contains("OOM") || text.contains("MISCONF") {
            return Self::Full(text);
        }
        // Sentinels without a primary, and a cluster without one for a slot, have one again after their election.
        let headless = matches!(
            error.kind(),
            redis::ErrorKind::MasterNameNotFoundBySentinel | redis::ErrorKind::ClusterConnectionNotFound
        );
        let down = headless
            || error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal();
        // A server that loads its data, has lost its replicas or was demoted answers again later.
        let later = [
            "LOADING",
            "BUSY",
            "MASTERDOWN",
            "NOREPLICAS",
            "READONLY",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "MOVED",
            "ASK",
        ];
        if down
            || error
                .code()
                .is_some_and(|code| later.iter().any(|prefix| code.starts_with(prefix)))
        {
            return Self::Unavailable(text);
        }
        Self::Other(text)
    }
}
