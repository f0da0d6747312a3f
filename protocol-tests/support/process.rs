//! A broker as a process, in a directory of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Client, DEADLINE};

/// Where a broker keeps its data and its log, and what it listens on. It outlives the process.
pub struct Directory {
    dir: TempDir,
    pub port: u16,
    pub controller_port: u16,
    admin_port: Option<u16>,
    overrides: Vec<String>,
    shell: Option<String>,
}

impl Directory {
    /// An empty directory, two free ports, and what differs from the defaults.
    pub fn new(overrides: &[(&str, &str)]) -> Directory {
        let [port, controller_port] = free_ports();
        let dir = tempfile::Builder::new().prefix("ottla-protocol-").tempdir().expect("a temporary directory");
        let mut lines = vec![
            format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"),
            format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}"),
            "ottla.admin.listener=".to_string(),
            "offsets.topic.num.partitions=2".to_string(),
            "group.initial.rebalance.delay.ms=0".to_string(),
        ];
        lines.extend(overrides.iter().map(|(key, value)| format!("{key}={value}")));
        Directory { dir, port, controller_port, admin_port: None, overrides: lines, shell: None }
    }

    /// Has the broker listen for those who watch it, which others need not: see [`Directory::metrics`].
    pub fn with_admin(mut self) -> Directory {
        let [port, _] = free_ports();
        self.admin_port = Some(port);
        self.overrides.push(format!("ottla.admin.listener=127.0.0.1:{port}"));
        self
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        let port = self.admin_port.expect("it listens for those who watch it");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the admin listener is there");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it is asked");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    }

    /// Has a shell run `command` before it becomes the broker.
    pub fn after_shell(mut self, command: &str) -> Directory {
        self.shell = Some(command.to_string());
        self
    }

    /// The only log directory, unless `log.dirs` says otherwise.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The working directory of the process.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What all processes in this directory have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.path().join("process.log")
    }

    fn spawn(&self) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("the log file opens");
        let mut command = match &self.shell {
            Some(shell) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.arg("start");
        for line in &self.overrides {
            command.arg("--override").arg(line);
        }
        let copy = log.try_clone().expect("a second handle of the log file");
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::from(copy));
        command.spawn().expect("the broker is started")
    }
}

/// A running broker.
pub struct Broker {
    child: Option<Child>,
    pub directory: Directory,
}

impl Broker {
    /// Starts in an empty directory and waits until it serves.
    pub fn start(overrides: &[(&str, &str)]) -> Broker {
        Broker::start_in(Directory::new(overrides))
    }

    /// Starts in `directory` and waits until it serves.
    pub fn start_in(directory: Directory) -> Broker {
        let mut broker = Broker { child: None, directory };
        broker.launch();
        broker
    }

    /// Starts again and waits until it serves.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.child = Some(self.directory.spawn());
        let began = Instant::now();
        loop {
            if let Some(mut client) = TcpStream::connect(("127.0.0.1", self.directory.port)).ok().map(Client::over)
                && client.is_answered()
            {
                return;
            }
            let exited = self.child.as_mut().and_then(|child| child.try_wait().expect("its state is known"));
            assert!(exited.is_none(), "the broker ended: {exited:?}");
            assert!(began.elapsed() < DEADLINE, "the broker does not serve");
            sleep(Duration::from_millis(5));
        }
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.directory.port)
    }

    /// Asks it to stop, and expects success.
    pub fn stop(&mut self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "it stopped with {status}");
    }

    /// Asks it to stop, without waiting for it.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(self.child.as_ref().expect("it runs")), Signal::TERM).expect("the signal is sent");
    }

    /// How it ends, once it does.
    pub fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child.take().expect("it runs"))
    }

    /// Ends it without warning, as kill -9 does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("the signal is sent");
        child.wait().expect("it ended");
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A value of `/proc/<pid>/status` in bytes, such as `VmRSS`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("such a line");
        let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kilobytes << 10
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The test is over, one way or the other.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.directory.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the broker's last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// Starts a broker that must refuse to run. What it logged.
pub fn refused(directory: &Directory) -> String {
    File::create(directory.log_path()).expect("the log file is emptied");
    let mut child = directory.spawn();
    let status = wait(&mut child);
    let log = directory.log();
    assert_eq!(status.code(), Some(1), "{log}");
    log
}

fn wait(child: &mut Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("its state is known") {
            return status;
        }
        if began.elapsed() >= DEADLINE {
            // The test fails below; the process must not stay.
            let _ = child.kill();
            panic!("the broker does not end");
        }
        sleep(Duration::from_millis(2));
    }
}

fn binary() -> PathBuf {
    std::env::var_os("OTTLA_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_ottla").into(), PathBuf::from)
}

/// Ports that nobody listens on, from below those that systems give to clients: a broker that is down for a moment
/// finds its port again.
fn free_ports() -> [u16; 2] {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    [(); 2].map(|()| {
        let mut candidates = (0..COUNT).map(|_| {
            let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(61));
            (FIRST + n % COUNT) as u16
        });
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        candidates.find(is_free).expect("a free port")
    })
}
