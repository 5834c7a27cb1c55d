//! What clients say on a WebSocket, and what they are told beside events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::Refusal;

/// What a client says.
#[derive(Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Asked {
    /// Follow a task, from a position in its output on.
    Subscribe {
        /// The task.
        task_id: String,
        /// The `seq` of the last envelope of this task that arrived; without it, that of the connection's address.
        since: Option<u64>,
    },
    /// Follow it no longer.
    Unsubscribe {
        /// The task.
        task_id: String,
    },
    /// Answer `pong`: browsers cannot send pings of the protocol.
    Ping {},
}

impl Asked {
    /// Reads a message.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("this message is not understood: {error}"))
    }
}

/// What a client is told that is no event of a task.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Notice<'a> {
    /// The task is no longer followed.
    Unsubscribed { seq: u64, task_id: &'a str },
    /// A subscription or a message was refused.
    Error {
        seq: u64,
        task_id: Option<&'a str>,
        code: &'a str,
        detail: &'a str,
    },
    /// The answer to `ping`.
    Pong { seq: u64 },
}

impl Notice<'_> {
    /// The envelope.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a notice should be JSON")
    }

    /// The envelope of a refused subscription.
    pub(crate) fn refused(task_id: &str, seq: u64, refusal: &Refusal) -> String {
        // What the client sent comes back shortened: it may have sent 64 KiB of it.
        let shown: String = task_id.chars().take(64).collect();
        let notice = Notice::Error {
            seq,
            task_id: Some(&shown),
            code: refusal.problem.code.as_str(),
            detail: &refusal.problem.detail,
        };
        notice.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_strictly() {
        assert_eq!(
            Asked::read(r#"{"type":"subscribe","task_id":"a","since":3}"#),
            Ok(Asked::Subscribe {
                task_id: "a".to_owned(),
                since: Some(3)
            })
        );
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"type":"dance"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","task_id":"a","sinse":3}"#,
            r#"{"type":"subscribe","task_id":"a","since":-1}"#,
        ] {
            assert!(Asked::read(wrong).is_err(), "{wrong}");
        }
    }
}
