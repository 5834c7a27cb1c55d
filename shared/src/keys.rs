//! Redis keys outside the queue. Those of the queue are spelled in `zoetrope_queue`, and no other place spells any.
//!
//! | key | type | holds | expires |
//! |---|---|---|---|
//! | `zs:{<tenant>}:idem:<hash>` | string | the answer to a POST that makes no task | 24 h |
//! | `zs:{.keys}:all` | hash | API keys by id, with the SHA-256 of their secrets | never |
//! | `zs:{.keys}:version` | string | random text, another one after every change of the keys | never |
//! | `zs:{.keys}:ticket:<hash>` | string | whom a one-time ticket stands for | 60 s |
//! | `zs:{<tenant>}:usage:<day>` | hash | what calls to providers used, by provider, capability, model and figure | 94 d |
//! | `zs:{.usage}:tenants:<day>` | zset | tenants that used anything | 94 d |
//! | `zs:{<tenant>}:spend:cap` | string | the tenant's own spend cap and its period | never |
//! | `zs:{<tenant>}:spend:of:<day or month>` | string | what calls cost then, nanodollars | 40 d |
//! | `zs:{<tenant>}:spend:holds` | zset | what is held for calls under way, by when that counts as spent | 40 d |
//! | `zs:{<tenant>}:spend:held` | string | the sum of it | 40 d |
//! | `zs:{<tenant>}:answer:<hash>` | string | a provider's answer, for tasks that take one from the cache | 24 h |
//! | `zs:{<tenant>}:answers` | zset | the tenant's answers by when they were kept | 24 h |
//! | `zs:{<tenant>}:streams` | zset | ids of a tenant's streams, all of one score: in the order of their names, which is that of creation | never |
//! | `zs:{<tenant>}:stream:<id>` | hash | a stream: `record`, how often it was changed, the run that workers may report of | with the stream |
//! | `zs:{<tenant>}:stream:<id>:report` | hash | what its worker says: `report`, which worker (`epoch`), the newest request for a picture | with the stream |
//! | `zs:{.limits}:<provider>` | hash | when a provider's next request and next token may come, milliseconds | 2 h |
//! | `zs:{.providers}:reports` | hash | what each worker tells of its providers, as JSON | 90 s |
//! | `zs:{.providers}:seen` | zset | workers by when they told it | 90 s |
//!
//! Channels, of which nothing is kept:
//!
//! | channel | carries |
//! |---|---|
//! | `zl:wants` | what somebody watches, `<tenant>/<id>`, once a second |
//! | `zl:{<tenant>}:frames:<id>` | frames of a stream, or of a `stream_ingest` task without one, while somebody watches |
//!
//! No tenant's name has a dot, so `.keys`, `.usage`, `.limits` and `.providers` are none.

use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::tenant::Tenant;

/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_hours(24);

/// Where the answer to a POST with this `Idempotency-Key` is kept. Key and route are hashed: both are a client's text.
pub fn idempotency(tenant: &Tenant, route: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    hash.update((route.len() as u64).to_le_bytes());
    hash.update(route);
    hash.update(key);
    format!("zs:{{{tenant}}}:idem:{}", hex(&hash.finalize()))
}

/// All API keys.
pub const API_KEYS: &str = "zs:{.keys}:all";
/// Changes with every change of the API keys.
pub const API_KEYS_VERSION: &str = "zs:{.keys}:version";

/// Where a ticket is kept. Only its hash is: who reads Redis can redeem none.
pub fn ticket(ticket: &str) -> String {
    format!("zs:{{.keys}}:ticket:{}", sha256_hex(ticket))
}

/// What a tenant's calls used on a day.
pub fn usage(tenant: &Tenant, day: &str) -> String {
    format!("zs:{{{tenant}}}:usage:{day}")
}

/// Tenants that used anything on a day.
pub fn usage_tenants(day: &str) -> String {
    format!("zs:{{.usage}}:tenants:{day}")
}

/// A provider's answer to a tenant.
pub fn answer(tenant: &Tenant, hash: &str) -> String {
    format!("zs:{{{tenant}}}:answer:{hash}")
}

/// The answers that are kept for a tenant.
pub fn answers(tenant: &Tenant) -> String {
    format!("zs:{{{tenant}}}:answers")
}

/// What each worker tells of its providers.
pub const PROVIDER_REPORTS: &str = "zs:{.providers}:reports";
/// Workers by when they told it.
pub const PROVIDER_REPORTS_SEEN: &str = "zs:{.providers}:seen";

/// How far a provider's rates are taken.
pub fn provider_limits(provider: &str) -> String {
    format!("zs:{{.limits}}:{provider}")
}

/// A tenant's own spend cap.
pub fn spend_cap(tenant: &Tenant) -> String {
    format!("zs:{{{tenant}}}:spend:cap")
}

/// What a tenant's calls cost on a day or in a month.
pub fn spent(tenant: &Tenant, when: &str) -> String {
    format!("zs:{{{tenant}}}:spend:of:{when}")
}

/// What is held for a tenant's calls.
pub fn spend_holds(tenant: &Tenant) -> String {
    format!("zs:{{{tenant}}}:spend:holds")
}

/// The sum of what is held for a tenant's calls.
pub fn spend_held(tenant: &Tenant) -> String {
    format!("zs:{{{tenant}}}:spend:held")
}

/// The ids of a tenant's streams.
pub fn streams(tenant: &Tenant) -> String {
    format!("zs:{{{tenant}}}:streams")
}

/// A stream's record.
pub fn stream(tenant: &Tenant, id: &str) -> String {
    format!("zs:{{{tenant}}}:stream:{id}")
}

/// What is said of a stream; the scripts that list streams add the same ending.
pub fn stream_report(tenant: &Tenant, id: &str) -> String {
    format!("{}:report", stream(tenant, id))
}

/// The channel by which workers hear what is watched.
pub const WANTS: &str = "zl:wants";

/// The channel of a stream's frames.
pub fn frames(tenant: &Tenant, id: &str) -> String {
    format!("zl:{{{tenant}}}:frames:{id}")
}

/// The SHA-256 of a text, hexadecimal: how secrets of 256 random bits are kept.
pub fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String should not fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_routes_and_keys_are_kept_apart() {
        let (ours, theirs) = (Tenant::default_tenant(), Tenant::parse("other").expect("a tenant"));
        let keys = [
            idempotency(&ours, "/uploads", "k"),
            idempotency(&theirs, "/uploads", "k"),
            idempotency(&ours, "/upload", "sk"),
            idempotency(&ours, "/uploads", "k2"),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_clients_text_never_reaches_a_key() {
        let key = idempotency(&Tenant::default_tenant(), "/uploads", "*\r\n{}FLUSHALL");
        assert!(key.starts_with("zs:{default}:idem:") && key.len() == 18 + 64, "{key}");
    }
}
