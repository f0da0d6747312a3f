"""A proxy that stands between the clients and a broker, and cuts every connection again and again."""
import random
import socket
import threading
import time


class Proxy:
    """Listens on a free port; the broker advertises it, so that every client comes through here."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target: int | None = None
        self.cuts = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.cutting = True

    def open(self, target: int, every: float) -> None:
        self.target = target
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._cut, args=(every,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection at once, wherever its bytes are: a request may be half sent, its answer on the way."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self.cuts += len(pairs)
        for pair in pairs:
            for one in pair:
                _shut(one)

    def _cut(self, every: float) -> None:
        # Not in step with the clients' own heartbeats and retries, which come each second too.
        chance = random.Random(9)
        while not self._ended.wait(every * chance.uniform(0.6, 1.4)):
            if self.cutting:
                self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target), timeout=2)
            except OSError:
                client.close()
                time.sleep(0.01)
                continue
            broker.settimeout(None)
            pair = (client, broker)
            for one in pair:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._forward, args=(source, sink, pair), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, pair) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        with self._lock:
            self._pairs.discard(pair)
        _shut(source)
        _shut(sink)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
