// kafka-go (segmentio) behind the scenario language.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"ottla.org/compat/session"
)

const (
	patience = 15 * time.Second
	chunk    = 3000
)

var ctx = context.Background()

type program struct {
	bootstrap  string
	pool       []byte
	client     *kafka.Client
	topic      string
	group      *kafka.ConsumerGroup
	generation *kafka.Generation
	lock       sync.Mutex
	end        context.CancelFunc
	readers    sync.WaitGroup
	reader     *session.Reader
}

func main() {
	pool, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	p := &program{bootstrap: os.Args[1], pool: pool}
	p.client = &kafka.Client{Addr: kafka.TCP(p.bootstrap), Timeout: patience, Transport: &kafka.Transport{MetadataTTL: time.Second}}
	session.Serve(session.Commands{
		"version": func(session.Call) (string, error) {
			return "kafka-go " + session.Version("github.com/segmentio/kafka-go"), nil
		},
		"create":     p.create,
		"grow":       p.grow,
		"configure":  p.configure,
		"configured": p.configured,
		"delete":     p.delete,
		"topics":     p.topics,
		"offsets":    p.offsets,
		"produce":    p.produce,
		"assign":     p.assign,
		"join":       p.join,
		"owned":      func(c session.Call) (string, error) { return p.reader.Owned(c) },
		"read":       func(c session.Call) (string, error) { return p.reader.Read(c) },
		"commit":     p.commit,
		"committed":  p.committed,
		"leave":      p.leave,
	}, code)
}

func code(err error) int {
	var known kafka.Error
	if errors.As(err, &known) {
		return int(known)
	}
	var tooLarge kafka.MessageTooLargeError
	var several kafka.WriteErrors
	if errors.As(err, &several) {
		for _, one := range several {
			if one != nil && !errors.As(one, &tooLarge) {
				return code(one)
			}
		}
	}
	return 0
}

func (p *program) create(c session.Call) (string, error) {
	topic := kafka.TopicConfig{Topic: c.Args[0], NumPartitions: c.Int(1), ReplicationFactor: 1}
	for name, value := range c.Options {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer, err := p.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err != nil {
		return "", err
	}
	return "", answer.Errors[c.Args[0]]
}

func (p *program) grow(c session.Call) (string, error) {
	topics := []kafka.TopicPartitionsConfig{{Name: c.Args[0], Count: int32(c.Int(1))}}
	answer, err := p.client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: topics})
	if err != nil {
		return "", err
	}
	return "", answer.Errors[c.Args[0]]
}

func (p *program) configure(c session.Call) (string, error) {
	resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: c.Args[0]}
	for name, value := range c.Options {
		change := kafka.IncrementalAlterConfigsRequestConfig{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}
		resource.Configs = append(resource.Configs, change)
	}
	request := kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{resource}}
	answer, err := p.client.IncrementalAlterConfigs(ctx, &request)
	if err != nil {
		return "", err
	}
	return "", answer.Resources[0].Error
}

func (p *program) configured(c session.Call) (string, error) {
	resource := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: c.Args[0], ConfigNames: c.Args[1:]}
	answer, err := p.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{resource}})
	if err != nil {
		return "", err
	}
	if answer.Resources[0].Error != nil {
		return "", answer.Resources[0].Error
	}
	return answer.Resources[0].ConfigEntries[0].ConfigValue, nil
}

func (p *program) delete(c session.Call) (string, error) {
	answer, err := p.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: c.Args[:1]})
	if err != nil {
		return "", err
	}
	return "", answer.Errors[c.Args[0]]
}

func (p *program) topics(session.Call) (string, error) {
	answer, err := p.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return "", err
	}
	names := []string{}
	for _, topic := range answer.Topics {
		if !topic.Internal {
			names = append(names, topic.Name)
		}
	}
	sort.Strings(names)
	return strings.Join(names, " "), nil
}

func (p *program) offsets(c session.Call) (string, error) {
	found, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	return session.Pairs(found), err
}

func (p *program) at(topic string, partitions int, at string) (map[int32]int64, error) {
	asked := []kafka.OffsetRequest{}
	for partition := range partitions {
		switch at {
		case "earliest":
			asked = append(asked, kafka.FirstOffsetOf(partition))
		case "latest":
			asked = append(asked, kafka.LastOffsetOf(partition))
		default:
			millis, _ := strconv.ParseInt(at, 10, 64)
			asked = append(asked, kafka.TimeOffsetOf(partition, time.UnixMilli(millis)))
		}
	}
	answer, err := p.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
	if err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return nil, one.Error
		}
		switch at {
		case "earliest":
			found[int32(one.Partition)] = one.FirstOffset
		case "latest":
			found[int32(one.Partition)] = one.LastOffset
		default:
			for offset := range one.Offsets {
				found[int32(one.Partition)] = offset
			}
		}
	}
	return found, nil
}

func (p *program) produce(c session.Call) (string, error) {
	if c.Option("idempotent", "no") == "yes" {
		return "", session.Cannot("kafka-go's writer has no idempotent mode")
	}
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	writer := kafka.Writer{
		Addr: kafka.TCP(p.bootstrap), Topic: c.Args[0], RequiredAcks: kafka.RequireAll, Compression: codecs[c.Option("codec", "none")],
		BatchTimeout: 20 * time.Millisecond, BatchSize: 500, BatchBytes: session.RequestBytes, MaxAttempts: 5, AllowAutoTopicCreation: true,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) }),
	}
	messages := []kafka.Message{}
	write := func() error {
		defer func() { messages = messages[:0] }()
		if len(messages) == 0 {
			return nil
		}
		return writer.WriteMessages(ctx, messages...)
	}
	err := session.Records(p.pool, c, func(r session.Record) error {
		message := kafka.Message{Key: r.Key, Value: r.Value, WriterData: int(r.Partition)}
		for _, header := range r.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		messages = append(messages, message)
		if len(messages) == chunk {
			return write()
		}
		return nil
	})
	return c.Args[1], errors.Join(err, write(), writer.Close())
}

// read delivers one partition's records from an offset until the context ends.
func (p *program) read(ctx context.Context, c session.Call, topic string, partition int, offset int64, to *session.Reader) {
	config := kafka.ReaderConfig{
		Brokers: []string{p.bootstrap}, Topic: topic, Partition: partition, MinBytes: 1, MaxBytes: session.FetchPartitionBytes,
		MaxWait: 100 * time.Millisecond, ReadBackoffMin: 10 * time.Millisecond, ReadBackoffMax: 100 * time.Millisecond,
	}
	if c.Option("isolation", "") == "read_committed" {
		config.IsolationLevel = kafka.ReadCommitted
	}
	reader := kafka.NewReader(config)
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return
		}
		record := session.Record{Partition: int32(partition), Offset: message.Offset, Key: message.Key, Value: message.Value}
		for _, header := range message.Headers {
			record.Headers = append(record.Headers, session.Header{Name: header.Key, Value: header.Value})
		}
		to.Deliver(record)
	}
}

func (p *program) assign(c session.Call) (string, error) {
	p.leave(c)
	starts, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	if err != nil {
		return "", err
	}
	ctx, end := context.WithCancel(ctx)
	p.end = end
	for partition, offset := range starts {
		if offset < 0 {
			offset = kafka.LastOffset
		}
		p.readers.Go(func() { p.read(ctx, c, c.Args[0], int(partition), offset, p.reader) })
	}
	return "", nil
}

func (p *program) join(c session.Call) (string, error) {
	p.leave(c)
	balancers := map[string]kafka.GroupBalancer{"range": kafka.RangeGroupBalancer{}, "roundrobin": kafka.RoundRobinGroupBalancer{}}
	config := kafka.ConsumerGroupConfig{
		ID: c.Args[0], Brokers: []string{p.bootstrap}, Topics: c.Args[1:2], StartOffset: kafka.FirstOffset,
		SessionTimeout: 10 * time.Second, HeartbeatInterval: 500 * time.Millisecond,
	}
	if c.Args[2] != "any" {
		balancer, there := balancers[c.Args[2]]
		if !there {
			return "", session.Cannot("kafka-go has no " + c.Args[2] + " assignor")
		}
		config.GroupBalancers = []kafka.GroupBalancer{balancer}
	}
	group, err := kafka.NewConsumerGroup(config)
	if err != nil {
		return "", err
	}
	ctx, end := context.WithCancel(ctx)
	p.topic, p.group, p.end = c.Args[1], group, end
	p.readers.Go(func() {
		for ctx.Err() == nil {
			generation, err := group.Next(ctx)
			if err == nil {
				p.follow(generation, c, p.reader)
			}
		}
	})
	return "", nil
}

// follow reads what a generation assigns for as long as it lasts.
func (p *program) follow(generation *kafka.Generation, c session.Call, reader *session.Reader) {
	p.lock.Lock()
	p.generation = generation
	p.lock.Unlock()
	for _, assigned := range generation.Assignments[c.Args[1]] {
		partitions := []int32{int32(assigned.ID)}
		reader.Gained(partitions)
		generation.Start(func(ctx context.Context) {
			defer reader.Lost(partitions)
			p.read(ctx, c, c.Args[1], assigned.ID, assigned.Offset, reader)
		})
	}
}

func (p *program) commit(session.Call) (string, error) {
	offsets := map[int]int64{}
	for partition, offset := range p.reader.Next() {
		offsets[int(partition)] = offset
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	return "", p.generation.CommitOffsets(map[string]map[int]int64{p.topic: offsets})
}

func (p *program) committed(c session.Call) (string, error) {
	partitions := []int{}
	for partition := range c.Int(2) {
		partitions = append(partitions, partition)
	}
	answer, err := p.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: c.Args[0], Topics: map[string][]int{c.Args[1]: partitions}})
	if err != nil {
		return "", err
	}
	found := map[int32]int64{}
	for _, one := range answer.Topics[c.Args[1]] {
		found[int32(one.Partition)] = one.CommittedOffset
	}
	return session.Pairs(found), answer.Error
}

func (p *program) leave(session.Call) (string, error) {
	var err error
	if p.end != nil {
		p.end()
	}
	if p.group != nil {
		err = p.group.Close()
	}
	p.readers.Wait()
	p.group, p.end = nil, nil
	p.reader = session.NewReader()
	return "", err
}
