//! The scenario language (`../../README.md`) for clients in Rust.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::time::{Duration, Instant};

pub const FETCH_PARTITION_BYTES: i32 = 32768;
pub const FETCH_BYTES: i32 = 65536;
pub const REQUEST_BYTES: usize = 16 << 20;
const PART: usize = 1011;

/// Why a command was not done.
pub enum Problem {
    /// The library has no such call or option.
    Cannot(String),
    /// Kafka's number for the error, or 0 where the library itself gave up.
    Refused(i16, String),
}

pub type Answer = Result<String, Problem>;

/// The library itself gave up.
pub fn gave_up(problem: impl std::fmt::Display) -> Problem {
    Problem::Refused(0, problem.to_string())
}

/// A command's arguments and options.
pub struct Call {
    pub verb: String,
    pub args: Vec<String>,
    pub options: HashMap<String, String>,
}

impl Call {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default().to_owned();
        let (mut args, mut options) = (Vec::new(), HashMap::new());
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => drop(options.insert(name.to_owned(), value.to_owned())),
                None => args.push(word.to_owned()),
            }
        }
        Self { verb, args, options }
    }

    /// An argument as a number.
    pub fn int(&self, at: usize) -> i64 {
        self.args[at].parse().expect("a number")
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> usize {
        self.option(name).map_or(0, |value| value.parse().expect("a number"))
    }
}

/// Obeys the lines of standard input.
pub fn serve(mut obey: impl FnMut(&Call) -> Answer) {
    for line in io::stdin().lock().lines() {
        let call = Call::parse(&line.expect("a line"));
        let said = match obey(&call) {
            Ok(words) => format!("ok {words}"),
            Err(Problem::Cannot(reason)) => format!("cannot {reason}"),
            Err(Problem::Refused(0, text)) => format!("error client {text}"),
            Err(Problem::Refused(code, text)) => format!("error {code} {text}"),
        };
        println!("{}", said.split_whitespace().collect::<Vec<_>>().join(" "));
        io::stdout().flush().expect("standard output");
    }
}

/// The answer to a verb that the program does not know.
pub fn unknown(call: &Call) -> Answer {
    Err(Problem::Cannot(format!("no call for {}", call.verb)))
}

/// `0=5 1=7`
pub fn pairs(offsets: &BTreeMap<i32, i64>) -> String {
    offsets.iter().map(|(partition, offset)| format!("{partition}={offset}")).collect::<Vec<_>>().join(" ")
}

/// A record as every client sends and reads it.
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What `produce TOPIC COUNT PARTITIONS` sends.
pub fn records<'a>(pool: &'a [u8], call: &'a Call) -> impl Iterator<Item = Record> + 'a {
    let (first, size, count, partitions) =
        (call.number("from"), call.number("size"), call.int(1) as usize, call.int(2) as usize);
    (first..first + count).map(move |i| {
        let value = match (size, i % 97) {
            (0, 5) => None,
            (0, _) => {
                let start = (i * 1031) % (pool.len() - PART);
                let mut value = format!("{i:012}:").into_bytes();
                value.extend_from_slice(&pool[start..start + PART]);
                Some(value)
            }
            (size, _) => Some(pool[..size].to_vec()),
        };
        let headers = [("h", i.to_string().into_bytes()), ("h", b"again".to_vec()), ("e", Vec::new())];
        Record {
            partition: (i % partitions) as i32,
            offset: 0,
            key: (i % 7 != 3 || i % 97 == 5).then(|| format!("k{i}").into_bytes()),
            value,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    })
}

/// The file that `read COUNT SECONDS FILE` appends to.
pub struct Reading {
    out: BufWriter<File>,
    deadline: Instant,
    pub count: usize,
    pub seen: usize,
}

impl Reading {
    pub fn begin(call: &Call) -> Result<Self, Problem> {
        let file = OpenOptions::new().create(true).append(true).open(&call.args[2]).map_err(gave_up)?;
        let seconds: f64 = call.args[1].parse().expect("seconds");
        Ok(Self {
            out: BufWriter::new(file),
            deadline: Instant::now() + Duration::from_secs_f64(seconds),
            count: call.int(0) as usize,
            seen: 0,
        })
    }

    /// The time left, unless it is over or everything was read.
    pub fn left(&self) -> Option<Duration> {
        let left = self.deadline.checked_duration_since(Instant::now())?;
        (self.seen < self.count).then_some(left)
    }

    pub fn take(&mut self, record: &Record) -> Result<(), Problem> {
        self.seen += 1;
        self.out.write_all(line(record).as_bytes()).map_err(gave_up)
    }

    pub fn end(mut self) -> Answer {
        self.out.flush().map_err(gave_up)?;
        Ok(self.seen.to_string())
    }
}

fn line(record: &Record) -> String {
    let mut line = format!("{}\t{}\t", record.partition, record.offset);
    match &record.key {
        Some(key) => write!(line, "={}\t", String::from_utf8_lossy(key)),
        None => write!(line, "-\t"),
    }
    .expect("a string");
    match &record.value {
        Some(value) => write!(line, "={}:{:08x}\t", value.len(), crc32fast::hash(value)),
        None => write!(line, "-\t"),
    }
    .expect("a string");
    let headers: Vec<String> =
        record.headers.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
    line + &headers.join(",") + "\n"
}
