//! Answers that are remembered for tasks that ask for it: by tenant, provider, model and every byte of the request. An
//! answer of another tenant is never given.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use sha2::{Digest, Sha256};
use zoetrope_queue::QueueError;
use zoetrope_shared::keys;
use zoetrope_shared::redis_link::{RedisLink, millis};
use zoetrope_shared::tenant::Tenant;

use super::catalogue::Capability;

/// How long an answer is remembered.
pub const TTL: Duration = Duration::from_hours(24);
/// Largest answer that is remembered, bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most answers of a tenant; the oldest go first.
pub const MAX_ANSWERS: usize = 500;

static REMEMBER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remember.lua")));

/// Everything that a request says, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// The hash of a request's parts, in order.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// Whom an answer is from, and what was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) provider: &'a str,
    pub(super) capability: Capability,
    pub(super) model: &'a str,
    pub(super) request: RequestHash,
}

impl Asked<'_> {
    fn digest(&self) -> String {
        let parts = [
            self.provider.as_bytes(),
            self.capability.as_str().as_bytes(),
            self.model.as_bytes(),
            &self.request.0,
        ];
        keys::hex(&RequestHash::of(parts).0)
    }
}

/// The answers. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Answers(RedisLink);

impl Answers {
    /// In this Redis.
    pub fn new(redis: RedisLink) -> Self {
        Self(redis)
    }

    /// The answer, if it is remembered. Redis that is away remembers nothing.
    pub(super) async fn recall(&self, asked: Asked<'_>) -> Option<String> {
        let command = redis::Cmd::get(keys::answer(asked.tenant, &asked.digest()));
        let recalled = async { Ok::<_, QueueError>(command.query_async(&mut self.0.get().await?).await?) };
        recalled.await.unwrap_or_else(|error| {
            tracing::debug!("no answer is recalled: {error}");
            None
        })
    }

    /// Remembers an answer, unless it is too large.
    pub(super) async fn remember(&self, asked: Asked<'_>, answer: &str) {
        if answer.len() > MAX_BYTES {
            return;
        }
        let digest = asked.digest();
        let mut call = REMEMBER.prepare_invoke();
        call.key(keys::answer(asked.tenant, &digest))
            .key(keys::answers(asked.tenant));
        call.arg(answer).arg(millis(TTL)).arg(MAX_ANSWERS);
        call.arg(keys::answer(asked.tenant, "")).arg(digest);
        let remembered = async { Ok::<u64, QueueError>(call.invoke_async(&mut self.0.get().await?).await?) };
        if let Err(error) = remembered.await {
            tracing::debug!("an answer is not remembered: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_differ_in_anything_have_other_hashes() {
        let of = |parts: [&str; 2]| RequestHash::of(parts.map(str::as_bytes));
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
        let tenant = Tenant::default_tenant();
        let asked = Asked {
            tenant: &tenant,
            provider: "openai",
            capability: Capability::Text,
            model: "m",
            request: of(["a", "b"]),
        };
        let others = [
            Asked {
                provider: "gemini",
                ..asked
            },
            Asked {
                capability: Capability::Vision,
                ..asked
            },
            Asked { model: "n", ..asked },
            Asked {
                request: of(["a", "c"]),
                ..asked
            },
        ];
        assert!(others.iter().all(|other| other.digest() != asked.digest()));
        assert_eq!(asked.digest(), asked.digest());
    }
}
