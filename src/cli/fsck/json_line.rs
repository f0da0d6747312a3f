//! A record as a line of JSON. Bytes that are no UTF-8 stand in base 64 under another name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::export::Fate;
use crate::protocol::batch::{BatchHeader, RecordRef};

/// The line of a record, with its end.
pub(super) fn line(header: &BatchHeader, record: &RecordRef<'_>, fate: Fate) -> String {
    let (offset, timestamp) = (header.offset_of(record), header.timestamp_of(record).0);
    let mut line = format!("{{\"offset\":{offset},\"timestamp\":{timestamp}");
    field(&mut line, "key", record.key);
    field(&mut line, "value", record.value);
    if !record.headers.is_empty() {
        line.push_str(",\"headers\":[");
        for (n, header) in record.headers.enumerate() {
            line.push_str(if n == 0 { "{" } else { ",{" });
            let start = line.len();
            field(&mut line, "key", Some(header.key));
            line.remove(start);
            field(&mut line, "value", header.value);
            line.push('}');
        }
        line.push(']');
    }
    match fate {
        Fate::Valid => {}
        Fate::Aborted => line.push_str(",\"transaction\":\"aborted\""),
        Fate::Open => line.push_str(",\"transaction\":\"open\""),
    }
    line.push_str("}\n");
    line
}

/// Adds a comma and the field.
fn field(line: &mut String, name: &str, bytes: Option<&[u8]>) {
    let (name, value) = match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (name.to_owned(), "null".to_owned()),
        Some((_, Ok(text))) => (name.to_owned(), serde_json::Value::from(text).to_string()),
        Some((bytes, Err(_))) => (format!("{name}Base64"), format!("\"{}\"", STANDARD.encode(bytes))),
    };
    line.push_str(&format!(",\"{name}\":{value}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch::{BatchBuilder, BatchRef, RecordHeader};
    use crate::protocol::compression::Decompressor;
    use crate::types::{Millis, Offset};

    #[test]
    fn a_record_is_one_line_of_json() {
        let mut builder = BatchBuilder::new(Offset(7));
        let headers = [RecordHeader { key: b"h", value: None }, RecordHeader { key: b"\xff", value: Some(b"1") }];
        builder.append(Millis(5), Some(b"a\"\n"), Some(b"\xfe\xff"), &headers);
        builder.append(Millis(6), None, Some("ü".as_bytes()), &[]);
        let bytes = builder.build();
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut decompressor = Decompressor::new();
        let records: Vec<_> = batch.records(&mut decompressor).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            line(&batch.header, &records[0], Fate::Valid),
            "{\"offset\":7,\"timestamp\":5,\"key\":\"a\\\"\\n\",\"valueBase64\":\"/v8=\",\"headers\":\
             [{\"key\":\"h\",\"value\":null},{\"keyBase64\":\"/w==\",\"value\":\"1\"}]}\n"
        );
        let aborted = line(&batch.header, &records[1], Fate::Aborted);
        assert_eq!(
            aborted,
            "{\"offset\":8,\"timestamp\":6,\"key\":null,\"value\":\"ü\",\"transaction\":\"aborted\"}\n"
        );
    }
}
