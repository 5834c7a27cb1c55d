//! Task ids: made by the caller, time-ordered, carrying their shard. Nothing else about a task belongs here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so ids survive being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 20;
const TIME_CHARS: usize = 9;
const SHARD_CHARS: usize = 2;
const RANDOM_CHARS: usize = 9;
/// How much time the records of one hash are from. Long enough that many tasks share one at the rates where its memory
/// counts, short enough that at the highest its table fits into a processor's cache.
const SPAN_MS: u64 = 256;
/// Characters of a span's name; the last of an id's time tells less than it.
const SPAN_CHARS: usize = TIME_CHARS - 1;
const BITS_LEFT_OUT: u32 = 5;

/// Identifies a task: 9 characters of milliseconds since 1970, 2 of the shard, 9 of randomness.
///
/// Ids sort by creation time. Their inside is private to this crate: clients treat them as opaque.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId([u8; LENGTH]);

impl TaskId {
    /// Builds an id from its parts; only the low 45 bits of `now_ms` and `random` and the low 10 of `shard` count.
    pub fn new(now_ms: u64, shard: u16, random: u64) -> Self {
        let mut text = [0_u8; LENGTH];
        write_base32(&mut text[..TIME_CHARS], now_ms);
        write_base32(&mut text[TIME_CHARS..TIME_CHARS + SHARD_CHARS], u64::from(shard));
        write_base32(&mut text[LENGTH - RANDOM_CHARS..], random);
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids hold only ASCII from ALPHABET")
    }

    /// The shard that holds the task.
    pub(crate) fn shard(&self) -> u16 {
        let digits = read_base32(&self.0[TIME_CHARS..TIME_CHARS + SHARD_CHARS]);
        u16::try_from(digits.expect("ids hold only ASCII from ALPHABET")).expect("two digits are ten bits")
    }

    /// Whether both records are in one hash.
    pub(crate) fn shares_span(&self, other: &Self) -> bool {
        // Most are of the same few milliseconds.
        self.0[..SPAN_CHARS] == other.0[..SPAN_CHARS] || self.made_at_ms() / SPAN_MS == other.made_at_ms() / SPAN_MS
    }

    /// The span of time in which the id was made, of 256 ms: what names the hash that holds the task's record, for
    /// whoever looks into Redis by hand. Seven characters of the id, and the eighth without its lower three bits.
    pub fn span(&self) -> String {
        let mut span = [0; SPAN_CHARS];
        write_base32(&mut span, self.made_at_ms() / SPAN_MS * (SPAN_MS >> BITS_LEFT_OUT));
        String::from_utf8_lossy(&span).into_owned()
    }

    /// Milliseconds since 1970 by the clock of the process that made the id.
    pub(crate) fn made_at_ms(&self) -> u64 {
        read_base32(&self.0[..TIME_CHARS]).expect("ids hold only ASCII from ALPHABET")
    }
}

/// The text is not an id of this queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a task id")]
pub struct InvalidTaskId;

impl FromStr for TaskId {
    type Err = InvalidTaskId;

    fn from_str(text: &str) -> Result<Self, InvalidTaskId> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidTaskId)?;
        read_base32(&bytes).map(|_| Self(bytes)).ok_or(InvalidTaskId)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn write_base32(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
}

/// `None` if a character is outside the alphabet. Bits over 64 fall off the left end.
fn read_base32(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let five_bits = ALPHABET.iter().position(|known| known == digit)?;
        Some((value << 5) | five_bits as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_shard_and_time_and_survives_text() {
        let id = TaskId::new(1_763_635_490_123, 0, 0x1234_5678_9abc);
        assert_eq!((id.shard(), id.made_at_ms()), (0, 1_763_635_490_123));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TaskId::new(1, 1023, 0).shard(), 1023);
    }

    #[test]
    fn a_span_is_what_all_ids_of_its_time_begin_with() {
        let begun = 1_763_635_490_123 / 256 * 256;
        let span = TaskId::new(begun, 3, 1).span();
        assert_eq!(span, TaskId::new(begun + 255, 5, u64::MAX).span());
        assert!(TaskId::new(begun, 0, 0).shares_span(&TaskId::new(begun + 255, 1, 2)));
        assert!(!TaskId::new(begun, 0, 0).shares_span(&TaskId::new(begun - 1, 0, 0)));
        assert_eq!(span, TaskId::new(begun, 0, 0).as_str()[..8]);
        assert_eq!(
            TaskId::new(begun + 256, 0, 0).span(),
            TaskId::new(begun + 256, 0, 0).as_str()[..8]
        );
        assert!(TaskId::new(begun - 1, 0, 0).span() < span);
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        assert!(TaskId::new(1_000, 5, u64::MAX) < TaskId::new(1_001, 0, 0));
    }

    #[test]
    fn text_that_is_not_an_id_is_refused() {
        for text in [
            "",
            "short",
            "../../../etc/passwd1",
            "0000000000000000000I",
            "0000000000000000000*",
            "000000000000000000000",
        ] {
            assert_eq!(text.parse::<TaskId>(), Err(InvalidTaskId), "{text}");
        }
    }
}
