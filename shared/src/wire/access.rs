//! API keys and tickets as the api shows them. How keys are kept and judged belongs to the api.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Read tasks, artifacts, kinds and the state of the queue.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// Submit tasks that are no live streams, upload, cancel.
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// Start live streams and read their scenes.
    #[serde(rename = "streams:*")]
    Streams,
    /// Everything, keys included.
    #[serde(rename = "admin:*")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::TasksRead, Self::TasksWrite, Self::Streams, Self::Admin];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::Streams => "streams:*",
            Self::Admin => "admin:*",
        }
    }

    /// The scope of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// Whether a key opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// An API key without its secret, which nobody keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Id, also the middle part of the key.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Whose tasks it opens.
    pub tenant: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Whether it opens anything now.
    pub state: KeyState,
    /// When it was made, RFC 3339 with milliseconds.
    pub created_at: String,
    /// When it stops to work; null if never.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Requests a second that it may go on with; twice as many at once.
    pub requests_per_second: u32,
}

/// A new API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyMade {
    /// The whole key, shown this once.
    pub key: String,
    /// What can be seen of it later.
    #[serde(flatten)]
    pub view: KeyView,
}

/// API keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyPage {
    /// Newest first.
    pub items: Vec<KeyView>,
}

/// A one-time ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketView {
    /// The ticket, for `?ticket=` of one WebSocket.
    pub ticket: String,
    /// Until when it must be used, RFC 3339 with milliseconds.
    pub expires_at: String,
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn every_scope_is_its_word_on_the_wire() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("scopes are JSON"), scope.as_str());
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }
}
