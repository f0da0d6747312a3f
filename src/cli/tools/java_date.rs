//! Patterns of Java's `SimpleDateFormat`.

/// The same pattern as `chrono` has it. Letters that stand for something else than parts of dates and times are refused.
pub fn to_chrono(pattern: &str) -> Result<String, String> {
    let mut format = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            quote(&mut letters, &mut format);
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            push(&mut format, letter);
            continue;
        }
        let mut count = 1;
        while letters.next_if_eq(&letter).is_some() {
            count += 1;
        }
        format.push_str(match (letter, count) {
            ('y', 2) => "%y",
            ('y', _) => "%Y",
            ('M', 1) => "%-m",
            ('M', 2) => "%m",
            ('M', 3) => "%b",
            ('M', _) => "%B",
            ('d', 1) => "%-d",
            ('d', _) => "%d",
            ('D', _) => "%-j",
            ('E', 1..=3) => "%a",
            ('E', _) => "%A",
            ('a', _) => "%p",
            ('H', 1) => "%-H",
            ('H', _) => "%H",
            ('h', 1) => "%-I",
            ('h', _) => "%I",
            ('m', 1) => "%-M",
            ('m', _) => "%M",
            ('s', 1) => "%-S",
            ('s', _) => "%S",
            ('S', _) => "%3f",
            ('z', _) => "%Z",
            ('Z', _) => "%z",
            ('X', 1..=2) => "%z",
            ('X', _) => "%:z",
            _ => return Err(format!("Illegal pattern character '{letter}'")),
        });
    }
    Ok(format)
}

/// Text between quotes stands for itself; two quotes for one.
fn quote(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, format: &mut String) {
    if letters.next_if_eq(&'\'').is_some() {
        format.push('\'');
        return;
    }
    while let Some(letter) = letters.next() {
        if letter != '\'' {
            push(format, letter);
        } else if letters.next_if_eq(&'\'').is_some() {
            format.push('\'');
        } else {
            return;
        }
    }
}

fn push(format: &mut String, letter: char) {
    if letter == '%' {
        format.push('%');
    }
    format.push(letter);
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    #[test]
    fn patterns_are_read_as_java_reads_them() {
        let time = Utc.timestamp_millis_opt(1_700_000_123_045).unwrap();
        for (pattern, text) in [
            ("yyyy-MM-dd HH:mm:ss:SSS", "2023-11-14 22:15:23:045"),
            ("d.M.yy 'o''clock' h a", "14.11.23 o'clock 10 PM"),
            ("EEE, MMM d % ''", "Tue, Nov 14 % '"),
        ] {
            assert_eq!(time.format(&to_chrono(pattern).unwrap()).to_string(), text);
        }
        assert_eq!(to_chrono("Q").unwrap_err(), "Illegal pattern character 'Q'");
    }
}
