// franz-go behind the common command line.
package main

import (
	"bufio"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const part = 1011

func main() {
	switch os.Args[1] {
	case "produce":
		produce(os.Args[2], os.Args[3], os.Args[4], number(os.Args[5]), number(os.Args[6]), os.Args[7])
	case "consume":
		consume(os.Args[2], os.Args[3], number(os.Args[4]))
	}
}

func produce(bootstrap, topic, codec string, count, partitions int, poolFile string) {
	pool, err := os.ReadFile(poolFile)
	must(err)
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codecs[codec]), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond),
	)
	must(err)
	var failed atomic.Value
	ctx := context.Background()
	for i := 0; i < count; i++ {
		record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Headers: []kgo.RecordHeader{
			{Key: "h", Value: []byte(strconv.Itoa(i))}, {Key: "h", Value: []byte("again")}, {Key: "e", Value: []byte{}},
		}}
		if i%7 != 3 || i%97 == 5 {
			record.Key = []byte("k" + strconv.Itoa(i))
		}
		if i%97 != 5 {
			start := (i * 1031) % (len(pool) - part)
			record.Value = append([]byte(fmt.Sprintf("%012d:", i)), pool[start:start+part]...)
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(err)
			}
		})
	}
	must(client.Flush(ctx))
	if err := failed.Load(); err != nil {
		must(err.(error))
	}
	client.Close()
}

func consume(bootstrap, topic string, count int) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("franz-go-"+topic), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(65536), kgo.FetchMaxPartitionBytes(32768),
	)
	must(err)
	out := bufio.NewWriter(os.Stdout)
	for seen := 0; seen < count; {
		fetches := client.PollFetches(context.Background())
		for _, problem := range fetches.Errors() {
			must(problem.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			seen++
			key, value := "-", "-"
			if record.Key != nil {
				key = "=" + string(record.Key)
			}
			if record.Value != nil {
				value = fmt.Sprintf("=%d:%08x", len(record.Value), crc32.ChecksumIEEE(record.Value))
			}
			headers := []string{}
			for _, header := range record.Headers {
				headers = append(headers, header.Key+"="+string(header.Value))
			}
			fmt.Fprintf(out, "%d\t%d\t%s\t%s\t%s\n", record.Partition, record.Offset, key, value, strings.Join(headers, ","))
		})
	}
	must(out.Flush())
	client.Close()
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
