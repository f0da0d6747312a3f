//! Lines of text taken apart into headers, key and value.

use std::io::BufRead;
use std::ops::Range;

use regex::Regex;

use crate::cli::tools::properties::{Properties, is_true};
use crate::protocol::batch::RecordHeader;

/// Reads lines and knows how they are divided.
pub(super) struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    null_marker: Option<String>,
    number: u64,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    returned: bool,
    bytes: Vec<u8>,
    /// The line, its parts, and its headers as parts.
    text: String,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<(Range<usize>, Option<Range<usize>>)>,
}

/// A line and its parts.
pub(super) struct Line<'a>(&'a LineReader);

impl Line<'_> {
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.0.key.clone().map(|key| self.part(key))
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        self.0.value.clone().map(|value| self.part(value))
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = RecordHeader<'_>> {
        self.0.headers.iter().map(|(key, value)| RecordHeader {
            key: self.part(key.clone()),
            value: value.clone().map(|value| self.part(value)),
        })
    }

    fn part(&self, part: Range<usize>) -> &[u8] {
        self.0.text[part].as_bytes()
    }
}

impl LineReader {
    pub(super) fn new(properties: &Properties) -> Result<LineReader, String> {
        let text = |key: &str, default: &str| properties.get(key).map_or(default, String::as_str).to_owned();
        let (key_separator, headers_delimiter) = (text("key.separator", "\t"), text("headers.delimiter", "\t"));
        let (separator, key_value) = (text("headers.separator", ","), text("headers.key.separator", ":"));
        let null_marker = properties.get("null.marker").cloned();
        let separators = [
            ("key.separator", &key_separator),
            ("headers.separator", &separator),
            ("headers.delimiter", &headers_delimiter),
            ("headers.key.separator", &key_value),
        ];
        let same = |a: usize, b: usize| {
            let ((a, first), (b, second)) = (separators[a], separators[b]);
            if first == second { Err(format!("{a} and {b} may not be equal")) } else { Ok(()) }
        };
        same(2, 1)?;
        same(2, 3)?;
        same(1, 3)?;
        if let Some((name, _)) = separators.iter().find(|(_, separator)| Some(*separator) == null_marker.as_ref()) {
            return Err(format!("null.marker and {name} may not be equal"));
        }
        Ok(LineReader {
            parse_key: is_true(properties, "parse.key").unwrap_or(false),
            parse_headers: is_true(properties, "parse.headers").unwrap_or(false),
            ignore_error: is_true(properties, "ignore.error").unwrap_or(false),
            key_separator,
            headers_delimiter,
            headers_separator: Regex::new(&separator).map_err(|error| error.to_string())?,
            headers_key_separator: key_value,
            null_marker,
            number: 0,
            returned: false,
            bytes: Vec::new(),
            text: String::new(),
            key: None,
            value: None,
            headers: Vec::new(),
        })
    }

    /// The next line, or none at the end of the input.
    pub(super) fn next(&mut self, input: &mut impl BufRead) -> Result<Option<Line<'_>>, String> {
        self.number += 1;
        match self.read(input).map_err(|error| error.to_string())? {
            true => {
                self.divide()?;
                Ok(Some(Line(self)))
            }
            false => Ok(None),
        }
    }

    /// Reads up to a line feed, a carriage return, or one with the other.
    fn read(&mut self, input: &mut impl BufRead) -> std::io::Result<bool> {
        self.bytes.clear();
        let mut found = false;
        loop {
            let available = input.fill_buf()?;
            if available.is_empty() {
                break;
            }
            if std::mem::take(&mut self.returned) && available[0] == b'\n' {
                input.consume(1);
                continue;
            }
            found = true;
            let Some(end) = available.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.bytes.extend_from_slice(available);
                let len = available.len();
                input.consume(len);
                continue;
            };
            self.bytes.extend_from_slice(&available[..end]);
            self.returned = available[end] == b'\r';
            input.consume(end + 1);
            break;
        }
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(&self.bytes));
        Ok(found)
    }

    fn divide(&mut self) -> Result<(), String> {
        let headers = self.part(self.parse_headers, 0, &self.headers_delimiter, "headers delimiter")?;
        let after = headers.as_ref().map_or(0, |headers| headers.end + self.headers_delimiter.len());
        let key = self.part(self.parse_key, after, &self.key_separator, "key separator")?;
        let start = key.as_ref().map_or(after, |key| key.end + self.key_separator.len());
        self.key = key.filter(|key| !self.is_null(key));
        self.value = Some(start..self.text.len()).filter(|value| !self.is_null(value));
        self.headers.clear();
        match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.divide_headers(headers),
            None => Ok(()),
        }
    }

    /// What stands from `start` up to a separator.
    fn part(&self, enabled: bool, start: usize, separator: &str, what: &str) -> Result<Option<Range<usize>>, String> {
        match self.text[start..].find(separator) {
            _ if !enabled => Ok(None),
            Some(len) => Ok(Some(start..start + len)),
            None if self.ignore_error => Ok(None),
            None => Err(format!("No {what} found on line number {}: '{}'", self.number, self.text)),
        }
    }

    fn divide_headers(&mut self, headers: Range<usize>) -> Result<(), String> {
        let text = &self.text[headers.clone()];
        let mut pairs: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        for separator in self.headers_separator.find_iter(text).filter(|found| !found.is_empty()) {
            pairs.push(start..separator.start());
            start = separator.end();
        }
        pairs.push(start..text.len());
        // As Java splits: nothing empty at the end, unless there is nothing else.
        while pairs.len() > 1 && pairs.last().is_some_and(Range::is_empty) {
            pairs.pop();
        }
        for pair in pairs {
            let pair = headers.start + pair.start..headers.start + pair.end;
            let text = &self.text[pair.clone()];
            let Some(len) = text.find(&self.headers_key_separator) else {
                if self.ignore_error {
                    self.headers.push((pair, None));
                    continue;
                }
                return Err(format!("No header key separator found in pair '{text}' on line number {}", self.number));
            };
            let key = pair.start..pair.start + len;
            if self.is_null(&key) {
                let marker = &self.text[key];
                return Err(format!(
                    "Header keys should not be equal to the null marker '{marker}' as they can't be null"
                ));
            }
            let value = key.end + self.headers_key_separator.len()..pair.end;
            let value = Some(value).filter(|value| !self.is_null(value));
            self.headers.push((key, value));
        }
        Ok(())
    }

    fn is_null(&self, part: &Range<usize>) -> bool {
        self.null_marker.as_deref() == Some(&self.text[part.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)], input: &str) -> Result<Vec<String>, String> {
        let properties = properties.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let mut reader = LineReader::new(&properties)?;
        let (mut input, mut read) = (input.as_bytes(), Vec::new());
        while let Some(line) = reader.next(&mut input)? {
            let text = |bytes: Option<&[u8]>| bytes.map_or("-".into(), String::from_utf8_lossy).into_owned();
            let headers = line.headers().map(|h| format!("{}={},", text(Some(h.key)), text(h.value)));
            read.push(format!("{}{}|{}", headers.collect::<String>(), text(line.key()), text(line.value())));
        }
        Ok(read)
    }

    #[test]
    fn lines_are_divided_as_kafka_divides_them() {
        let all = [("parse.key", "true"), ("parse.headers", "True "), ("null.marker", "NULL")];
        assert_eq!(read(&[], "a\tb\r\nc\rd\n\ne").unwrap(), ["-|a\tb", "-|c", "-|d", "-|", "-|e"]);
        assert_eq!(read(&all, "h1:v1,h2:NULL,,\tk\tv\nNULL\tNULL\tNULL").unwrap(), ["h1=v1,h2=-,k|v", "-|-"]);
        let error = |properties: &[(&str, &str)], input: &str| read(properties, input).unwrap_err();
        assert_eq!(error(&all, "h1\tk\tv"), "No header key separator found in pair 'h1' on line number 1");
        assert_eq!(error(&all[..1], "k\tv\nx"), "No key separator found on line number 2: 'x'");
        assert_eq!(
            error(&[("key.separator", "N"), ("null.marker", "N")], ""),
            "null.marker and key.separator may not be equal"
        );
        assert_eq!(read(&[("parse.key", "true"), ("ignore.error", "true")], "x").unwrap(), ["-|x"]);
    }
}
