//! `dump-log`: prints what stands in the files of a partition, as `kafka-dump-log.sh` does.

mod batches;
mod decoder;
mod file_name;
mod indexes;
mod legacy;
mod log_file;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};

use super::{Arguments, Flag, Output, Stop, Tool};
use decoder::Decoder;
use file_name::FileName;
use log_file::LogDump;

/// The only decoder class there is: Kafka loads others from jars.
const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

pub(super) static TOOL: Tool = Tool {
    name: "dump-log",
    about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
            corrupt log segment.",
    flags: &[
        Flag::value("files", "file1, file2, ...", "REQUIRED: The data and index files to dump, separated by commas"),
        Flag::switch("print-data-log", "Print the content of records; implied by every decoder"),
        Flag::switch("deep-iteration", "Go through the records of each batch; implied by --print-data-log"),
        Flag::switch("skip-record-metadata", "Print the content of records alone, and of no control records"),
        Flag::switch("verify-index-only", "Check index files against the log without printing them"),
        Flag::switch("index-sanity-check", "Check index files as a broker does at start, without printing them"),
        Flag::value("max-message-size", "size", "Bytes of the largest message (default: 5242880)"),
        Flag::value("max-bytes", "size", "Bytes to read of each log (default: 2147483647)"),
        Flag::optional("value-decoder-class", "class", "How to print values; there is only the string decoder"),
        Flag::optional("key-decoder-class", "class", "How to print keys; there is only the string decoder"),
        Flag::switch("offsets-decoder", "Print records as those of __consumer_offsets"),
        Flag::switch("transaction-log-decoder", "Print records as those of __transaction_state"),
        Flag::switch("cluster-metadata-decoder", "Print records as those of the cluster metadata"),
        Flag::switch("share-group-state-decoder", "Print records as those of __share_group_state"),
        Flag::switch("remote-log-metadata-decoder", "Refused: tiered storage is not supported"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    arguments.help_or_version(tool.about, output)?;
    arguments.require(&["files"])?;
    DumpLog { arguments: &arguments }.run().map_err(|error| Stop::Message(error.to_string()))
}

/// What is to be dumped, and how. Values of flags are looked at when they are needed first.
struct DumpLog<'a> {
    arguments: &'a Arguments,
}

/// What is wrong with the files, told after all of them: pairs by the full name of the file.
#[derive(Default)]
struct Findings {
    /// Offsets of an index entry and of the batch that it leads to.
    index_mismatches: BTreeMap<String, BTreeMap<i64, i64>>,
    /// Timestamps of an index entry and of its batch.
    time_mismatches: BTreeMap<String, Vec<(i64, i64)>>,
    /// Timestamps of an index entry and of the one in front of it.
    out_of_order: BTreeMap<String, Vec<(i64, i64)>>,
    /// Offsets of an index entry and of the batch found instead, -1 for none.
    not_found: BTreeMap<String, Vec<(i64, i64)>>,
    /// Offsets of two neighbouring records.
    gaps: BTreeMap<String, BTreeMap<i64, i64>>,
}

impl DumpLog<'_> {
    /// Dumps every file; the first that cannot be read ends it.
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
        let mut findings = Findings::default();
        let dumped = self.dump(&mut out, &mut findings);
        ignore_closed_output(out.flush().map_err(Into::into))?;
        ignore_closed_output(dumped)?;
        findings.print();
        Ok(())
    }

    fn dump(&self, out: &mut dyn Write, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
        let files = self.arguments.value("files")?.unwrap_or_default();
        for argument in files.trim_end_matches(',').split(',') {
            let file = FileName::new(argument);
            writeln!(out, "Dumping {file}")?;
            match file.suffix() {
                Some(".log" | ".checkpoint") => self.log()?.dump(&file, out, findings)?,
                Some(".index") => indexes::dump_offsets(&file, self, out, findings)?,
                Some(".timeindex") => indexes::dump_times(&file, self, out, findings)?,
                Some(".snapshot") => indexes::dump_producers(&file, out)?,
                Some(".txnindex") => indexes::dump_aborted(&file, out)?,
                _ => eprintln!("Ignoring unknown file {file}"),
            }
        }
        Ok(())
    }

    /// How logs are dumped.
    fn log(&self) -> Result<LogDump, String> {
        let arguments = self.arguments;
        let decoder = decoder(arguments)?;
        let decodes = ["print-data-log", "value-decoder-class", "key-decoder-class"];
        let print_contents = arguments.count(&decodes) > 0 || !matches!(decoder, Decoder::Text);
        Ok(LogDump {
            decoder,
            print_contents,
            deep: arguments.has("deep-iteration") || print_contents,
            skip_record_metadata: arguments.has("skip-record-metadata"),
            max_bytes: arguments.number("max-bytes")?.unwrap_or(i32::MAX),
        })
    }

    /// Bytes of the largest message.
    fn max_message_size(&self) -> Result<i32, String> {
        Ok(self.arguments.number("max-message-size")?.unwrap_or(5 << 20))
    }
}

/// How records are printed; a class of Java cannot be loaded.
fn decoder(arguments: &Arguments) -> Result<Decoder, String> {
    for flag in ["value-decoder-class", "key-decoder-class"] {
        if let Some(class) = arguments.value(flag)?.filter(|class| *class != STRING_DECODER) {
            return Err(format!(
                "--{flag} {class}: classes of Java cannot be loaded; leave the option out to print text, or name \
                 {STRING_DECODER}"
            ));
        }
    }
    if arguments.has("remote-log-metadata-decoder") {
        return Err("--remote-log-metadata-decoder: tiered storage is not supported".to_owned());
    }
    let decoders = [
        ("offsets-decoder", Decoder::Offsets),
        ("transaction-log-decoder", Decoder::Transactions),
        ("cluster-metadata-decoder", Decoder::ClusterMetadata),
        ("share-group-state-decoder", Decoder::ShareState),
    ];
    Ok(decoders.into_iter().find(|(flag, _)| arguments.has(flag)).map_or(Decoder::Text, |(_, decoder)| decoder))
}

/// Nobody reads the output any more: that is the end, and no failure.
fn ignore_closed_output(result: Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    match result {
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        other => other,
    }
}

impl Findings {
    fn print(&self) {
        for (file, pairs) in &self.index_mismatches {
            eprintln!("Mismatches in :{file}");
            for (index, log) in pairs.iter().rev() {
                eprintln!("  Index offset: {index}, log offset: {log}");
            }
        }
        for (file, pairs) in &self.time_mismatches {
            eprintln!("Found timestamp mismatch in :{file}");
            for (index, log) in pairs {
                eprintln!("  Index timestamp: {index}, log timestamp: {log}");
            }
        }
        for (file, pairs) in &self.out_of_order {
            eprintln!("Found out of order timestamp in :{file}");
            for (index, previous) in pairs {
                eprintln!("  Index timestamp: {index}, Previously indexed timestamp: {previous}");
            }
        }
        for (file, pairs) in &self.not_found {
            eprintln!("The following indexed offsets are not found in :{file}");
            for (index, found) in pairs {
                eprintln!("Indexed offset: {index}, found log offset: {found}");
            }
        }
        for (file, pairs) in &self.gaps {
            eprintln!("Non-consecutive offsets in {file}");
            for (offset, next) in pairs {
                eprintln!("  {offset} is followed by {next}");
            }
        }
    }
}
