//! Stream ids: `st_` and 26 characters, the first of which are the time, so that ids are in the order of creation.

use std::fmt;

use crate::artifacts::ArtifactId;

const PREFIX: &str = "st_";
/// Bits of an id that are random; those before are Unix milliseconds.
const RANDOM_BITS: u32 = 80;

/// Identifies a stream: `st_` and 26 characters of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(ArtifactId);

impl StreamId {
    /// A new id, made at this time.
    pub fn new(now_ms: u64) -> Self {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).expect("the system's random source should work");
        let random = u128::from_le_bytes(random) & ((1 << RANDOM_BITS) - 1);
        Self(ArtifactId::from_bits((u128::from(now_ms) << RANDOM_BITS) | random))
    }

    /// Takes an id that could have been made here, and nothing else.
    ///
    /// # Errors
    /// [`InvalidStreamId`].
    pub fn parse(text: &str) -> Result<Self, InvalidStreamId> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidStreamId)?;
        ArtifactId::parse(digits).map(Self).map_err(|_| InvalidStreamId)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

/// The text is not the id of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stream id")]
pub struct InvalidStreamId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_read_back_and_are_in_the_order_of_time() {
        let (one, other) = (StreamId::new(1_795_165_200_000), StreamId::new(1_795_165_200_000));
        let later = StreamId::new(1_795_165_200_001);
        assert_ne!(one, other);
        assert!(one.to_string() < later.to_string() && other.to_string() < later.to_string());
        assert_eq!(StreamId::parse(&one.to_string()), Ok(one));
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        let digits = "01k8abcdefghjkmnpqrstvwxyz";
        for text in [
            "".to_owned(),
            digits.to_owned(),
            format!("st_{digits}0"),
            format!("ST_{digits}"),
            format!("st_{}", digits.to_uppercase()),
            "st_../../../../../etc/passwd1".to_owned(),
        ] {
            assert_eq!(StreamId::parse(&text), Err(InvalidStreamId), "{text}");
        }
    }
}
