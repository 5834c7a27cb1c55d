//! Artifact ids: 128 random bits as text. Whoever does not know one cannot find it, and no id can leave its folder.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// Identifies an artifact: 26 characters of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArtifactId([u8; LENGTH]);

impl ArtifactId {
    /// A new id from the system's random source.
    pub fn random() -> Self {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).expect("the system's random source should work");
        Self::from_bits(u128::from_le_bytes(random))
    }

    /// Takes an id that this store could have made, and nothing else.
    pub fn parse(text: &str) -> Result<Self, InvalidArtifactId> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidArtifactId)?;
        // 26 digits hold 130 bits: the first digit of 128 bits is at most 7.
        let fits = bytes[0] <= b'7' && bytes.iter().all(|byte| ALPHABET.contains(byte));
        if fits { Ok(Self(bytes)) } else { Err(InvalidArtifactId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids hold only ASCII from ALPHABET")
    }

    /// The id of these bits: larger bits, later in the order of texts.
    pub(crate) fn from_bits(mut bits: u128) -> Self {
        let mut text = [0_u8; LENGTH];
        for digit in text.iter_mut().rev() {
            *digit = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text)
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ArtifactId {
    type Err = InvalidArtifactId;

    fn from_str(text: &str) -> Result<Self, InvalidArtifactId> {
        Self::parse(text)
    }
}

/// The text is not the id of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an artifact id")]
pub struct InvalidArtifactId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_26_characters_parse_back_and_differ() {
        let (one, other) = (ArtifactId::random(), ArtifactId::random());
        assert_eq!(one.as_str().len(), 26);
        assert_eq!(ArtifactId::parse(one.as_str()), Ok(one));
        assert_ne!(one, other);
    }

    #[test]
    fn the_smallest_and_the_largest_id_are_valid() {
        assert_eq!(
            ArtifactId::parse(ArtifactId::from_bits(0).as_str()),
            Ok(ArtifactId::from_bits(0))
        );
        assert_eq!(
            ArtifactId::parse(ArtifactId::from_bits(u128::MAX).as_str()),
            Ok(ArtifactId::from_bits(u128::MAX))
        );
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        let traversal = "../../../../../etc/passwd1";
        let encoded = "%2e%2e%2f%2e%2e%2fetcpass1";
        let upper = "0123456789ABCDEFGHJKMNPQRS";
        let too_many_bits = "8000000000000000000000000z";
        for text in [
            "",
            "a/b",
            "*",
            "{}",
            traversal,
            encoded,
            upper,
            too_many_bits,
            &"0".repeat(10_000),
        ] {
            assert_eq!(ArtifactId::parse(text), Err(InvalidArtifactId), "{text}");
        }
    }
}
