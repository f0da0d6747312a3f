//! `--export`: where salvaged records go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::export::{Fate, Salvaged, salvage};
use super::{Fsck, NotChecked, json_line};
use crate::client::producer::{OnDelivery, Producer, ProducerConfig, Record};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::protocol::batch::RecordHeader;

const OUTPUT_BYTES: usize = 256 << 10;

impl Fsck {
    /// Writes the readable records of `partition` and says on standard error how many there were.
    pub(super) fn salvage(&self, partition: &str) -> Result<ExitCode, NotChecked> {
        let places: Vec<PathBuf> = self.directories.iter().map(|directory| directory.join(partition)).collect();
        let Some(dir) = places.iter().find(|place| place.is_dir()) else {
            let names: Vec<String> = self.directories.iter().map(|one| one.display().to_string()).collect();
            return Err(NotChecked::Refused(format!("there is no partition {partition} in {}", names.join(", "))));
        };
        let salvaged = match (&self.to_topic, &self.output) {
            (Some(topic), _) => self.to_topic(dir, topic)?,
            (None, Some(file)) => {
                let created = File::create(file)
                    .map_err(|error| NotChecked::Refused(format!("cannot create {}: {error}", file.display())))?;
                let salvaged = to_lines(dir, &created)?;
                created.sync_all()?;
                salvaged
            }
            (None, None) => to_lines(dir, io::stdout().lock())?,
        };
        let Salvaged { records, lost_bytes, places } = salvaged;
        eprintln!("{records} records exported; {lost_bytes} bytes in {places} places could not be read");
        Ok(ExitCode::SUCCESS)
    }

    /// Produces the records that a reader of committed records would see.
    fn to_topic(&self, dir: &Path, topic: &str) -> Result<Salvaged, NotChecked> {
        let refused = |error: ClientError| NotChecked::Refused(error.to_string());
        let mut properties = match &self.command_config {
            Some(file) => ClientConfig::read_properties(file).map_err(refused)?,
            None => Default::default(),
        };
        properties.entry("acks".to_owned()).or_insert_with(|| "all".to_owned());
        let config = ProducerConfig::new(&properties).map_err(refused)?;
        let servers = Bootstrap::Servers(self.bootstrap_server.clone().unwrap_or_default());
        let client = ClientConfig::new(servers, properties, "ottla-fsck").map_err(refused)?;
        let failure = Arc::new(Mutex::new(None::<String>));
        let delivered = Arc::new(AtomicU64::new(0));
        let (told, counted) = (failure.clone(), delivered.clone());
        let on_delivery: OnDelivery = Box::new(move |_, records, result| match result {
            Ok(()) => {
                counted.fetch_add(records.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                told.lock().expect("nothing panics with it").get_or_insert_with(|| error.to_string());
            }
        });
        let check = || match failure.lock().expect("nothing panics with it").clone() {
            Some(reason) => Err(NotChecked::Refused(format!("records could not be produced to {topic}: {reason}"))),
            None => Ok(()),
        };
        let mut producer = Producer::new(client, config, on_delivery).map_err(refused)?;
        let mut salvaged = salvage(dir, &mut |header, record, fate| {
            if fate != Fate::Valid {
                return Ok(());
            }
            let headers: Vec<RecordHeader<'_>> = record.headers.collect();
            let record_sent = Record { key: record.key, value: record.value, headers: &headers, mark: 0 };
            producer.send(topic, header.timestamp_of(record), &record_sent).map_err(refused)?;
            check()
        })?;
        producer.flush();
        producer.close();
        check()?;
        salvaged.records = delivered.load(Ordering::Relaxed);
        Ok(salvaged)
    }
}

fn to_lines(dir: &Path, out: impl Write) -> Result<Salvaged, NotChecked> {
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, out);
    let salvaged = salvage(dir, &mut |header, record, fate| -> Result<(), NotChecked> {
        Ok(out.write_all(json_line::line(header, record, fate).as_bytes())?)
    })?;
    out.flush()?;
    Ok(salvaged)
}
