//! Random histories: whatever happens, the log holds what the model holds.

use proptest::prelude::*;

use super::*;
use crate::log::Truncation;

#[derive(Clone, Debug)]
enum Step {
    Append {
        records: usize,
        value_bytes: usize,
    },
    Roll,
    DeleteBefore(u8),
    RetainBytes(u16),
    TruncateTo(u8),
    Reopen,
    /// Everything not flushed may be lost: cut the last file by so many bytes.
    Crash(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..4, 0usize..300).prop_map(|(records, value_bytes)| Step::Append { records, value_bytes }),
        1 => Just(Step::Roll),
        1 => any::<u8>().prop_map(Step::DeleteBefore),
        1 => (0u16..4000).prop_map(Step::RetainBytes),
        1 => any::<u8>().prop_map(Step::TruncateTo),
        1 => Just(Step::Reopen),
        1 => (0u16..400).prop_map(Step::Crash),
    ]
}

/// Batches by base offset, with the offset of their last record.
#[derive(Default)]
struct Model {
    start: i64,
    end: i64,
    batches: BTreeMap<i64, i64>,
}

impl Model {
    fn visible(&self) -> Vec<(i64, i64)> {
        self.batches.iter().map(|(base, last)| (*base, *last)).filter(|(_, last)| *last >= self.start).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_its_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut bench = Bench::new();
        (bench.config.segment_bytes, bench.config.index_interval_bytes, bench.config.retention_ms) = (1_200, 150, -1);
        let mut log = bench.open_new();
        let mut model = Model::default();
        for step in steps {
            run(&mut bench, &mut log, &mut model, &step);
            prop_assert_eq!(log.end_offset().0, model.end, "{:?}", step);
            prop_assert_eq!(log.log_start_offset().0, model.start, "{:?}", step);
            for max_bytes in [1, 700, 1 << 20] {
                prop_assert_eq!(read_all(&log, model.start, max_bytes), model.visible(), "{:?}", step);
            }
        }
    }
}

fn run(bench: &mut Bench, log: &mut Arc<Log>, model: &mut Model, step: &Step) {
    match *step {
        Step::Append { records, value_bytes } => {
            let info = append(log, batch(&vec![5; records], value_bytes, Compression::None));
            assert_eq!(info.first_offset.0, model.end);
            model.batches.insert(model.end, info.last_offset.0);
            model.end = info.last_offset.0 + 1;
        }
        Step::Roll => log.roll().unwrap(),
        Step::DeleteBefore(share) => {
            let offset = model.start + (model.end - model.start) * i64::from(share) / 255;
            assert_eq!(log.delete_records_before(Offset(offset)).unwrap().0, offset);
            model.start = offset;
        }
        Step::RetainBytes(bytes) => {
            let config = TopicConfig { retention_bytes: i64::from(bytes), ..bench.config.clone() };
            log.update_config(Arc::new(config));
            log.apply_retention(Millis(0), log.high_watermark()).unwrap();
            assert!(log.log_start_offset().0 >= model.start);
            model.start = log.log_start_offset().0;
            model.batches = model.visible().into_iter().collect();
        }
        Step::TruncateTo(share) => {
            let target = model.start + (model.end - model.start) * i64::from(share) / 255;
            // A leader's epoch never ends inside a batch.
            let to = model.batches.range(..=target).next_back().map_or(target, |(base, _)| (*base).max(model.start));
            let to = if to >= model.start && model.batches.contains_key(&to) { to } else { model.end };
            log.truncate(Truncation { to: Offset(to) }).unwrap();
            model.batches.retain(|base, _| *base < to);
            model.end = model.end.min(to);
        }
        Step::Reopen => {
            log.close().unwrap();
            reopen(bench, log, model, true);
        }
        Step::Crash(lost) => {
            let path = bench.dir().join(files(&bench.dir(), ".log").pop().unwrap());
            let size = std::fs::metadata(&path).unwrap().len();
            let kept = size.saturating_sub(u64::from(lost));
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
            log.fail("crashed");
            reopen(bench, log, model, false);
            let end = log.end_offset().0;
            assert!(end <= model.end && (lost > 0 || end == model.end));
            model.batches.retain(|_, last| *last < end);
            model.end = end;
            model.start = model.start.min(end).max(log.log_start_offset().0);
        }
    }
}

fn reopen(bench: &Bench, log: &mut Arc<Log>, model: &Model, clean: bool) {
    let mut options = bench.options(clean, 0);
    options.log_start = Offset(model.start);
    *log = Log::open(&options, bench.context.clone()).unwrap();
    log.set_high_watermark(log.end_offset());
}
