//! Times as the cloud keeps them: milliseconds since 1970, UTC.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    millis(OffsetDateTime::now_utc())
}

/// A date as milliseconds since 1970.
pub(crate) fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds, as the API writes times.
pub(crate) fn rfc3339(at_millis: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_millis) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// A time as the API takes it, in any zone; `None` if it is none.
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(millis)
}

/// How long ago something was, for people: `3 minutes ago`.
pub(crate) fn ago(at_millis: i64, now_millis: i64) -> String {
    let seconds = now_millis.saturating_sub(at_millis).max(0) / 1000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_ages_in_words() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(ago(0, 61_000), "1 minute ago");
        assert_eq!(ago(0, 7_200_000), "2 hours ago");
        assert_eq!(ago(5_000, 0), "0 seconds ago");
    }
}
