//! OpenTelemetry's MetricsData (`opentelemetry/proto/metrics/v1`), walked where it lies: nothing is allocated for what
//! a length or a count claims, and each byte is read twice at most.

use std::str::Utf8Error;

/// Attributes of a number that are looked at; more are passed over.
pub(super) const ATTRIBUTES_MAX: usize = 16;

/// One number of one metric.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Point<'a> {
    pub name: &'a str,
    pub kind: Kind,
    pub attributes: Vec<(&'a str, Attribute<'a>)>,
    pub value: f64,
}

/// What a number means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Gauge,
    Sum {
        /// It only grows.
        monotonic: bool,
        /// It counts from the push before.
        delta: bool,
    },
    /// A histogram or a summary.
    Other,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Attribute<'a> {
    Text(&'a str),
    Integer(i64),
    Double(f64),
    Boolean(bool),
}

/// Bytes that are no MetricsData.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

impl From<Utf8Error> for Malformed {
    fn from(_: Utf8Error) -> Malformed {
        Malformed
    }
}

/// Calls `each` with every number. What has no number, as a histogram, is told once for a metric, as 0.
pub(super) fn walk<'a>(metrics_data: &'a [u8], each: &mut impl FnMut(Point<'a>)) -> Result<(), Malformed> {
    const RESOURCE_METRICS: u32 = 1;
    const SCOPE_METRICS: u32 = 2;
    const METRICS: u32 = 2;
    for resource in messages(metrics_data, RESOURCE_METRICS) {
        for scope in messages(resource?, SCOPE_METRICS) {
            for metric in messages(scope?, METRICS) {
                walk_metric(metric?, each)?;
            }
        }
    }
    Ok(())
}

fn walk_metric<'a>(metric: &'a [u8], each: &mut impl FnMut(Point<'a>)) -> Result<(), Malformed> {
    const NAME: u32 = 1;
    const GAUGE: u32 = 5;
    const SUM: u32 = 7;
    const OTHERS: std::ops::RangeInclusive<u32> = 8..=11;
    let (mut name, mut data) = ("", None);
    for field in Fields(metric) {
        match field? {
            (NAME, Wire::Bytes(bytes)) => name = std::str::from_utf8(bytes)?,
            (GAUGE, Wire::Bytes(gauge)) => data = Some((Kind::Gauge, gauge)),
            (SUM, Wire::Bytes(sum)) => data = Some((kind_of_sum(sum)?, sum)),
            (other, Wire::Bytes(bytes)) if OTHERS.contains(&other) => data = Some((Kind::Other, bytes)),
            _ => {}
        }
    }
    match data {
        Some((Kind::Other, _)) => each(Point { name, kind: Kind::Other, attributes: Vec::new(), value: 0.0 }),
        Some((kind, data)) => {
            const DATA_POINTS: u32 = 1;
            for point in messages(data, DATA_POINTS) {
                if let Some((attributes, value)) = number(point?)? {
                    each(Point { name, kind, attributes, value });
                }
            }
        }
        None => {}
    }
    Ok(())
}

fn kind_of_sum(sum: &[u8]) -> Result<Kind, Malformed> {
    const TEMPORALITY: u32 = 2;
    const DELTA: u64 = 1;
    const IS_MONOTONIC: u32 = 3;
    let (mut monotonic, mut delta) = (false, false);
    for field in Fields(sum) {
        match field? {
            (TEMPORALITY, Wire::Varint(number)) => delta = number == DELTA,
            (IS_MONOTONIC, Wire::Varint(flag)) => monotonic = flag != 0,
            _ => {}
        }
    }
    Ok(Kind::Sum { monotonic, delta })
}

type Number<'a> = (Vec<(&'a str, Attribute<'a>)>, f64);

/// A NumberDataPoint, if it has a number.
fn number(point: &[u8]) -> Result<Option<Number<'_>>, Malformed> {
    const AS_DOUBLE: u32 = 4;
    const AS_INTEGER: u32 = 6;
    const ATTRIBUTE: u32 = 7;
    const FLAGS: u32 = 8;
    const NO_VALUE: u64 = 1;
    let (mut attributes, mut value, mut is_void) = (Vec::new(), None, false);
    for field in Fields(point) {
        match field? {
            (AS_DOUBLE, Wire::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (AS_INTEGER, Wire::Fixed64(bits)) => value = Some(bits as i64 as f64),
            (ATTRIBUTE, Wire::Bytes(bytes)) => {
                let attribute = attribute(bytes)?;
                attributes.extend(attribute.filter(|_| attributes.len() < ATTRIBUTES_MAX));
            }
            (FLAGS, Wire::Varint(flags)) => is_void = flags & NO_VALUE != 0,
            _ => {}
        }
    }
    Ok(value.filter(|_| !is_void).map(|value| (attributes, value)))
}

/// A KeyValue, if its value is a plain one.
fn attribute(bytes: &[u8]) -> Result<Option<(&str, Attribute<'_>)>, Malformed> {
    let (mut key, mut value) = ("", None);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => key = std::str::from_utf8(bytes)?,
            (2, Wire::Bytes(bytes)) => value = any_value(bytes)?,
            _ => {}
        }
    }
    Ok(value.map(|value| (key, value)))
}

fn any_value(bytes: &[u8]) -> Result<Option<Attribute<'_>>, Malformed> {
    let mut value = None;
    for field in Fields(bytes) {
        value = match field? {
            (1, Wire::Bytes(text)) => Some(Attribute::Text(std::str::from_utf8(text)?)),
            (2, Wire::Varint(flag)) => Some(Attribute::Boolean(flag != 0)),
            (3, Wire::Varint(number)) => Some(Attribute::Integer(number as i64)),
            (4, Wire::Fixed64(bits)) => Some(Attribute::Double(f64::from_bits(bits))),
            _ => value,
        };
    }
    Ok(value)
}

/// The messages in the field of that number.
fn messages(message: &[u8], wanted: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields(message).filter_map(move |field| match field {
        Ok((number, Wire::Bytes(bytes))) if number == wanted => Some(Ok(bytes)),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    })
}

/// A value as protobuf writes it.
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of a message in their order; after an error there are no more.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.bytes(len)?)
            }
            5 => {
                self.bytes(4)?;
                Wire::Fixed32
            }
            _ => return None,
        };
        Some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
pub(super) mod fixture {
    /// A field that holds bytes.
    pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        assert!(number < 16 && bytes.len() < 1 << 14);
        let mut field = vec![number << 3 | 2, bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8];
        field.extend_from_slice(bytes);
        field
    }

    fn point(attributes: &[(&str, &str)], value: f64) -> Vec<u8> {
        let mut point = vec![4 << 3 | 1];
        point.extend(value.to_le_bytes());
        for (key, text) in attributes {
            let value = field(2, &field(1, text.as_bytes()));
            point.extend(field(7, &[field(1, key.as_bytes()), value].concat()));
        }
        field(1, &point)
    }

    fn metrics_data(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
        let metric = [field(1, name.as_bytes()), field(kind, data)].concat();
        field(1, &field(2, &field(2, &metric)))
    }

    /// MetricsData with one gauge.
    pub fn gauge(name: &str, attributes: &[(&str, &str)], value: f64) -> Vec<u8> {
        metrics_data(name, 5, &point(attributes, value))
    }

    /// MetricsData with one sum that only grows.
    pub fn sum(name: &str, delta: bool, attributes: &[(&str, &str)], value: f64) -> Vec<u8> {
        let temporality = [2 << 3, if delta { 1 } else { 2 }, 3 << 3, 1];
        metrics_data(name, 7, &[point(attributes, value), temporality.to_vec()].concat())
    }

    /// MetricsData with one histogram.
    pub fn histogram(name: &str) -> Vec<u8> {
        metrics_data(name, 9, b"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(bytes: &[u8]) -> Result<Vec<Point<'_>>, Malformed> {
        let mut points = Vec::new();
        walk(bytes, &mut |point| points.push(point))?;
        Ok(points)
    }

    #[test]
    fn numbers_are_found() {
        let data = [
            fixture::gauge("g", &[("topic", "t")], 1.5),
            fixture::sum("s", true, &[], 7.0),
            fixture::sum("c", false, &[], 8.0),
            fixture::histogram("h"),
        ];
        let data = data.concat();
        let found = points(&data).unwrap();
        let sum = |delta| Kind::Sum { monotonic: true, delta };
        let told: Vec<_> = found.iter().map(|point| (point.name, point.kind, point.value)).collect();
        assert_eq!(
            told,
            [("g", Kind::Gauge, 1.5), ("s", sum(true), 7.0), ("c", sum(false), 8.0), ("h", Kind::Other, 0.0)]
        );
        assert_eq!(found[0].attributes, [("topic", Attribute::Text("t"))]);
        assert!(points(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_cut_or_no_text_is_malformed() {
        let data = fixture::gauge("name", &[("a", "b")], 1.0);
        for len in 1..data.len() {
            assert_eq!(points(&data[..len]), Err(Malformed), "{len}");
        }
        assert_eq!(points(&[0x0b, 0x0c]), Err(Malformed), "groups are not of this version");
        assert_eq!(points(&[0xff; 11]), Err(Malformed));
        let bad_name = fixture::field(1, &fixture::field(2, &fixture::field(2, &fixture::field(1, &[0xc3]))));
        assert_eq!(points(&bad_name), Err(Malformed));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = points(&bytes);
            let _ = points(&fixture::field(1, &fixture::field(2, &fixture::field(2, &bytes))));
        }
    }
}
