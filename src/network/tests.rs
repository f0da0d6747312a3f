//! Real sockets against a service that does what the frame says.

use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::metrics::Metrics;
use crate::types::FileRange;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The first byte of a frame says what to do with it.
#[derive(Default)]
struct Obedient {
    calls: AtomicUsize,
    /// Releases calls that wait.
    go: Notify,
    file: Option<Arc<std::fs::File>>,
}

impl Service for Obedient {
    async fn call(&self, _connection: &Arc<ConnectionInfo>, frame: Bytes) -> Reply {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match frame.first() {
            Some(b'w') => self.go.notified().await,
            Some(b'n') => return Reply::None,
            Some(b'c') => return Reply::Close("it asked to".to_string()),
            Some(b'f') => return self.file_reply(&frame),
            _ => {}
        }
        Reply::bytes(framed(&frame))
    }
}

impl Obedient {
    /// `f` position len: the length of the reply, then that range of the file.
    fn file_reply(&self, frame: &[u8]) -> Reply {
        let number = |at: usize| frame[at..at + 8].try_into().map(u64::from_be_bytes).expect("eight bytes");
        let file = self.file.clone().expect("a test that has a file");
        let (position, len) = (number(1), number(9) as usize);
        let head = Bytes::copy_from_slice(&(len as u32).to_be_bytes());
        Reply::Frame(vec![ReplySegment::Bytes(head), ReplySegment::File(FileRange { file, position, len })])
    }
}

fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_u32(body.len() as u32);
    frame.put_slice(body);
    frame.freeze()
}

fn file_request(position: u64, len: u64) -> Bytes {
    framed(&[b"f".as_slice(), &position.to_be_bytes(), &len.to_be_bytes()].concat())
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a frame");
    let mut body = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut body).expect("its body");
    body
}

/// The peer's end of the stream: closed, however the kernel tells it.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A served listener, stopped and joined when dropped.
struct Served {
    address: SocketAddr,
    service: Arc<Obedient>,
    network: Arc<Network>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    task: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Served {
    fn start(service: Obedient, options: ConnectionOptions, limits: ConnectionLimits, budget: u64) -> Served {
        let info =
            ListenerInfo { name: "TEST".to_string(), advertised: None, is_controller: false, is_inter_broker: false };
        let sockets = SocketOptions { backlog: 1024, send_buffer_bytes: Some(64 << 10), receive_buffer_bytes: None };
        let listener = Listener::bind(info, "127.0.0.1", 0, sockets).expect("a port");
        let address = listener.local_addr().expect("its address");
        let metrics = Metrics::new(&[], |_| "");
        let network = Network::new(
            ConnectionQuotas::new(limits),
            RequestBudget::new(budget),
            RequestBudget::new(budget),
            metrics.network.clone(),
            Duration::from_secs(60),
        );
        let (service, stop) = (Arc::new(service), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let served = serve(listener, service.clone(), Arc::new(options), network.clone(), stop.clone());
        let task = runtime.spawn(served);
        Served { address, service, network, stop, runtime: Some(runtime), task: Some(task) }
    }

    fn with(options: ConnectionOptions) -> Served {
        Served::start(Obedient::default(), options, ConnectionLimits::default(), 64 << 20)
    }

    fn plain() -> Served {
        Served::with(ConnectionOptions::new(1 << 20))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
        stream
    }

    /// Waits until `condition` holds; a test that waits in vain is ended by the assertion.
    fn until(&self, condition: impl Fn(&Served) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            assert!(std::time::Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    }

    fn calls(&self) -> usize {
        self.service.calls.load(Ordering::SeqCst)
    }

    /// Stops and waits for the end of every connection.
    fn join(&mut self) {
        self.stop.cancel();
        let (Some(runtime), Some(task)) = (&self.runtime, self.task.take()) else { return };
        runtime.block_on(task).expect("no panic").expect("no error");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = Served::plain();
    let mut stream = served.connect();
    let requests: Vec<Bytes> = (0..2000u32).map(|n| framed(format!("request {n}").as_bytes())).collect();
    stream.write_all(&requests.concat()).expect("sent");
    for request in &requests {
        assert_eq!(read_frame(&mut stream), request[4..]);
    }
}

#[test]
fn a_request_waits_for_the_one_before_it_and_for_no_other_connection() {
    let served = Served::plain();
    let mut slow = served.connect();
    slow.write_all(&[framed(b"before"), framed(b"wait"), framed(b"after")].concat()).expect("sent");
    // The answer before the one that waits is not held back by it.
    assert_eq!(read_frame(&mut slow), b"before");
    served.until(|served| served.calls() == 2);
    let mut quick = served.connect();
    quick.write_all(&framed(b"quick")).expect("sent");
    assert_eq!(read_frame(&mut quick), b"quick");
    assert_eq!(served.calls(), 3, "what comes after the one that waits is not looked at");
    served.service.go.notify_one();
    assert_eq!(read_frame(&mut slow), b"wait");
    assert_eq!(read_frame(&mut slow), b"after");
}

#[test]
fn frames_may_arrive_byte_by_byte() {
    let served = Served::plain();
    let mut stream = served.connect();
    for byte in [framed(b"one"), framed(b""), framed(b"three")].concat() {
        stream.write_all(&[byte]).expect("sent");
    }
    assert_eq!(read_frame(&mut stream), b"one");
    assert_eq!(read_frame(&mut stream), b"");
    assert_eq!(read_frame(&mut stream), b"three");
}

#[test]
fn an_unanswered_request_does_not_hold_the_next() {
    let served = Served::plain();
    let mut stream = served.connect();
    stream.write_all(&[framed(b"nothing"), framed(b"x")].concat()).expect("sent");
    assert_eq!(read_frame(&mut stream), b"x");
}

#[test]
fn bad_lengths_close_the_connection_after_the_answers_before_them() {
    let served = Served::plain();
    for length in [-1, i32::MIN, i32::MAX, (1 << 20) + 1] {
        let mut stream = served.connect();
        stream.write_all(&framed(b"good")).expect("sent");
        stream.write_all(&i32::to_be_bytes(length)).expect("sent");
        assert_eq!(read_frame(&mut stream), b"good");
        assert!(is_closed(&mut stream), "length {length}");
    }
    served.until(|served| served.network.metrics.connections_rejected.get() == 4);
    served.until(|served| served.network.quotas.connections() == 0);
}

#[test]
fn a_refusal_closes_the_connection() {
    let served = Served::plain();
    let mut stream = served.connect();
    stream.write_all(&[framed(b"good"), framed(b"close"), framed(b"never")].concat()).expect("sent");
    assert_eq!(read_frame(&mut stream), b"good");
    assert!(is_closed(&mut stream));
    assert_eq!(served.calls(), 2);
}

#[test]
fn a_thousand_connections_are_served() {
    let served = Served::plain();
    let mut streams: Vec<TcpStream> = (0..1000).map(|_| served.connect()).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&framed(format!("hello {n}").as_bytes())).expect("sent");
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(read_frame(stream), format!("hello {n}").as_bytes());
    }
    assert_eq!(served.network.quotas.connections(), 1000);
    drop(streams);
    served.until(|served| served.network.quotas.connections() == 0);
    assert_eq!(served.network.metrics.connections.get(), 0);
}

#[test]
fn an_address_has_its_share_of_connections() {
    let limits = ConnectionLimits { per_ip_overrides: [(LOCALHOST, 2)].into(), ..ConnectionLimits::default() };
    let served = Served::start(Obedient::default(), ConnectionOptions::new(1024), limits, 1 << 20);
    let mut streams = [served.connect(), served.connect()];
    for stream in &mut streams {
        stream.write_all(&framed(b"x")).expect("sent");
        assert_eq!(read_frame(stream), b"x");
    }
    assert!(is_closed(&mut served.connect()));
    assert_eq!(served.network.metrics.connections_refused.get(), 1);
}

#[test]
fn a_full_listener_accepts_when_a_place_is_free() {
    let limits = ConnectionLimits { total_max: Some(1), ..ConnectionLimits::default() };
    let served = Served::start(Obedient::default(), ConnectionOptions::new(1024), limits, 1 << 20);
    let mut first = served.connect();
    first.write_all(&framed(b"1")).expect("sent");
    assert_eq!(read_frame(&mut first), b"1");
    let mut second = served.connect();
    second.write_all(&framed(b"2")).expect("sent");
    assert_eq!(served.calls(), 1);
    drop(first);
    assert_eq!(read_frame(&mut second), b"2");
}

#[test]
fn idle_connections_end() {
    let idle_max = Some(Duration::from_millis(20));
    let served = Served::with(ConnectionOptions { idle_max, ..ConnectionOptions::new(1024) });
    assert!(is_closed(&mut served.connect()));
    assert_eq!(served.network.metrics.connections_rejected.get(), 0);
}

#[test]
fn a_frame_that_stops_arriving_ends_its_connection() {
    let stall_after = Duration::from_secs(1);
    let served = Served::with(ConnectionOptions { stall_after, ..ConnectionOptions::new(1024) });
    let mut stream = served.connect();
    stream.write_all(&framed(b"entire")).expect("sent");
    assert_eq!(read_frame(&mut stream), b"entire");
    stream.write_all(&framed(b"cut off")[..7]).expect("sent");
    assert!(is_closed(&mut stream));
    assert_eq!(served.network.metrics.connections_rejected.get(), 1);
}

#[test]
fn a_reply_that_nobody_reads_ends_its_connection() {
    let file = test_file(32 << 20);
    let drain_timeout = Duration::from_millis(20);
    let service = Obedient { file: Some(Arc::new(file)), ..Obedient::default() };
    let options = ConnectionOptions { drain_timeout, ..ConnectionOptions::new(1024) };
    let served = Served::start(service, options, ConnectionLimits::default(), 1 << 20);
    let mut stream = served.connect();
    // So many replies, each short enough to have no more time than the least.
    for _ in 0..1000 {
        if stream.write_all(&file_request(0, 30 << 10)).is_err() {
            break;
        }
    }
    served.until(|served| served.network.quotas.connections() == 0);
}

/// A file whose every eight bytes are their own number.
fn test_file(len: u64) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a file");
    let content: Vec<u8> = (0..len / 8).flat_map(u64::to_be_bytes).collect();
    file.write_all(&content).expect("written");
    file
}

#[test]
fn big_ranges_of_files_reach_a_slow_reader_whole() {
    const LEN: u64 = 24 << 20;
    let service = Obedient { file: Some(Arc::new(test_file(LEN))), ..Obedient::default() };
    let served = Served::start(service, ConnectionOptions::new(1024), ConnectionLimits::default(), 1 << 20);
    let mut stream = served.connect();
    stream.write_all(&[file_request(8, LEN - 16), framed(b"and then")].concat()).expect("sent");
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a length");
    assert_eq!(u64::from(u32::from_be_bytes(len)), LEN - 16);
    let mut expected = 1u64;
    let mut part = vec![0; 8 << 10];
    for _ in 0..(LEN - 16) / part.len() as u64 {
        stream.read_exact(&mut part).expect("a part");
        for number in part.chunks_exact(8) {
            assert_eq!(number, expected.to_be_bytes());
            expected += 1;
        }
        std::thread::yield_now();
    }
    let mut rest = vec![0; ((LEN - 16) % part.len() as u64) as usize];
    stream.read_exact(&mut rest).expect("the rest");
    assert_eq!(read_frame(&mut stream), b"and then");
}

#[test]
fn a_range_that_is_not_in_memory_is_read_first() {
    const LEN: u64 = 1 << 20;
    let file = test_file(LEN);
    file.sync_all().expect("on disk");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("out of memory");
    let service = Obedient { file: Some(Arc::new(file)), ..Obedient::default() };
    let served = Served::start(service, ConnectionOptions::new(1024), ConnectionLimits::default(), 1 << 20);
    let mut stream = served.connect();
    stream.write_all(&file_request(0, LEN)).expect("sent");
    let content: Vec<u8> = (0..LEN / 8).flat_map(u64::to_be_bytes).collect();
    assert_eq!(read_frame(&mut stream), content);
}

#[test]
fn a_file_that_is_too_short_closes_the_connection() {
    let mut file = test_file(1 << 20);
    file.seek(std::io::SeekFrom::Start(0)).expect("a seek");
    let service = Obedient { file: Some(Arc::new(file)), ..Obedient::default() };
    let served = Served::start(service, ConnectionOptions::new(1024), ConnectionLimits::default(), 1 << 20);
    let mut stream = served.connect();
    stream.write_all(&[file_request(0, 2 << 20), framed(b"never")].concat()).expect("sent");
    let mut all = Vec::new();
    // The kernel may tell of the end by a reset, because a request was left unread.
    let _ = stream.read_to_end(&mut all);
    assert!(all.len() <= 4 + (1 << 20));
    served.until(|served| served.network.quotas.connections() == 0);
    assert_eq!(served.calls(), 1);
}

#[test]
fn a_spent_budget_makes_large_frames_wait() {
    let served =
        Served::start(Obedient::default(), ConnectionOptions::new(1 << 20), ConnectionLimits::default(), 1 << 10);
    let large = framed(&[b"w".as_slice(), &vec![b'x'; 200 << 10]].concat());
    let mut holder = served.connect();
    holder.write_all(&large).expect("sent");
    served.until(|served| served.calls() == 1);
    let mut waiter = served.connect();
    let sender = std::thread::spawn({
        let (mut waiter, large) = (waiter.try_clone().expect("a clone"), large.clone());
        move || waiter.write_all(&large)
    });
    let mut small = served.connect();
    small.write_all(&framed(b"small")).expect("sent");
    assert_eq!(read_frame(&mut small), b"small", "small frames pass");
    assert_eq!(served.calls(), 2, "the second large frame has to wait for the first");
    served.service.go.notify_one();
    assert_eq!(read_frame(&mut holder), large[4..]);
    served.until(|served| served.calls() == 3);
    sender.join().expect("no panic").expect("sent");
    served.service.go.notify_one();
    assert_eq!(read_frame(&mut waiter), large[4..]);
    drop((holder, waiter));
    served.until(|served| served.network.budget.available() == 1 << 10);
}

#[test]
fn an_answer_that_nobody_reads_holds_no_memory_of_requests() {
    let served =
        Served::start(Obedient::default(), ConnectionOptions::new(1 << 20), ConnectionLimits::default(), 1 << 10);
    // More than the kernel takes on its way to a client that does not read.
    let large = framed(&vec![b'x'; 1 << 20]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| served.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.write_all(&large).expect("sent");
        served.until(|served| served.calls() == n + 1);
    }
    for client in clients.iter_mut().rev() {
        assert_eq!(read_frame(client), large[4..]);
    }
}

#[test]
fn a_stop_answers_what_is_in_hand_and_accepts_nobody() {
    let mut served = Served::plain();
    let mut idle = served.connect();
    let mut busy = served.connect();
    idle.write_all(&framed(b"x")).expect("sent");
    assert_eq!(read_frame(&mut idle), b"x");
    busy.write_all(&framed(b"wait")).expect("sent");
    served.until(|served| served.calls() == 2);
    served.stop.cancel();
    assert!(is_closed(&mut idle));
    served.service.go.notify_one();
    assert_eq!(read_frame(&mut busy), b"wait");
    assert!(is_closed(&mut busy));
    served.join();
    assert!(TcpStream::connect(served.address).is_err());
}

#[test]
fn listeners_follow_the_configuration() {
    let overrides = [
        ("listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"),
        ("advertised.listeners", "PLAINTEXT://example.org:1234"),
        ("max.connections.per.ip", "1"),
        ("max.connections.per.ip.overrides", "127.0.0.1:1"),
        ("socket.request.max.bytes", "1000"),
    ];
    let overrides = overrides.map(|(key, value)| (key.to_string(), value.to_string()));
    let loaded = crate::config::load(None, &overrides, &|_| None).expect("a good configuration");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let metrics = Metrics::new(&[], |_| "");
    let mut server = Server::bind(&loaded.broker.config, &metrics).expect("two ports");
    let [broker, controller] = server.bound() else { panic!("two listeners") };
    assert_eq!(broker.info().advertised, Some(("example.org".to_string(), 1234)));
    assert!(controller.info().is_controller && !broker.info().is_controller && !broker.info().is_inter_broker);
    let address = broker.local_addr().expect("its address");
    server.serve(false, &Arc::new(Obedient::default()), runtime.handle());
    assert_eq!(server.bound().len(), 1, "the controller's listener waits");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(&framed(b"x")).expect("sent");
    assert_eq!(read_frame(&mut stream), b"x");
    assert!(is_closed(&mut TcpStream::connect(address).expect("a connection")), "one connection is the limit");
    stream.write_all(&1001i32.to_be_bytes()).expect("sent");
    assert!(is_closed(&mut stream), "so is a thousand bytes");
    runtime.block_on(server.stop());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_in_use_is_said_with_its_remedy() {
    let served = Served::plain();
    let info =
        ListenerInfo { name: "OTHER".to_string(), advertised: None, is_controller: false, is_inter_broker: false };
    let error = Listener::bind(info, "127.0.0.1", served.address.port(), SocketOptions::default()).err();
    let text = error.expect("the port is taken").to_string();
    assert!(text.starts_with("listener OTHER: port") && text.contains("is in use: stop the process"), "{text}");
}

#[test]
fn health_and_metrics_are_served_over_http() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = AdminServer::bind((LOCALHOST, 0).into()).expect("a port");
    let address = server.local_addr().expect("its address");
    assert!(AdminServer::bind(address).is_err());
    let (health, metrics, stop) = (Health::starting(), Metrics::new(&[], |_| ""), CancellationToken::new());
    let task = runtime.spawn(server.serve(health.clone(), metrics, stop.clone()));
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    let answer = get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("starting\n"), "{answer}");
    let left = Arc::new(AtomicUsize::new(2));
    let seen = left.clone();
    health.set_ready_unless(move || match seen.load(Ordering::Relaxed) {
        0 => None,
        left => Some(format!("{left} are left")),
    });
    let answer = get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("2 are left\n"), "{answer}");
    left.store(0, Ordering::Relaxed);
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    health.set_unready("stopping");
    assert!(get("/readyz").ends_with("stopping\n") && get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").contains("\nottla_connections 0\n"));
    assert!(get("/other").starts_with("HTTP/1.1 404"));
    stop.cancel();
    runtime.block_on(task).expect("no panic").expect("no error");
}
