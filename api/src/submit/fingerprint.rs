//! Hashes of requests that do not depend on the order of keys: two requests are the same if these are.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Collects what makes up a request.
#[derive(Clone)]
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Begins with what the request is for.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Sha256::new()).bytes(purpose.as_bytes())
    }

    /// Adds bytes; their length keeps neighbours apart.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.add_bytes(b'b', bytes);
        self
    }

    /// Adds JSON with the keys of its objects in order.
    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.add_json(value);
        self
    }

    /// The hash, 64 hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn add_bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update([tag]);
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn add_json(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"0"),
            Value::Bool(flag) => self.0.update(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => self.add_bytes(b'n', number.to_string().as_bytes()),
            Value::String(text) => self.add_bytes(b's', text.as_bytes()),
            Value::Array(items) => {
                self.add_bytes(b'a', &(items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.add_json(item));
            }
            Value::Object(fields) => {
                self.add_bytes(b'o', &(fields.len() as u64).to_le_bytes());
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                for (key, field) in sorted {
                    self.add_bytes(b'k', key.as_bytes());
                    self.add_json(field);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        Fingerprint::of("x")
            .json(&serde_json::from_str(text).expect("JSON"))
            .finish()
    }

    #[test]
    fn order_and_space_do_not_matter() {
        assert_eq!(
            hash(r#"{"a": 1, "b": [true, null]}"#),
            hash(r#"{"b":[true,null],"a":1}"#)
        );
    }

    #[test]
    fn everything_else_does() {
        let all = [
            "1",
            "\"1\"",
            "1.0",
            "[1]",
            "[[1]]",
            "[]",
            "{}",
            "null",
            "true",
            "[1,2]",
            "[12]",
            "[2,1]",
            r#"{"a":1}"#,
            r#"{"a":[]}"#,
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(|text| hash(text)).collect();
        assert_eq!(distinct.len(), all.len());
        assert_ne!(
            Fingerprint::of("x").bytes(b"ab").bytes(b"c").finish(),
            Fingerprint::of("x").bytes(b"a").bytes(b"bc").finish()
        );
    }
}
