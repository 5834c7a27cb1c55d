//! What servers say: answers to our requests, and statuses, which may be an end.

use super::amf0::{self, Value};
use super::chunks::{Message, kind};
use crate::streams::cause::{Cause, SourceDown};

/// What an answer to one of our requests, or a status, says.
pub(super) enum Word {
    /// The request of this number was fulfilled, with this number as its result.
    Done(f64, Option<f64>),
    /// A status, or a refusal: its code and its text.
    Status(String, String),
    /// Anything else.
    Other,
}

/// What a message says, if it is a command.
pub(super) fn word_of(message: &Message) -> Option<Word> {
    let body = match message.kind {
        kind::COMMAND => &message.body[..],
        // The same after a byte that says so.
        kind::COMMAND_AMF3 => message.body.get(1..)?,
        _ => return None,
    };
    let values = amf0::read(body)?;
    let (Some(Value::Text(name)), number) = (values.first(), values.get(1).and_then(Value::number)) else {
        return Some(Word::Other);
    };
    let told = |field: &str| {
        values
            .iter()
            .find_map(|value| value.text_of(field))
            .unwrap_or_default()
            .to_owned()
    };
    Some(match (name.as_str(), number) {
        ("_result", Some(number)) => Word::Done(number, values.get(3).and_then(Value::number)),
        ("_error", _) => {
            let code = told("code");
            let code = if code.is_empty() {
                "NetConnection.Call.Failed".to_owned()
            } else {
                code
            };
            Word::Status(code, told("description"))
        }
        ("onStatus", _) => Word::Status(told("code"), told("description")),
        ("close", _) => Word::Status("NetConnection.Connect.Closed".to_owned(), String::new()),
        _ => Word::Other,
    })
}

/// The end that a status means, if it means one.
pub(super) fn ended_by(code: &str, detail: &str) -> Option<SourceDown> {
    let cause = match code {
        "NetStream.Play.StreamNotFound" | "NetStream.Play.Failed" | "NetConnection.Connect.InvalidApp" => {
            Cause::NotFound
        }
        // Servers that want a name and a password say so in the text.
        "NetConnection.Connect.Rejected" if detail.contains("auth") => Cause::Auth,
        "NetStream.Play.UnpublishNotify" | "NetStream.Play.Stop" | "NetStream.Play.Complete" => Cause::Network,
        _ if code.starts_with("NetConnection.Connect.Success") => return None,
        _ if code.starts_with("NetConnection.") => Cause::Network,
        _ => return None,
    };
    let told: String = format!("{code} {detail}").trim().chars().take(200).collect();
    Some(SourceDown::new(cause, format!("the server says {told}")))
}
