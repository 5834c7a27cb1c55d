//! The three ways in which JSON points at media. A multipart part is turned into one of them before it is checked.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::netguard::MAX_URL_CHARS;

/// Longest text that is looked at as an artifact's id, characters.
const MAX_ID_CHARS: usize = 128;

/// What is allowed, for error messages.
pub const MEDIA_REF_FORMS: &str =
    "send exactly one of {\"url\": \"https://...\"}, {\"artifact\": \"<id>\"} or {\"base64\": \"...\"}";

/// Input bytes by reference: exactly one of `url`, `artifact`, `base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum MediaRef {
    /// Fetched by a worker.
    Url {
        /// `http` or `https`, without user name and password, at a public address.
        url: String,
    },
    /// Uploaded before.
    Artifact {
        /// Id of an artifact of the same tenant.
        artifact: String,
    },
    /// Sent along.
    Base64 {
        /// The bytes in standard base64; a `data:` prefix is allowed.
        base64: String,
    },
}

impl ToSchema for MediaRef {}

/// By hand: the derive cannot say of an untagged enum's variants that they take no other field.
impl PartialSchema for MediaRef {
    fn schema() -> RefOr<Schema> {
        let variant = |key: &str, description: &str, most_chars: Option<usize>| {
            let text = ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(description))
                .max_length(most_chars);
            ObjectBuilder::new()
                .property(key, text)
                .required(key)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let one_of = OneOfBuilder::new()
            .item(variant(
                "url",
                "Fetched by a worker: http or https, at a public address.",
                Some(MAX_URL_CHARS),
            ))
            .item(variant(
                "artifact",
                "Id of an artifact that was uploaded before.",
                Some(MAX_ID_CHARS),
            ))
            .item(variant(
                "base64",
                "The bytes in standard base64; a `data:` prefix is allowed.",
                None,
            ))
            .description(Some(
                "Input bytes by reference: exactly one of `url`, `artifact`, `base64`.",
            ));
        one_of.into()
    }
}

impl<'de> Deserialize<'de> for MediaRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneKey)
    }
}

/// Serde's own untagged enums answer every mistake with "did not match any variant".
struct OneKey;

impl<'de> Visitor<'de> for OneKey {
    type Value = MediaRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a media reference: {MEDIA_REF_FORMS}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MediaRef, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let value: String = map.next_value()?;
            let one = match key.as_str() {
                "url" => MediaRef::Url { url: value },
                "artifact" => MediaRef::Artifact { artifact: value },
                "base64" => MediaRef::Base64 { base64: value },
                _ => return Err(de::Error::unknown_field(&key, &["url", "artifact", "base64"])),
            };
            if found.replace(one).is_some() {
                return Err(de::Error::custom(format!("more than one reference: {MEDIA_REF_FORMS}")));
            }
        }
        found.ok_or_else(|| de::Error::custom(format!("an empty reference: {MEDIA_REF_FORMS}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_reads_and_writes_as_one_key() {
        for form in [
            json!({"url": "https://x/"}),
            json!({"artifact": "abc"}),
            json!({"base64": "AAAA"}),
        ] {
            let read: MediaRef = serde_json::from_value(form.clone()).expect("one of the forms");
            assert_eq!(serde_json::to_value(read).expect("a media ref is JSON"), form);
        }
    }

    #[test]
    fn anything_else_says_what_is_allowed() {
        for other in [
            json!({}),
            json!({"url": "a", "artifact": "b"}),
            json!({"path": "/etc/passwd"}),
            json!("a"),
            json!(null),
        ] {
            let error = serde_json::from_value::<MediaRef>(other.clone())
                .expect_err("no media ref")
                .to_string();
            assert!(
                error.contains("url") && error.contains("artifact") && error.contains("base64"),
                "{other}: {error}"
            );
        }
    }
}
