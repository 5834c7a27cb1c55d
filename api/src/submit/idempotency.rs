//! The `Idempotency-Key` header, and the memory for POSTs that make no task. Tasks' keys are remembered by the queue,
//! in the same script that adds the task.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use zoetrope_shared::keys::{self, IDEMPOTENCY_TTL};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::ProblemCode;

use crate::http::problem::Refusal;
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use crate::link::Plain;

/// Marks an answer that an earlier request with the same key has made.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Marks an answer whose task was there before: it holds the request's `unique_key`.
pub(crate) const EXISTING: HeaderName = HeaderName::from_static("unique-existing");

/// How long a request in progress is believed to be so without a sign of life; a crash blocks its key no longer.
pub(crate) const IN_FLIGHT: Duration = Duration::from_secs(60);
const IN_FLIGHT_MARK: &str = "in flight";

/// The client's key. Bare, or in the quotes of a structured field.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Refusal::bad_request("more than one Idempotency-Key header"));
    }
    let text = first.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let fits =
        (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&bare.len()) && bare.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if fits {
        return Ok(Some(bare.to_owned()));
    }
    let detail = format!("the Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} printable ASCII characters");
    Err(Refusal::bad_request(detail))
}

/// The refusal of a key that was used for something else.
pub(crate) fn conflict() -> Refusal {
    Refusal::new(
        ProblemCode::IdempotencyConflict,
        "this Idempotency-Key was used for another request",
    )
}

/// What an earlier request left: its fingerprint and the artifact it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) fingerprint: String,
    pub(crate) artifact: String,
}

/// Remembers answers in Redis.
#[derive(Clone)]
pub(crate) struct Memories(Plain);

impl Memories {
    /// In this Redis.
    pub(crate) fn new(redis: Plain) -> Self {
        Self(redis)
    }

    /// Claims a key: `None` if it is new and now in flight, else what is remembered.
    pub(crate) async fn begin(&self, tenant: &Tenant, route: &str, key: &str) -> Result<Option<Memory>, Refusal> {
        let name = keys::idempotency(tenant, route, key);
        let mut connection = self.0.get().await?;
        let claimed: Option<String> = redis::cmd("SET")
            .arg(&name)
            .arg(IN_FLIGHT_MARK)
            .arg("NX")
            .arg("PX")
            .arg(IN_FLIGHT.as_millis() as u64)
            .query_async(&mut connection)
            .await
            .map_err(|error| unavailable(&error))?;
        if claimed.is_some() {
            return Ok(None);
        }
        let known: Option<String> = redis::cmd("GET")
            .arg(&name)
            .query_async(&mut connection)
            .await
            .map_err(|error| unavailable(&error))?;
        // Gone in between: the other request has just failed, and its client may send it again.
        match known.as_deref() {
            None | Some(IN_FLIGHT_MARK) => Err(Refusal::new(
                ProblemCode::IdempotencyInFlight,
                "a request with this Idempotency-Key is being answered",
            )),
            Some(text) => match serde_json::from_str(text) {
                Ok(memory) => Ok(Some(memory)),
                Err(error) => Err(Refusal::internal(
                    "read what is remembered of an Idempotency-Key",
                    &error,
                )),
            },
        }
    }

    /// Binds a key to a request that may be repeated safely, even at the same time: refused if it is another's.
    pub(crate) async fn claim(&self, tenant: &Tenant, route: &str, key: &str, memory: &Memory) -> Result<(), Refusal> {
        let name = keys::idempotency(tenant, route, key);
        let text = serde_json::to_string(memory).expect("a memory should be JSON");
        let mut command = redis::cmd("SET");
        command
            .arg(&name)
            .arg(&text)
            .arg("NX")
            .arg("GET")
            .arg("PX")
            .arg(IDEMPOTENCY_TTL.as_millis() as u64);
        let known: Option<String> = command
            .query_async(&mut self.0.get().await?)
            .await
            .map_err(|error| unavailable(&error))?;
        if known.is_none_or(|known| known == text) {
            Ok(())
        } else {
            Err(conflict())
        }
    }

    /// Says that the request is still in progress.
    pub(crate) async fn still(&self, tenant: &Tenant, route: &str, key: &str) -> Result<(), Refusal> {
        let name = keys::idempotency(tenant, route, key);
        let mut command = redis::cmd("PEXPIRE");
        command.arg(&name).arg(IN_FLIGHT.as_millis() as u64);
        command
            .query_async(&mut self.0.get().await?)
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Remembers the answer.
    pub(crate) async fn finish(&self, tenant: &Tenant, route: &str, key: &str, memory: &Memory) -> Result<(), Refusal> {
        let name = keys::idempotency(tenant, route, key);
        let text = serde_json::to_string(memory).expect("a memory should be JSON");
        let mut command = redis::cmd("SET");
        command
            .arg(&name)
            .arg(text)
            .arg("PX")
            .arg(IDEMPOTENCY_TTL.as_millis() as u64);
        command
            .query_async(&mut self.0.get().await?)
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Gives a key back: its request made nothing.
    pub(crate) async fn forget(&self, tenant: &Tenant, route: &str, key: &str) -> Result<(), Refusal> {
        let mut command = redis::cmd("DEL");
        command.arg(keys::idempotency(tenant, route, key));
        command
            .query_async(&mut self.0.get().await?)
            .await
            .map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &redis::RedisError) -> Refusal {
    tracing::warn!(%error, "api.redis.unavailable: cannot remember an Idempotency-Key");
    Refusal::redis_unavailable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(given: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("idempotency-key"),
            given.parse().expect("a header value"),
        )]);
        key_of(&headers).ok().flatten()
    }

    #[test]
    fn a_key_is_bare_or_quoted() {
        assert_eq!(key("8e03978e-40d5-43dd").as_deref(), Some("8e03978e-40d5-43dd"));
        assert_eq!(key("\"quoted\"").as_deref(), Some("quoted"));
        assert_eq!(key_of(&HeaderMap::new()).expect("none is fine"), None);
    }

    #[test]
    fn empty_long_and_unprintable_keys_are_refused() {
        for given in ["", "\"\"", &"x".repeat(256), "a\tb"] {
            assert_eq!(key(given), None, "{given:?}");
        }
    }
}
