//! Batches laid over one another.

use super::super::combine::combine;
use super::super::state::StateBatch;
use super::script::{batch, batches, text};
use crate::coordinator::testing::Random;
use crate::types::Offset;

/// Batches so far, new ones and the start offset, separated by ` | `.
#[track_caller]
fn check(given: &str, expected: &str) {
    let parts: Vec<&str> = given.split(" | ").collect();
    let [so_far, new, start] = parts[..] else { panic!("{given}") };
    let combined = combine(&batches(so_far), &batches(new), Offset(start.parse().unwrap()));
    assert_eq!(text(&combined), expected, "{given}");
}

#[test]
fn overlaps_are_resolved_as_kafka_does() {
    // The same state.
    check("100-110:1,0 | 100-110:1,0 | -1", "100-110:1,0");
    check("100-110:1,0 | 105-120:1,0 | -1", "100-120:1,0");
    check("100-110:1,0 | 111-120:1,0 | -1", "100-120:1,0");
    check("100-110:1,0 | 112-120:1,0 | -1", "100-110:1,0 112-120:1,0");
    // The later state, or the higher count, holds.
    check("100-110:1,0 | 100-110:1,2 | -1", "100-110:1,2");
    check("100-110:1,0 | 100-115:2,0 | -1", "100-115:2,0");
    check("100-110:3,0 | 100-115:2,0 | -1", "100-110:3,0 111-115:2,0");
    check("100-115:1,0 | 104-108:1,2 | -1", "100-103:1,0 104-108:1,2 109-115:1,0");
    check("100-115:2,0 | 104-108:1,2 | -1", "100-115:2,0");
    check("100-115:1,0 | 104-115:2,0 | -1", "100-103:1,0 104-115:2,0");
    check("100-110:1,0 | 105-115:2,0 | -1", "100-104:1,0 105-115:2,0");
    check("100-110:2,0 | 105-115:1,2 | -1", "100-110:2,0 111-115:1,2");
    // Several at once.
    check("0-9:1,0 20-29:1,0 | 5-24:1,2 | -1", "0-4:1,0 5-24:1,2 25-29:1,0");
}

#[test]
fn what_lies_before_the_start_is_dropped() {
    check("0-9:1,0 10-19:1,2 | 25-29:1,0 | 15", "15-19:1,2 25-29:1,0");
    check("0-9:1,0 |  | 10", "");
    check("0-9:1,0 |  | 9", "9-9:1,0");
}

#[test]
fn batches_that_end_before_they_begin_say_nothing() {
    check("9-0:1,0 | 5-2:2,2 0-9:1,2 | -1", "0-9:1,2");
    check(
        "9223372036854775806-9223372036854775807:1,0 | 0-0:1,0 | -1",
        "0-0:1,0 9223372036854775806-9223372036854775807:1,0",
    );
}

#[test]
fn every_offset_is_in_its_highest_state() {
    for seed in 1..500 {
        let mut random = Random::seeded(seed);
        let mut some = |count| -> Vec<StateBatch> {
            let one = |_| {
                let first = random.below(30) as i64;
                let last = first + random.below(8) as i64;
                batch(first, last, 1 + random.below(2) as i16, 2 * random.below(3) as i8)
            };
            (0..count).map(one).collect()
        };
        let (so_far, new, start) = (some(5), some(4), seed as i64 % 12 - 1);
        let combined = combine(&so_far, &new, Offset(start));
        for pair in combined.windows(2) {
            assert!(pair[0].last < pair[1].first, "seed {seed}: {}", text(&combined));
        }
        for offset in (0..40).map(Offset) {
            let at = |batches: &[StateBatch]| {
                let over = batches.iter().filter(|batch| batch.first <= offset && offset <= batch.last);
                over.map(|batch| (batch.delivery_count, batch.delivery_state)).max()
            };
            let expected = at(&so_far).max(at(&new)).filter(|_| offset.0 >= start);
            assert_eq!(at(&combined), expected, "seed {seed} offset {offset}");
        }
    }
}
