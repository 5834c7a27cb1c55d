//! `Range: bytes=...` against a known length: one range is served, anything else is ignored or unsatisfiable.

use std::ops::Range;

/// What a `Range` header asks of a body of known length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no header, another unit, several ranges or nonsense, which RFC 9110 lets a server ignore.
    All,
    /// These bytes, not empty.
    Part(Range<u64>),
    /// A range that begins behind the end.
    Unsatisfiable,
}

/// Reads a `Range` header.
pub(crate) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Wanted::All;
    };
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            match last {
                Some(last) if last < first => Wanted::All,
                _ if first >= length => Wanted::Unsatisfiable,
                _ => Wanted::Part(first..end),
            }
        }
        (Some(None), Some(Some(count))) if count == 0 || length == 0 => Wanted::Unsatisfiable,
        (Some(None), Some(Some(count))) => Wanted::Part(length.saturating_sub(count)..length),
        _ => Wanted::All,
    }
}

/// An empty position is `Some(None)`; one that is not a number is `None`.
fn position(text: &str) -> Option<Option<u64>> {
    let digits = !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() {
        Some(None)
    } else if digits {
        text.parse().ok().map(Some)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_body() {
        let cases = [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=3-5", Wanted::Part(3..6)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=5-99999", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-20", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
    }

    #[test]
    fn what_is_not_one_byte_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "items=0-1",
            "bytes=1-2,4-5",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-99999999999999999999",
        ] {
            assert_eq!(wanted(Some(header), 10), Wanted::All, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::All);
    }

    #[test]
    fn an_empty_body_has_no_range() {
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("bytes=-1"), 0), Wanted::Unsatisfiable);
    }
}
