// sarama behind the scenario language.
package main

import (
	"context"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"ottla.org/compat/session"
)

type program struct {
	bootstrap []string
	pool      []byte
	client    sarama.Client
	admin     sarama.ClusterAdmin
	topic     string
	group     sarama.ConsumerGroup
	consumer  sarama.Consumer
	readers   sync.WaitGroup
	member    *member
	end       context.CancelFunc
	ended     chan struct{}
	reader    *session.Reader
}

func main() {
	pool, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	p := &program{bootstrap: []string{os.Args[1]}, pool: pool}
	session.Serve(session.Commands{
		"version":    func(session.Call) (string, error) { return "sarama " + session.Version("github.com/IBM/sarama"), nil },
		"create":     p.create,
		"grow":       p.grow,
		"configure":  p.configure,
		"configured": p.configured,
		"trim":       p.trim,
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
		"pause":      func(session.Call) (string, error) { return p.pause(true) },
		"resume":     func(session.Call) (string, error) { return p.pause(false) },
		"leave":      p.leave,
	}, code)
}

func code(err error) int {
	var known sarama.KError
	if errors.As(err, &known) {
		return int(known)
	}
	return 0
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	return config
}

// connected opens the client and the admin client at the first use.
func (p *program) connected() error {
	if p.client != nil {
		return nil
	}
	client, err := sarama.NewClient(p.bootstrap, config())
	if err != nil {
		return err
	}
	p.client = client
	p.admin, err = sarama.NewClusterAdminFromClient(client)
	return err
}

func (p *program) create(c session.Call) (string, error) {
	configs := map[string]*string{}
	for name, value := range c.Options {
		configs[name] = &value
	}
	if err := p.connected(); err != nil {
		return "", err
	}
	detail := sarama.TopicDetail{NumPartitions: int32(c.Int(1)), ReplicationFactor: 1, ConfigEntries: configs}
	return "", p.admin.CreateTopic(c.Args[0], &detail, false)
}

func (p *program) grow(c session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	return "", p.admin.CreatePartitions(c.Args[0], int32(c.Int(1)), nil, false)
}

func (p *program) configure(c session.Call) (string, error) {
	changes := map[string]sarama.IncrementalAlterConfigsEntry{}
	for name, value := range c.Options {
		changes[name] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	}
	if err := p.connected(); err != nil {
		return "", err
	}
	return "", p.admin.IncrementalAlterConfig(sarama.TopicResource, c.Args[0], changes, false)
}

func (p *program) configured(c session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	entries, err := p.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: c.Args[0], ConfigNames: c.Args[1:]})
	if err != nil {
		return "", err
	}
	return entries[0].Value, nil
}

func (p *program) trim(c session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	if err := p.admin.DeleteRecords(c.Args[0], map[int32]int64{int32(c.Int(1)): int64(c.Int(2))}); err != nil {
		return "", err
	}
	low, err := p.client.GetOffset(c.Args[0], int32(c.Int(1)), sarama.OffsetOldest)
	return strconv.FormatInt(low, 10), err
}

func (p *program) delete(c session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	return "", p.admin.DeleteTopic(c.Args[0])
}

func (p *program) topics(session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	found, err := p.admin.ListTopics()
	names := []string{}
	for name := range found {
		if !strings.HasPrefix(name, "__") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return strings.Join(names, " "), err
}

func (p *program) offsets(c session.Call) (string, error) {
	found, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	return session.Pairs(found), err
}

func (p *program) at(topic string, partitions int, at string) (map[int32]int64, error) {
	if err := p.connected(); err != nil {
		return nil, err
	}
	when, named := map[string]int64{"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest}[at]
	if !named {
		when, _ = strconv.ParseInt(at, 10, 64)
	}
	found := map[int32]int64{}
	for partition := range int32(partitions) {
		offset, err := p.client.GetOffset(topic, partition, when)
		if err != nil {
			return nil, err
		}
		found[partition] = offset
	}
	return found, nil
}

func (p *program) produce(c session.Call) (string, error) {
	config := config()
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = c.Option("idempotent", "no") == "yes"
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Producer.MaxMessageBytes = session.RequestBytes
	config.Producer.Flush.MaxMessages = 900
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[c.Option("codec", "none")]
	producer, err := sarama.NewAsyncProducer(p.bootstrap, config)
	if err != nil {
		return "", err
	}
	go session.Records(p.pool, c, func(r session.Record) error {
		message := &sarama.ProducerMessage{Topic: c.Args[0], Partition: r.Partition}
		if r.Key != nil {
			message.Key = sarama.ByteEncoder(r.Key)
		}
		if r.Value != nil {
			message.Value = sarama.ByteEncoder(r.Value)
		}
		for _, header := range r.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		producer.Input() <- message
		return nil
	})
	var failed error
	for range c.Int(1) {
		select {
		case <-producer.Successes():
		case problem := <-producer.Errors():
			failed = problem.Err
		}
	}
	return c.Args[1], errors.Join(failed, producer.Close())
}

func consuming(c session.Call) *sarama.Config {
	config := config()
	config.Consumer.Fetch.Default = session.FetchPartitionBytes
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	if c.Option("isolation", "") == "read_committed" {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	return config
}

func record(m *sarama.ConsumerMessage) session.Record {
	record := session.Record{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value}
	for _, header := range m.Headers {
		record.Headers = append(record.Headers, session.Header{Name: string(header.Key), Value: header.Value})
	}
	return record
}

func (p *program) assign(c session.Call) (string, error) {
	p.leave(c)
	starts, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	if err != nil {
		return "", err
	}
	p.consumer, err = sarama.NewConsumer(p.bootstrap, consuming(c))
	if err != nil {
		return "", err
	}
	ctx, end := context.WithCancel(context.Background())
	p.topic, p.end = c.Args[0], end
	for partition, offset := range starts {
		reader, err := p.consumer.ConsumePartition(c.Args[0], partition, offset)
		if err != nil {
			return "", err
		}
		p.readers.Go(func() {
			deliver(ctx, reader.Messages(), p.reader)
			reader.Close()
		})
	}
	return "", nil
}

func deliver(ctx context.Context, from <-chan *sarama.ConsumerMessage, to *session.Reader) {
	for {
		select {
		case <-ctx.Done():
			return
		case message, open := <-from:
			if !open {
				return
			}
			to.Deliver(record(message))
		}
	}
}

// member serves a generation, or with a cooperative strategy all that follow each other.
type member struct {
	reader  *session.Reader
	current sarama.ConsumerGroupSession
}

func (m *member) Setup(current sarama.ConsumerGroupSession) error {
	m.current = current
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(current sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.reader.Gained([]int32{claim.Partition()})
	defer m.reader.Lost([]int32{claim.Partition()})
	deliver(current.Context(), claim.Messages(), m.reader)
	return nil
}

func (p *program) join(c session.Call) (string, error) {
	p.leave(c)
	config := consuming(c)
	strategies := map[string]func() sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
	}
	if strategy, named := strategies[c.Args[2]]; named {
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
	}
	group, err := sarama.NewConsumerGroup(p.bootstrap, c.Args[0], config)
	if err != nil {
		return "", err
	}
	ctx, end := context.WithCancel(context.Background())
	p.topic, p.group, p.end, p.ended = c.Args[1], group, end, make(chan struct{})
	p.member = &member{reader: p.reader}
	go func() {
		defer close(p.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{c.Args[1]}, p.member); err != nil {
				println(err.Error())
			}
		}
	}()
	return "", nil
}

func (p *program) commit(session.Call) (string, error) {
	for partition, offset := range p.reader.Next() {
		p.member.current.MarkOffset(p.topic, partition, offset, "")
	}
	p.member.current.Commit()
	return "", nil
}

func (p *program) committed(c session.Call) (string, error) {
	if err := p.connected(); err != nil {
		return "", err
	}
	partitions := []int32{}
	for partition := range int32(c.Int(2)) {
		partitions = append(partitions, partition)
	}
	answer, err := p.admin.ListConsumerGroupOffsets(c.Args[0], map[string][]int32{c.Args[1]: partitions})
	if err != nil {
		return "", err
	}
	found := map[int32]int64{}
	for _, partition := range partitions {
		found[partition] = answer.GetBlock(c.Args[1], partition).Offset
	}
	return session.Pairs(found), nil
}

func (p *program) pause(stop bool) (string, error) {
	p.reader.Paused = stop
	switch {
	case p.group != nil && stop:
		p.group.PauseAll()
	case p.group != nil:
		p.group.ResumeAll()
	case stop:
		p.consumer.PauseAll()
	default:
		p.consumer.ResumeAll()
	}
	return "", nil
}

func (p *program) leave(session.Call) (string, error) {
	var err error
	if p.end != nil {
		p.end()
	}
	if p.group != nil {
		<-p.ended
		err = p.group.Close()
	}
	if p.consumer != nil {
		p.readers.Wait()
		err = p.consumer.Close()
	}
	p.consumer, p.group, p.end = nil, nil, nil
	p.reader = session.NewReader()
	return "", err
}
