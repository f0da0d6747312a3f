//! Reads Java's `.properties` format: separators, continuations, escapes, comments.

/// One entry and the line it begins on, counted from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Property {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// A line that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertiesError {
    pub line: usize,
    pub reason: String,
}

/// Reads a whole file. Java reads these files as ISO 8859-1; bytes that are UTF-8 are taken as UTF-8, which gives
/// the same for ASCII and what was meant for the rest.
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, PropertiesError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').enumerate();
    let mut properties = Vec::new();
    while let Some((at, line)) = lines.next() {
        let line_number = at + 1;
        let trimmed = line.trim_start_matches(is_blank);
        if trimmed.is_empty() || trimmed.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = trimmed.to_owned();
        while continues(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_blank));
        }
        let (key, value) = split(&logical);
        let unescaped = |text: &str| unescape(text).map_err(|reason| PropertiesError { line: line_number, reason });
        properties.push(Property { key: unescaped(key)?, value: unescaped(value)?, line: line_number });
    }
    Ok(properties)
}

/// Writes a value so that [`parse`] gives it back.
pub fn escape_value(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            ' ' if at == 0 => escaped.push_str("\\ "),
            ' '..='~' => escaped.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// Whether the line ends in a backslash that is not itself escaped.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Splits at the first blank, `=` or `:` that is not escaped; blanks around a separator belong to it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        if !escaped && (is_blank(character) || character == '=' || character == ':') {
            let rest = line[at..].trim_start_matches(is_blank);
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], value.trim_start_matches(is_blank));
        }
        escaped = character == '\\' && !escaped;
    }
    (line, "")
}

fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    let mut buffer = [0; 2];
    while let Some(character) = characters.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut buffer));
            continue;
        }
        match characters.next() {
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                units.push(
                    unit.ok_or_else(|| format!("\\u{digits} is not a Unicode escape of four hexadecimal digits"))?,
                );
            }
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0x0c),
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
            None => {}
        }
    }
    String::from_utf16(&units).map_err(|_| "half of a surrogate pair".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let read = parse(text.as_bytes()).unwrap();
        let read: Vec<_> = read.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.line)).collect();
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn the_format_of_java() {
        check(
            "a=1\nb:2\nc 3\nd = 4\ne\t:\t5\n",
            &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4), ("e", "5", 5)],
        );
        check("# no\n! no\n\n  a=1  ", &[("a", "1  ", 4)]);
        check("a=1,\\\n    2,\\\n    3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
        check("a=x\\\\\nb=1", &[("a", "x\\", 1), ("b", "1", 2)]);
        check("a\\ b\\=c=d", &[("a b=c", "d", 1)]);
        check("a=\\u0041\\t\\n\\z", &[("a", "A\t\nz", 1)]);
        check("a==b", &[("a", "=b", 1)]);
        check("a\r\nb=1\rc=2", &[("a", "", 1), ("b", "1", 2), ("c", "2", 3)]);
        check("a=\\", &[("a", "", 1)]);
        check("a=b # c", &[("a", "b # c", 1)]);
    }

    #[test]
    fn latin_bytes_and_bad_escapes() {
        assert_eq!(parse(b"a=\xe9").unwrap()[0].value, "é");
        assert_eq!(parse(b"x=1\na=\\u12").unwrap_err().line, 2);
    }

    #[test]
    fn written_values_are_read_back() {
        for value in [" a b ", "back\\slash", "é😀", "a\tb\nc", "#=:"] {
            let read = parse(format!("k={}", escape_value(value)).as_bytes()).unwrap();
            assert_eq!(read[0].value, value);
        }
    }
}
