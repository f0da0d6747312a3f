//! Subscriptions by pattern: RE2's syntax (as `re2j` reads it) on an engine that takes linear time, too.
//!
//! The engine's syntax grew out of RE2's. What the two read differently is written anew before it is compiled: literal
//! stretches (`\Q…\E`), braces and brackets that stand for themselves, and set operations inside brackets, which RE2 does
//! not have.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{ErrorKind, parse::ParserBuilder};

/// RE2 repeats nothing more often.
const REPEAT_MAX: u32 = 1_000;
/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A pattern that names whole topics.
#[derive(Debug)]
pub struct TopicPattern(Regex);

impl TopicPattern {
    /// Compiles a pattern. The error says why in RE2's words.
    pub fn new(pattern: &str) -> Result<TopicPattern, String> {
        let pattern = Rewriter::new(pattern).rewrite()?;
        // Parsed alone first, so that what is wrong with it is not blamed on what is put around it.
        ParserBuilder::new().build().parse(&pattern).map_err(|error| reason(error.kind()))?;
        let whole = format!(r"\A(?:{pattern})\z");
        let compiled = RegexBuilder::new(&whole).size_limit(COMPILED_BYTES_MAX).build();
        compiled.map(TopicPattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "expression too large".to_owned(),
            _ => "invalid or unsupported Perl syntax".to_owned(),
        })
    }

    /// Whether the pattern describes all of `topic`.
    pub fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

fn reason(kind: &ErrorKind) -> String {
    let reason = match kind {
        ErrorKind::ClassUnclosed => "missing closing ]",
        ErrorKind::GroupUnclosed => "missing closing )",
        ErrorKind::GroupUnopened => "unexpected )",
        ErrorKind::RepetitionMissing => "missing argument to repetition operator",
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountDecimalEmpty
        | ErrorKind::RepetitionCountUnclosed => "invalid repeat count",
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral | ErrorKind::ClassEscapeInvalid => {
            "invalid character class range"
        }
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression",
        ErrorKind::EscapeUnrecognized
        | ErrorKind::EscapeHexEmpty
        | ErrorKind::EscapeHexInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::UnsupportedBackreference => "invalid escape sequence",
        ErrorKind::GroupNameDuplicate { .. }
        | ErrorKind::GroupNameEmpty
        | ErrorKind::GroupNameInvalid
        | ErrorKind::GroupNameUnexpectedEof => "invalid named capture",
        ErrorKind::NestLimitExceeded(_) => "expression nests too deeply",
        _ => "invalid or unsupported Perl syntax",
    };
    reason.to_owned()
}

/// RE2's syntax on its way to the engine's.
struct Rewriter<'a> {
    rest: std::str::Chars<'a>,
    out: String,
    /// The last thing was a repetition, which cannot be repeated.
    repeated: bool,
}

impl<'a> Rewriter<'a> {
    fn new(pattern: &'a str) -> Rewriter<'a> {
        Rewriter { rest: pattern.chars(), out: String::with_capacity(pattern.len()), repeated: false }
    }

    fn rewrite(mut self) -> Result<String, String> {
        while let Some(c) = self.rest.next() {
            let was_repeated = std::mem::replace(&mut self.repeated, false);
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.out.push(c);
                    self.repetition(was_repeated)?;
                }
                '{' => match self.counts()? {
                    true => self.repetition(was_repeated)?,
                    false => self.out.push_str(r"\{"),
                },
                '(' => self.group()?,
                '}' | ']' => self.literal(c),
                c => self.out.push(c),
            }
        }
        Ok(self.out)
    }

    /// After a repetition operator there may be one `?`, and then nothing that repeats.
    fn repetition(&mut self, was_repeated: bool) -> Result<(), String> {
        if was_repeated {
            return Err("invalid nested repetition operator".to_owned());
        }
        if self.rest.as_str().starts_with('?') {
            self.rest.next();
            self.out.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.rest.next() {
            None => Err("trailing backslash at end of expression".to_owned()),
            Some('Q') => {
                let (quoted, rest) = self.rest.as_str().split_once(r"\E").unwrap_or((self.rest.as_str(), ""));
                self.out.push_str(&regex_syntax::escape(quoted));
                self.rest = rest.chars();
                Ok(())
            }
            Some(c) if c.is_ascii_alphanumeric() && !"AabBCdDfnpPrsStvwWxz".contains(c) => {
                Err("invalid escape sequence".to_owned())
            }
            Some(c) => {
                // Boundaries of another kind are the engine's own.
                let bounded = matches!(c, 'b' | 'B') && self.rest.as_str().starts_with('{');
                let is_plain = !c.is_ascii_alphanumeric();
                if is_plain {
                    self.literal(c);
                } else {
                    self.out.push('\\');
                    self.out.push(c);
                }
                if bounded {
                    self.out.push_str("(?:)");
                }
                if matches!(c, 'x' | 'p' | 'P') && self.rest.as_str().starts_with('{') {
                    let end = self.rest.as_str().find('}').map_or(self.rest.as_str().len(), |end| end + 1);
                    self.out.push_str(&self.rest.as_str()[..end]);
                    self.rest = self.rest.as_str()[end..].chars();
                }
                Ok(())
            }
        }
    }

    /// Counts in braces are written out; false if the brace stands for itself.
    fn counts(&mut self) -> Result<bool, String> {
        let Some((inside, rest)) = self.rest.as_str().split_once('}') else { return Ok(false) };
        let (least, most) = inside.split_once(',').map_or((inside, None), |(least, most)| (least, Some(most)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(least) || most.is_some_and(|most| !most.is_empty() && !digits(most)) {
            return Ok(false);
        }
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= REPEAT_MAX);
        let (low, high) = (number(least), most.filter(|most| !most.is_empty()).map(number));
        let (Some(low), None | Some(Some(_))) = (low, high) else { return Err("invalid repeat count".to_owned()) };
        if high.flatten().is_some_and(|high| high < low) {
            return Err("invalid repeat count".to_owned());
        }
        self.out.push('{');
        self.out.push_str(inside);
        self.out.push('}');
        self.rest = rest.chars();
        Ok(true)
    }

    /// Flags are those of RE2; what looks around is refused by the engine.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let Some(flags) = self.rest.as_str().strip_prefix('?') else { return Ok(()) };
        if flags.starts_with("P<") || flags.starts_with('<') {
            return Ok(());
        }
        let end = flags.find([':', ')']).unwrap_or(flags.len());
        if !flags[..end].chars().all(|c| "imsU-".contains(c)) {
            return Err("invalid or unsupported Perl syntax".to_owned());
        }
        self.out.push_str(&self.rest.as_str()[..=end]);
        self.rest = self.rest.as_str()[end + 1..].chars();
        Ok(())
    }

    /// Inside brackets only escapes and named classes mean something.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.as_str().starts_with('^') {
            self.rest.next();
            self.out.push('^');
        }
        let mut first = true;
        while let Some(c) = self.rest.next() {
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => match self.rest.as_str().strip_prefix(':').and_then(|name| name.split_once(":]")) {
                    Some((name, rest)) => {
                        self.out.push_str(&format!("[:{name}:]"));
                        self.rest = rest.chars();
                    }
                    None => self.literal(c),
                },
                '\\' => self.escape()?,
                '&' | '~' | ']' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                // A dash at either end stands for itself; two in a row would be a set operation.
                '-' if first || self.rest.as_str().starts_with(']') || self.out.ends_with('-') => {
                    self.out.push_str(r"\-")
                }
                c => self.out.push(c),
            }
            first = false;
        }
        Err("missing closing ]".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::TopicPattern;

    #[test]
    fn patterns_describe_whole_topics() {
        for (pattern, matching, other) in [
            ("foo", &["foo"][..], &["foobar", "xfoo", ""][..]),
            ("foo.*", &["foo", "foobar"], &["xfoo"]),
            ("a|ab", &["a", "ab"], &["abc"]),
            ("", &[""], &["a"]),
            ("(?i)Foo", &["foo", "FOO"], &["fo"]),
            (r"\Qa.b\E.", &["a.bc"], &["axbc"]),
            ("a{2,3}", &["aa", "aaa"], &["a", "aaaa"]),
            ("a{,2}", &["a{,2}"], &["aa"]),
            ("a{x", &["a{x"], &["a"]),
            ("a{", &["a{"], &["a"]),
            ("[a&&b]", &["a", "&", "b"], &["c"]),
            ("[[]", &["["], &["]"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[^]a]", &["b"], &["]", "a"]),
            ("[[:digit:]a-]+", &["1-a"], &["b"]),
            ("[a~~b]", &["~"], &["c"]),
            (r"[\d.]", &["7", "."], &["a"]),
            (r"\pL+", &["abc"], &["1"]),
            (r"(?P<name>x)y", &["xy"], &["x"]),
            (r"\x41\x{42}*", &["ABB"], &["ab"]),
            (r"\p{L}+", &["abc"], &["1"]),
            ("a.*?b", &["axb"], &["ax"]),
            ("(a|b)*", &["abba"], &["abc"]),
        ] {
            let compiled = TopicPattern::new(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            matching.iter().for_each(|topic| assert!(compiled.matches(topic), "{pattern} is to match {topic:?}"));
            other.iter().for_each(|topic| assert!(!compiled.matches(topic), "{pattern} is not to match {topic:?}"));
        }
    }

    #[test]
    fn what_re2_refuses_is_refused_in_its_words() {
        for (pattern, why) in [
            ("[", "missing closing ]"),
            ("[a", "missing closing ]"),
            ("(a", "missing closing )"),
            ("a)", "unexpected )"),
            ("*a", "missing argument to repetition operator"),
            ("a**", "invalid nested repetition operator"),
            ("a{1001}", "invalid repeat count"),
            ("a{2,1}", "invalid repeat count"),
            ("[z-a]", "invalid character class range"),
            (r"\", "trailing backslash at end of expression"),
            (r"\8", "invalid escape sequence"),
            ("(?=a)", "invalid or unsupported Perl syntax"),
            ("(?x)a", "invalid or unsupported Perl syntax"),
            ("((a{1000}){1000}){1000}", "expression too large"),
        ] {
            assert_eq!(TopicPattern::new(pattern).map(|_| ()), Err(why.to_owned()), "{pattern}");
        }
    }
}
