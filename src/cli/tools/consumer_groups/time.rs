//! Times as arguments: a date with its time, or how long ago.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use regex::{Captures, Regex};

static DATETIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r"^(\d{1,4})-(\d{1,2})-(\d{1,2})T(\d{1,2}):(\d{1,2}):(\d{1,2})\.(\d{1,3})(?:Z|([+-])(\d\d)(?::?(\d\d))?)$";
    Regex::new(pattern).expect("a pattern that is right")
});

static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r"(?i)^([+-])?P(?:([+-]?\d+)D)?(T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?\d+)(?:[.,](\d{0,9}))?S)?)?$";
    Regex::new(pattern).expect("a pattern that is right")
});

/// Milliseconds since 1970 of `2024-01-31T10:00:00.000`, in UTC unless a zone follows.
pub(in crate::cli::tools) fn datetime(text: &str) -> Result<i64, String> {
    let Some((_, time)) = text.split_once('T') else {
        return Err(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 \
                    format"
                .to_owned(),
        );
    };
    let zoned = match time.contains(['+', '-', 'Z']) {
        true => text.to_owned(),
        false => format!("{text}Z"),
    };
    parse_datetime(&zoned).ok_or_else(|| format!("java.text.ParseException: Unparseable date: \"{zoned}\""))
}

fn parse_datetime(text: &str) -> Option<i64> {
    let found = DATETIME.captures(text)?;
    let number = |at: usize| found.get(at).map_or(Some(0), |digits| digits.as_str().parse::<i64>().ok());
    let (year, month, day) = (number(1)?, number(2)?, number(3)?);
    let (hour, minute, second, milli) = (number(4)?, number(5)?, number(6)?, number(7)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset_minutes = number(9)? * 60 + number(10)?;
    let is_west = found.get(8).is_some_and(|sign| sign.as_str() == "-");
    let offset_minutes = if is_west { -offset_minutes } else { offset_minutes };
    let seconds = days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - offset_minutes * 60) * 1_000 + milli)
}

/// Days of the Gregorian calendar, of which years are counted from March so that a leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    Some(march_year * 365 + leap_days + (march_month * 153 + 2) / 5 + day - 1 - 719_468)
}

/// Milliseconds since 1970 of the time that was `PnDTnHnMn.nS` ago.
pub(in crate::cli::tools) fn ago(text: &str) -> Result<i64, String> {
    let millis = DURATION.captures(text).and_then(|found| duration(&found));
    let millis = millis.ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    Ok(now.saturating_sub(millis))
}

fn duration(found: &Captures<'_>) -> Option<i64> {
    let part = |at: usize| found.get(at).map(|digits| digits.as_str());
    let has_time = part(4).or(part(5)).or(part(6)).is_some();
    if !has_time && (part(2).is_none() || part(3).is_some()) {
        return None;
    }
    let mut millis: i64 = 0;
    for (at, unit) in [(2, 86_400_000), (4, 3_600_000), (5, 60_000), (6, 1_000)] {
        if let Some(digits) = part(at) {
            let count: i64 = digits.trim_start_matches('+').parse().ok()?;
            millis = millis.checked_add(count.checked_mul(unit)?)?;
        }
    }
    if let Some(fraction) = part(7).filter(|digits| !digits.is_empty()) {
        let thousandths: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
        millis += if part(6).is_some_and(|digits| digits.starts_with('-')) { -thousandths } else { thousandths };
    }
    Some(if part(1) == Some("-") { -millis } else { millis })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_javas() {
        assert_eq!(datetime("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(datetime("2024-02-29T12:30:15.250Z"), Ok(1_709_209_815_250));
        assert_eq!(datetime("2024-02-29T12:30:15.250+02:00"), Ok(1_709_202_615_250));
        assert_eq!(datetime("2024-02-29T12:30:15.250-0130"), Ok(1_709_215_215_250));
        assert_eq!(datetime("1969-12-31T23:59:59.999"), Ok(-1));
        let unparseable = |text: &str| format!("java.text.ParseException: Unparseable date: \"{text}\"");
        assert_eq!(datetime("2023-02-29T00:00:00.000"), Err(unparseable("2023-02-29T00:00:00.000Z")));
        assert_eq!(datetime("2023-02-20Tx"), Err(unparseable("2023-02-20TxZ")));
        assert!(datetime("2023-02-20").is_err());
    }

    #[test]
    fn durations_are_javas() {
        let millis = |text: &str| DURATION.captures(text).and_then(|found| duration(&found));
        assert_eq!(millis("P1DT2H3M4.5S"), Some(93_784_500));
        assert_eq!(millis("PT0S"), Some(0));
        assert_eq!(millis("-PT1M"), Some(-60_000));
        assert_eq!(millis("PT-1.5S"), Some(-1_500));
        for wrong in ["P", "PT", "P1DT", "1D", "PT1D", ""] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
