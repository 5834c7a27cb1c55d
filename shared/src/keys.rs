//! Redis keys outside the queue. Those of the queue are spelled in `zoetrope_queue`, and no other place spells any.
//!
//! | key | type | holds | expires |
//! |---|---|---|---|
//! | `zs:{<tenant>}:idem:<hash>` | string | the answer to a POST that makes no task | 24 h |
//! | `zs:{.keys}:all` | hash | API keys by id, with the SHA-256 of their secrets | never |
//! | `zs:{.keys}:version` | string | random text, another one after every change of the keys | never |
//! | `zs:{.keys}:ticket:<hash>` | string | whom a one-time ticket stands for | 60 s |
//!
//! No tenant's name has a dot, so `.keys` is none.

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
