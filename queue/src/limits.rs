//! What a task may look like. The header line of a record must fit in the 384 bytes that the scripts read.

use std::time::Duration;

use crate::error::QueueError;
use crate::task::{LossPolicy, NewTask};

const MAX_TENANT_CHARS: usize = 64;
const MAX_KIND_CHARS: usize = 48;
const MAX_KEY_CHARS: usize = 64;
const MAX_UNIQUE_KEY_BYTES: usize = 128;
const MAX_ATTEMPTS: u32 = 1_000;
const MAX_TAGS: usize = 32;
const MAX_TAG_BYTES: usize = 128;
/// Ten years: far enough for every use, near enough that scores stay exact in a double.
const MAX_WAIT: Duration = Duration::from_secs(3_653 * 24 * 3_600);

pub(crate) fn check(task: &NewTask) -> Result<(), QueueError> {
    check_tenant(&task.tenant)?;
    check_kind(&task.kind)?;
    if let Some(key) = &task.fairness_key {
        check_fairness_key("fairness_key", key)?;
    }
    if !(1..=MAX_ATTEMPTS).contains(&task.max_attempts) {
        return Err(QueueError::invalid(
            "max_attempts",
            format!("must be 1 to {MAX_ATTEMPTS}"),
        ));
    }
    let latest_ms = crate::record::millis(MAX_WAIT) + 4_000_000_000_000;
    if task.delay.is_some_and(|delay| delay > MAX_WAIT) || task.run_at_ms.is_some_and(|at| at > latest_ms) {
        return Err(QueueError::invalid("run_at", "is too far away"));
    }
    check_deadline(task)?;
    if task.result_ttl > MAX_WAIT || task.backoff > MAX_WAIT || task.timeout.is_some_and(|limit| limit > MAX_WAIT) {
        return Err(QueueError::invalid(
            "timeout",
            "result_ttl, backoff and timeout are at most ten years",
        ));
    }
    if task.unique_key.as_ref().is_some_and(|key| !is_unique_key(key)) {
        return Err(QueueError::invalid(
            "unique_key",
            "must be 1 to 128 bytes without control characters",
        ));
    }
    if task.tags.len() > MAX_TAGS || task.tags.iter().any(|tag| tag.is_empty() || tag.len() > MAX_TAG_BYTES) {
        return Err(QueueError::invalid("tags", "at most 32 tags of 1 to 128 bytes"));
    }
    if task
        .idempotency
        .as_ref()
        .is_some_and(|idem| !is_fingerprint(&idem.fingerprint))
    {
        return Err(QueueError::invalid(
            "fingerprint",
            "must be 1 to 128 letters and digits",
        ));
    }
    if task.traceparent.as_ref().is_some_and(|text| !is_traceparent(text)) {
        return Err(QueueError::invalid(
            "traceparent",
            "must be a W3C traceparent: 00-<32 hexadecimal digits>-<16>-<2>",
        ));
    }
    Ok(())
}

pub(crate) fn check_tenant(tenant: &str) -> Result<(), QueueError> {
    if is_tenant(tenant) {
        return Ok(());
    }
    Err(QueueError::invalid(
        "tenant",
        "must be 1 to 64 of a-z, A-Z, 0-9, _ and -",
    ))
}

pub(crate) fn check_kind(kind: &str) -> Result<(), QueueError> {
    if is_kind(kind) {
        return Ok(());
    }
    Err(QueueError::invalid("kind", "must be 1 to 48 of a-z, 0-9 and _"))
}

/// `field` is what the caller calls it.
pub(crate) fn check_fairness_key(field: &'static str, key: &str) -> Result<(), QueueError> {
    if is_fairness_key(key) {
        return Ok(());
    }
    Err(QueueError::invalid(
        field,
        "must be 1 to 64 of a-z, A-Z, 0-9, _ . : @ / + and -",
    ))
}

fn check_deadline(task: &NewTask) -> Result<(), QueueError> {
    let Some(expires_in) = task.expires_in else {
        return Ok(());
    };
    let wrong = |detail: &str| Err(QueueError::invalid("expires_in", detail));
    if expires_in < Duration::from_millis(1) || expires_in > MAX_WAIT {
        return wrong("must be 1 ms to ten years");
    }
    if task.delay.is_some_and(|delay| delay >= expires_in) {
        return wrong("it would end before its delay does");
    }
    if task.losses == LossPolicy::Live {
        return wrong("a live task has no queue deadline");
    }
    Ok(())
}

pub(crate) fn is_kind(kind: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !kind.is_empty() && kind.len() <= MAX_KIND_CHARS && kind.chars().all(plain)
}

pub(crate) fn is_tenant(tenant: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    !tenant.is_empty() && tenant.len() <= MAX_TENANT_CHARS && tenant.chars().all(plain)
}

/// Whether this may be a fairness key: 1 to 64 of `a-z`, `A-Z`, `0-9` and `_.:@/+-`.
pub fn is_fairness_key(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:@/+-".contains(c);
    !key.is_empty() && key.len() <= MAX_KEY_CHARS && key.chars().all(plain)
}

/// Whether this may be a unique key: 1 to 128 bytes without control characters.
pub fn is_unique_key(key: &str) -> bool {
    (1..=MAX_UNIQUE_KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// `version-trace-span-flags` in lower case, neither id all zeros; longer forms of later versions are not taken.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_id = |part: &str| is_hex(part) && part.bytes().any(|b| b != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return false;
    };
    (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2)
        && is_hex(version)
        && version != "ff"
        && is_id(trace)
        && is_id(span)
        && is_hex(flags)
}

fn is_fingerprint(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn a_traceparent_is_of_the_w3c_form() {
        for good in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
        ] {
            assert!(is_traceparent(good), "{good}");
        }
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",
            "00-0af7651916cd43dd8448eb211c8031\n|-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031\u{e9}-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
