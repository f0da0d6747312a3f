//! Offsets as CSV: `topic,partition,offset`. There are no quotes, and no line may be empty.

use super::super::group_command::Failed;
use super::offsets::not_reset;
use super::thrown;
use crate::types::TopicPartition;

/// Reads a file; the partitions come in the order of their first lines.
pub(super) fn read(file: &str) -> Result<Vec<(TopicPartition, i64)>, Failed> {
    let bytes =
        std::fs::read(file).map_err(|_| not_reset(format!("java.io.IOException: Unable to read file {file}")))?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Result<Vec<(TopicPartition, i64)>, Failed> {
    if text.is_empty() {
        return Err(not_reset("java.text.ParseException: Error parsing reset plan CSV file. It is empty,".to_owned()));
    }
    let mut plan: Vec<(TopicPartition, i64)> = Vec::new();
    for line in text.trim_end_matches('\n').split('\n') {
        let fields: Vec<&str> = line.trim_end_matches(',').split(',').collect();
        let [topic, partition, offset] = fields[..] else {
            let expected = "Reset plan CSV file is not following the format `TOPIC,PARTITION,OFFSET`.";
            return Err(not_reset(format!("java.text.ParseException: {expected}")));
        };
        let partition = TopicPartition::new(topic, number(partition)?);
        let offset = number(offset)?;
        match plan.iter_mut().find(|(named, _)| *named == partition) {
            Some((_, planned)) => *planned = offset,
            None => plan.push((partition, offset)),
        }
    }
    Ok(plan)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|_| thrown("java.lang.NumberFormatException", format!("For input string: \"{text}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_a_partition_on_each_line() {
        let read = |text: &str| parse(text).map_err(|failed| failed.message().unwrap_or_default());
        let planned = read("a,0,5\nb,1,-6\na,0,7,,\n\n").unwrap();
        assert_eq!(planned, [(TopicPartition::new("a", 0), 7), (TopicPartition::new("b", 1), -6)]);
        for (text, told) in [
            ("", "It is empty,"),
            ("a,0\n", "not following the format"),
            ("a,0,1\n\nb,0,1\n", "not following the format"),
            ("a,x,5", "NumberFormatException: For input string: \"x\""),
            ("a,0,5\r\n", "For input string: \"5\r\""),
        ] {
            assert!(read(text).unwrap_err().contains(told), "{text:?}");
        }
    }
}
