//! An API key as Redis keeps it.

use serde::{Deserialize, Serialize};
use zoetrope_shared::wire::{KeyState, KeyView, Scope, rfc3339_ms};

/// Everything about a key except its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) created_at_ms: u64,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) revoked_at_ms: Option<u64>,
    pub(crate) requests_per_second: u32,
    /// SHA-256 of the secret, hexadecimal.
    pub(crate) hash: String,
}

impl Record {
    /// Whether it opens anything now.
    pub(crate) fn state(&self, now_ms: u64) -> KeyState {
        if self.revoked_at_ms.is_some() {
            KeyState::Revoked
        } else if self.expires_at_ms.is_some_and(|expires| expires <= now_ms) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// As it is shown.
    pub(crate) fn view(&self, now_ms: u64) -> KeyView {
        KeyView {
            id: self.id.clone(),
            name: self.name.clone(),
            tenant: self.tenant.clone(),
            scopes: self.scopes.clone(),
            state: self.state(now_ms),
            created_at: rfc3339_ms(self.created_at_ms),
            expires_at: self.expires_at_ms.map(rfc3339_ms),
            revoked_at: self.revoked_at_ms.map(rfc3339_ms),
            requests_per_second: self.requests_per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stops_at_its_expiry_and_at_its_revocation() {
        let key = |expires_at_ms, revoked_at_ms| Record {
            id: "i".to_owned(),
            name: String::new(),
            tenant: "default".to_owned(),
            scopes: Vec::new(),
            created_at_ms: 0,
            expires_at_ms,
            revoked_at_ms,
            requests_per_second: 1,
            hash: String::new(),
        };
        assert_eq!(key(None, None).state(u64::MAX), KeyState::Active);
        assert_eq!(key(Some(10), None).state(9), KeyState::Active);
        assert_eq!(key(Some(10), None).state(10), KeyState::Expired);
        assert_eq!(key(Some(10), Some(1)).state(5), KeyState::Revoked);
    }
}
