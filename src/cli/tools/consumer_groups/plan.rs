//! Offsets as CSV: `topic,partition,offset` for one group, with the group in front for several.

use std::collections::BTreeMap;

use super::offsets::Offsets;
use crate::types::TopicPartition;

/// Reads a file; `groups` are those that the arguments name. The offsets come by group.
pub(super) fn read(file: &str, groups: &[&str]) -> Result<BTreeMap<String, Offsets>, String> {
    let text = std::fs::read_to_string(file).map_err(|_| format!("java.io.IOException: Unable to read file {file}"))?;
    parse(&text, groups)
}

fn parse(text: &str, groups: &[&str]) -> Result<BTreeMap<String, Offsets>, String> {
    let lines: Vec<Vec<String>> = text.lines().filter(|line| !line.is_empty()).map(fields).collect();
    let is_of_one_group = lines.first().is_some_and(|fields| fields.len() == 3);
    let mut plan: BTreeMap<String, Offsets> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let wrong = |reason: &str| format!("line {}: {reason}", at + 1);
        let (group, rest) = match (groups, is_of_one_group, &line[..]) {
            ([group], true, rest) => (*group, rest),
            (_, _, [group, rest @ ..]) => (group.as_str(), rest),
            (_, _, []) => return Err(wrong("is empty")),
        };
        let [topic, partition, offset] = rest else {
            return Err(wrong("a topic, a partition and an offset are expected, for several groups behind the group"));
        };
        let partition = partition.trim().parse().map_err(|_| wrong(&format!("'{partition}' is no partition")))?;
        let offset = offset.trim().parse().map_err(|_| wrong(&format!("'{offset}' is no offset")))?;
        plan.entry(group.to_owned()).or_default().insert(TopicPartition::new(topic.as_str(), partition), offset);
    }
    Ok(plan)
}

/// The fields of a line; quotes around a field keep commas, and a quote in it is doubled.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.trim_end_matches('\r').chars().peekable();
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

/// A field as it is written: in quotes when it holds what would end it.
pub(super) fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_for_one_group_and_for_several() {
        let one = parse("a,0,5\n\"b,c\",1,6\r\n", &["g"]).unwrap();
        assert_eq!(one["g"][&TopicPartition::new("b,c", 1)], 6);
        let several = parse("g,a,0,5\n\"h\"\"\",a,0,6\n", &["g", "h\""]).unwrap();
        assert_eq!(several["h\""][&TopicPartition::new("a", 0)], 6);
        let with_group = parse("g,a,0,5\n", &["g"]).unwrap();
        assert_eq!(with_group["g"][&TopicPartition::new("a", 0)], 5);
        assert!(parse("a,x,5", &["g"]).is_err() && parse("a,0", &["g"]).is_err());
        assert_eq!(fields(&quoted("a\",b")), ["a\",b"]);
    }
}
