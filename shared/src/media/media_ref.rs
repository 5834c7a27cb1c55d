//! The three ways in which JSON points at media. A multipart part is turned into one of them before it is checked.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is allowed, for error messages.
pub const MEDIA_REF_FORMS: &str =
    "send exactly one of {\"url\": \"https://...\"}, {\"artifact\": \"<id>\"} or {\"base64\": \"...\"}";

/// Input bytes by reference: exactly one of `url`, `artifact`, `base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum MediaRef {
    /// Fetched by a worker.
    Url {
        /// `http` or `https`, without user name and password, at a public address.
        #[schema(max_length = 8192)]
        url: String,
    },
    /// Uploaded before.
    Artifact {
        /// Id of an artifact of the same tenant.
        #[schema(max_length = 128)]
        artifact: String,
    },
    /// Sent along.
    Base64 {
        /// The bytes in standard base64, padded or not; a `data:` prefix is allowed.
        base64: String,
    },
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
