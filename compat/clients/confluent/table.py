"""Prints "partition offset key number" of every record from the start to the end the topic has now, with "-" as the number of a
deletion: table.py BOOTSTRAP TOPIC PARTITIONS"""
import sys

from read_all import records

if __name__ == "__main__":
    for record in records(*sys.argv[1:]):
        number = b"-" if record.value() is None else record.value().split(b" ", 1)[0]
        sys.stdout.buffer.write(b"%d %d %s %s\n" % (record.partition(), record.offset(), record.key(), number))
