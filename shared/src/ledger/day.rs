//! Days of the calendar in UTC: what usage is kept by, and the periods of spend caps.

use std::fmt;

use time::macros::format_description;
use time::{Date, Duration, UtcDateTime};

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// How long a spend cap holds before it begins anew, by the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Until midnight.
    Day,
    /// Until the first of the next month.
    Month,
}

impl Period {
    /// The word used in settings, answers and Redis.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Day, Self::Month]
            .into_iter()
            .find(|period| period.as_str() == word)
    }
}

impl Day {
    /// The day of an instant, Unix milliseconds.
    pub fn of(unix_ms: u64) -> Self {
        let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
        // Beyond the year 9999 every day is the last one.
        Self(UtcDateTime::from_unix_timestamp(seconds).map_or(Date::MAX, UtcDateTime::date))
    }

    /// A day as `2026-11-21`.
    pub fn parse(text: &str) -> Option<Self> {
        let form = format_description!("[year]-[month]-[day]");
        Date::parse(text, form).ok().map(Self)
    }

    /// So many days earlier.
    #[must_use]
    pub fn earlier(self, days: u16) -> Self {
        Self(self.0.saturating_sub(Duration::days(days.into())))
    }

    /// Its month, as `2026-11`.
    pub fn month(self) -> String {
        format!("{:04}-{:02}", self.0.year(), u8::from(self.0.month()))
    }

    /// Every day from this one to another, both included, oldest first; none if the other is earlier.
    pub fn until(self, last: Self) -> impl Iterator<Item = Self> {
        let days = (last.0 - self.0).whole_days().max(-1);
        (0..=days).map(move |day| Self(self.0.saturating_add(Duration::days(day))))
    }

    /// When the period of this day ends and the next one begins, Unix milliseconds.
    pub fn end_of(self, period: Period) -> u64 {
        let next = match period {
            Period::Day => self.0.next_day(),
            Period::Month => {
                let first = self.0.replace_day(1).unwrap_or(self.0);
                // The longest month has 31 days, so that this is within the next one.
                first.saturating_add(Duration::days(31)).replace_day(1).ok()
            }
        };
        let seconds = next.unwrap_or(Date::MAX).midnight().as_utc().unix_timestamp();
        u64::try_from(seconds).unwrap_or(0) * 1_000
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.month(), self.0.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rfc3339_ms;

    #[test]
    fn days_are_read_as_they_are_written_and_counted_over_the_ends_of_months() {
        let day = Day::of(1_795_165_200_007);
        assert_eq!((day.to_string(), day.month()), ("2026-11-20".into(), "2026-11".into()));
        assert_eq!(Day::parse("2026-11-20"), Some(day));
        let days: Vec<String> = day
            .earlier(20)
            .until(Day::parse("2026-11-02").expect("a day"))
            .map(|day| day.to_string())
            .collect();
        assert_eq!(days, ["2026-10-31", "2026-11-01", "2026-11-02"]);
        assert_eq!(day.until(day.earlier(1)).count(), 0);
        assert_eq!(day.until(day.earlier(900)).count(), 0);
        for text in ["", "2026-11", "2026-02-30", "2026-11-20T00:00:00Z", "-1-01-01"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_period_ends_where_the_calendar_says() {
        let end = |day: &str, period| rfc3339_ms(Day::parse(day).expect("a day").end_of(period));
        assert_eq!(end("2026-12-31", Period::Day), "2027-01-01T00:00:00.000Z");
        assert_eq!(end("2026-02-01", Period::Month), "2026-03-01T00:00:00.000Z");
        assert_eq!(end("2026-12-31", Period::Month), "2027-01-01T00:00:00.000Z");
        assert_eq!(Day::of(u64::MAX), Day(Date::MAX));
    }
}
