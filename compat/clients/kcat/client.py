"""kcat behind the common command line: records go in by stdin, one process a partition, and come out by a format string."""
import re
import subprocess
import sys
import zlib

PART = 1011


def produce(bootstrap, topic, codec, count, partitions, pool_file):
    count, partitions = int(count), int(partitions)
    with open(pool_file, "rb") as file:
        pool = file.read()
    for partition in range(partitions):
        command = [
            "kcat", "-P", "-q", "-b", bootstrap, "-t", topic, "-p", str(partition), "-K", "\t", "-Z", "-z", codec,
            "-H", "h=kcat", "-H", "h=again", "-H", "e=",
            "-X", "acks=all", "-X", "enable.idempotence=true", "-X", "linger.ms=20",
        ]
        kcat = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(partition, count, partitions):
            key = b"" if i % 7 == 3 and i % 97 != 5 else b"k%d" % i
            start = (i * 1031) % (len(pool) - PART)
            value = b"" if i % 97 == 5 else b"%012d:" % i + pool[start:start + PART]
            kcat.stdin.write(key + b"\t" + value + b"\n")
        kcat.stdin.close()
        error = kcat.stderr.read()
        if kcat.wait() != 0 or b"ERROR" in error:
            sys.stderr.buffer.write(error)
            sys.exit(77 if b"ompression" in error and b"not" in error else 1)


def consume(bootstrap, topic, count, partitions):
    partitions = int(partitions)
    share = [(int(count) - p + partitions - 1) // partitions for p in range(partitions)]
    for partition in range(partitions):
        command = [
            "kcat", "-C", "-q", "-b", bootstrap, "-t", topic, "-p", str(partition), "-o", "beginning",
            "-c", str(share[partition]), "-f", "%o %K %S %h|%k%s\n",
            "-X", "message.max.bytes=65536", "-X", "fetch.max.bytes=65536", "-X", "fetch.message.max.bytes=32768",
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        out, at = done.stdout, 0
        head = re.compile(rb"(\d+) (-?\d+) (-?\d+) ([^|]*)\|")
        while at < len(out):
            match = head.match(out, at)
            offset, key_size, value_size = (int(match[n]) for n in (1, 2, 3))
            at = match.end()
            key = out[at:at + max(key_size, 0)].decode()
            at += max(key_size, 0)
            value = out[at:at + max(value_size, 0)]
            at += max(value_size, 0) + 1
            key_text = "-" if key_size < 0 else "=" + key
            value_text = "-" if value_size < 0 else f"={len(value)}:{zlib.crc32(value):08x}"
            print(partition, offset, key_text, value_text, match[4].decode(), sep="\t")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
