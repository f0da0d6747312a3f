//! Text that peers chose, made fit for a log line.

/// Longer texts are cut to this many characters.
const PRINTED_CHARS_MAX: usize = 256;

/// `text` with control characters escaped and cut to a length that a log can bear, so that no client can forge lines.
pub fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut printed = String::with_capacity(text.len().min(PRINTED_CHARS_MAX));
    let mut chars = text.chars();
    for c in chars.by_ref().take(PRINTED_CHARS_MAX) {
        match c {
            '"' | '\\' => printed.extend(['\\', c]),
            c if c.is_control() || is_reordering(c) => printed.extend(c.escape_default()),
            c => printed.push(c),
        }
    }
    if chars.next().is_some() {
        printed.push('…');
    }
    printed
}

/// Marks that turn the direction of the text around them, and the line separators outside ASCII.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a frame says of itself: API, version and client id, as far as they can be read without trusting it.
pub(super) fn describe_frame(head: &[u8]) -> String {
    let Some((key, version)) = head.first_chunk::<4>().map(|b| ([b[0], b[1]], [b[2], b[3]])) else {
        return format!("client unknown, a frame of {} bytes", head.len());
    };
    let (key, version) = (i16::from_be_bytes(key), i16::from_be_bytes(version));
    let client = match client_id(head) {
        Some(id) => format!("client \"{}\"", printable(id)),
        None => "client without id".to_string(),
    };
    match crate::protocol::schema::name(key) {
        Some(api) => format!("{client}, {api} version {version}"),
        None => format!("{client}, API key {key} version {version}"),
    }
}

fn client_id(head: &[u8]) -> Option<&[u8]> {
    let len = i16::from_be_bytes(*head.get(8..)?.first_chunk()?);
    head.get(10..)?.get(..usize::try_from(len).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_cannot_forge_lines() {
        assert_eq!(printable(b"a\r\nINFO \"b\"\x1b[2J"), "a\\r\\nINFO \\\"b\\\"\\u{1b}[2J");
        assert_eq!(printable("\u{202e}x".as_bytes()), "\\u{202e}x");
        assert_eq!(printable(&[0xff, b'a']), "\u{fffd}a");
        assert_eq!(printable("é".repeat(300).as_bytes()).chars().count(), 257);
    }

    #[test]
    fn frames_are_described_as_far_as_they_go() {
        assert_eq!(describe_frame(&[0, 3]), "client unknown, a frame of 2 bytes");
        assert_eq!(describe_frame(&[0, 3, 0, 9]), "client without id, Metadata version 9");
        assert_eq!(describe_frame(b"\0\x03\0\x01\0\0\0\x07\0\x02me"), "client \"me\", Metadata version 1");
        assert_eq!(describe_frame(b"\x7f\x03\0\x01\0\0\0\x07\xff\xff"), "client without id, API key 32515 version 1");
        assert_eq!(describe_frame(b"\0\x03\0\x01\0\0\0\x07\x7f\xffme"), "client without id, Metadata version 1");
    }
}
