// sarama behind the common command line.
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const part = 1011

func main() {
	switch os.Args[1] {
	case "produce":
		produce(os.Args[2], os.Args[3], os.Args[4], number(os.Args[5]), number(os.Args[6]), os.Args[7])
	case "consume":
		consume(os.Args[2], os.Args[3], number(os.Args[4]), number(os.Args[5]))
	}
}

func produce(bootstrap, topic, codec string, count, partitions int, poolFile string) {
	pool, err := os.ReadFile(poolFile)
	must(err)
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[codec]
	producer, err := sarama.NewAsyncProducer([]string{bootstrap}, config)
	must(err)
	go func() {
		for i := 0; i < count; i++ {
			message := &sarama.ProducerMessage{Topic: topic, Partition: int32(i % partitions), Headers: []sarama.RecordHeader{
				{Key: []byte("h"), Value: []byte(strconv.Itoa(i))}, {Key: []byte("h"), Value: []byte("again")},
				{Key: []byte("e"), Value: []byte{}},
			}}
			if i%7 != 3 || i%97 == 5 {
				message.Key = sarama.StringEncoder("k" + strconv.Itoa(i))
			}
			if i%97 != 5 {
				start := (i * 1031) % (len(pool) - part)
				message.Value = sarama.ByteEncoder(append([]byte(fmt.Sprintf("%012d:", i)), pool[start:start+part]...))
			}
			producer.Input() <- message
		}
	}()
	for acknowledged := 0; acknowledged < count; acknowledged++ {
		select {
		case <-producer.Successes():
		case problem := <-producer.Errors():
			must(problem.Err)
		}
	}
	must(producer.Close())
}

func consume(bootstrap, topic string, count, partitions int) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Fetch.Default = 32768
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer([]string{bootstrap}, config)
	must(err)
	messages := make(chan *sarama.ConsumerMessage, 1024)
	for partition := 0; partition < partitions; partition++ {
		reader, err := consumer.ConsumePartition(topic, int32(partition), sarama.OffsetOldest)
		must(err)
		go func() {
			for message := range reader.Messages() {
				messages <- message
			}
		}()
		go func() {
			for problem := range reader.Errors() {
				must(problem.Err)
			}
		}()
	}
	out := bufio.NewWriter(os.Stdout)
	for seen := 0; seen < count; seen++ {
		message := <-messages
		key, value := "-", "-"
		if message.Key != nil {
			key = "=" + string(message.Key)
		}
		if message.Value != nil {
			value = fmt.Sprintf("=%d:%08x", len(message.Value), crc32.ChecksumIEEE(message.Value))
		}
		headers := []string{}
		for _, header := range message.Headers {
			headers = append(headers, string(header.Key)+"="+string(header.Value))
		}
		fmt.Fprintf(out, "%d\t%d\t%s\t%s\t%s\n", message.Partition, message.Offset, key, value, strings.Join(headers, ","))
	}
	must(out.Flush())
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
