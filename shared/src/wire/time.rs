//! Instants on the wire: RFC 3339 in UTC with milliseconds.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcDateTime};

const WITH_MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The last instant that is shown: the end of the year 9999, the last that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// Unix milliseconds as text, such as `2026-11-20T09:00:00.000Z`.
pub fn rfc3339_ms(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms.min(LAST_MS)) * 1_000_000;
    let instant = UtcDateTime::from_unix_timestamp_nanos(nanos).expect("instants up to the year 9999 should be dates");
    instant
        .format(WITH_MILLISECONDS)
        .expect("the format should fit every date")
}

/// An RFC 3339 instant, in any zone, as Unix milliseconds; `None` for other text and for instants before 1970.
pub fn parse_rfc3339_ms(text: &str) -> Option<u64> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(instant.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_milliseconds_and_read_back() {
        assert_eq!(rfc3339_ms(1_795_165_200_007), "2026-11-20T09:00:00.007Z");
        assert_eq!(parse_rfc3339_ms("2026-11-20T09:00:00.007Z"), Some(1_795_165_200_007));
        assert_eq!(
            parse_rfc3339_ms("2026-11-20T10:00:00.007+01:00"),
            Some(1_795_165_200_007)
        );
        assert_eq!(rfc3339_ms(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn instants_outside_of_the_calendar_do_not_panic() {
        assert_eq!(rfc3339_ms(u64::MAX), "9999-12-31T23:59:59.999Z");
        for text in [
            "",
            "yesterday",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-20",
        ] {
            assert_eq!(parse_rfc3339_ms(text), None, "{text}");
        }
    }
}
