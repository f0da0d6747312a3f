// franz-go behind the scenario language.
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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"ottla.org/compat/session"
)

const patience = 15 * time.Second

var ctx = context.Background()

type program struct {
	bootstrap string
	pool      []byte
	client    *kgo.Client
	admin     *kadm.Client
	consumer  *kgo.Client
	topic     string
	reader    *session.Reader
}

func main() {
	pool, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	p := &program{bootstrap: os.Args[1], pool: pool}
	p.client, err = kgo.NewClient(kgo.SeedBrokers(p.bootstrap), kgo.RequestTimeoutOverhead(patience))
	if err != nil {
		panic(err)
	}
	p.admin = kadm.NewClient(p.client)
	session.Serve(session.Commands{
		"version": func(session.Call) (string, error) {
			return "franz-go " + session.Version("github.com/twmb/franz-go"), nil
		},
		"create":     p.create,
		"grow":       p.grow,
		"configure":  p.configure,
		"configured": p.configured,
		"trim":       p.trim,
		"delete": func(c session.Call) (string, error) {
			_, err := p.admin.DeleteTopic(ctx, c.Args[0])
			return "", err
		},
		"topics":    p.topics,
		"offsets":   p.offsets,
		"produce":   p.produce,
		"assign":    p.assign,
		"join":      p.join,
		"owned":     func(c session.Call) (string, error) { return p.reader.Owned(c) },
		"read":      func(c session.Call) (string, error) { return p.reader.Read(c) },
		"commit":    p.commit,
		"committed": p.committed,
		"pause": func(session.Call) (string, error) {
			p.consumer.PauseFetchTopics(p.topic)
			p.reader.Paused = true
			return "", nil
		},
		"resume": func(session.Call) (string, error) {
			p.consumer.ResumeFetchTopics(p.topic)
			p.reader.Paused = false
			return "", nil
		},
		"leave": p.leave,
	}, func(err error) int {
		var known *kerr.Error
		if errors.As(err, &known) {
			return int(known.Code)
		}
		return 0
	})
}

func (p *program) create(c session.Call) (string, error) {
	configs := map[string]*string{}
	for name, value := range c.Options {
		configs[name] = &value
	}
	_, err := p.admin.CreateTopic(ctx, int32(c.Int(1)), 1, configs, c.Args[0])
	return "", err
}

func (p *program) grow(c session.Call) (string, error) {
	answers, err := p.admin.UpdatePartitions(ctx, c.Int(1), c.Args[0])
	return "", errors.Join(err, answers.Error())
}

func (p *program) configure(c session.Call) (string, error) {
	changes := []kadm.AlterConfig{}
	for name, value := range c.Options {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	answers, err := p.admin.AlterTopicConfigs(ctx, changes, c.Args[0])
	if err != nil {
		return "", err
	}
	answer, err := answers.On(c.Args[0], nil)
	return "", errors.Join(err, answer.Err)
}

func (p *program) configured(c session.Call) (string, error) {
	answers, err := p.admin.DescribeTopicConfigs(ctx, c.Args[0])
	if err != nil {
		return "", err
	}
	answer, err := answers.On(c.Args[0], nil)
	if err = errors.Join(err, answer.Err); err != nil {
		return "", err
	}
	for _, config := range answer.Configs {
		if config.Key == c.Args[1] {
			return config.MaybeValue(), nil
		}
	}
	return "", errors.New("no such config")
}

func (p *program) trim(c session.Call) (string, error) {
	before := kadm.Offsets{}
	before.AddOffset(c.Args[0], int32(c.Int(1)), int64(c.Int(2)), -1)
	answers, err := p.admin.DeleteRecords(ctx, before)
	if err = errors.Join(err, answers.Error()); err != nil {
		return "", err
	}
	answer, _ := answers.Lookup(c.Args[0], int32(c.Int(1)))
	return strconv.FormatInt(answer.LowWatermark, 10), nil
}

func (p *program) topics(session.Call) (string, error) {
	topics, err := p.admin.ListTopics(ctx)
	names := topics.Names()
	sort.Strings(names)
	return strings.Join(names, " "), err
}

func (p *program) offsets(c session.Call) (string, error) {
	found, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	return session.Pairs(found), err
}

func (p *program) at(topic string, partitions int, at string) (map[int32]int64, error) {
	var listed kadm.ListedOffsets
	var err error
	switch at {
	case "earliest":
		listed, err = p.admin.ListStartOffsets(ctx, topic)
	case "latest":
		listed, err = p.admin.ListEndOffsets(ctx, topic)
	default:
		millis, _ := strconv.ParseInt(at, 10, 64)
		listed, err = p.admin.ListOffsetsAfterMilli(ctx, millis, topic)
	}
	if err = errors.Join(err, listed.Error()); err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	for partition := range int32(partitions) {
		one, _ := listed.Lookup(topic, partition)
		found[partition] = one.Offset
	}
	return found, nil
}

func (p *program) produce(c session.Call) (string, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(p.bootstrap), kgo.ProducerBatchCompression(codecs[c.Option("codec", "none")]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20 * time.Millisecond), kgo.AllowAutoTopicCreation(),
		kgo.UnknownTopicRetries(3),
	}
	if c.Option("idempotent", "no") == "no" {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	if c.Number("size") > 0 {
		options = append(options, kgo.ProducerBatchMaxBytes(session.RequestBytes))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return "", err
	}
	defer client.Close()
	var lock sync.Mutex
	var failed error
	_ = session.Records(p.pool, c, func(r session.Record) error {
		record := &kgo.Record{Topic: c.Args[0], Partition: r.Partition, Key: r.Key, Value: r.Value}
		for _, header := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				lock.Lock()
				failed = err
				lock.Unlock()
			}
		})
		return nil
	})
	if err := client.Flush(ctx); err != nil {
		return "", err
	}
	lock.Lock()
	defer lock.Unlock()
	return c.Args[1], failed
}

func (p *program) consume(c session.Call, topic string, more ...kgo.Opt) (string, error) {
	p.leave(c)
	isolation := kgo.ReadUncommitted()
	if c.Option("isolation", "") == "read_committed" {
		isolation = kgo.ReadCommitted()
	}
	options := append(
		more, kgo.SeedBrokers(p.bootstrap), kgo.FetchMaxBytes(session.FetchBytes), kgo.FetchMaxPartitionBytes(session.FetchPartitionBytes),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.FetchIsolationLevel(isolation),
	)
	var err error
	p.topic = topic
	p.consumer, err = kgo.NewClient(options...)
	if err != nil {
		return "", err
	}
	p.reader.Poll = func(ctx context.Context, limit int) ([]session.Record, error) {
		fetches := p.consumer.PollRecords(ctx, limit)
		records := []session.Record{}
		fetches.EachRecord(func(r *kgo.Record) {
			record := session.Record{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value}
			for _, header := range r.Headers {
				record.Headers = append(record.Headers, session.Header{Name: header.Key, Value: header.Value})
			}
			records = append(records, record)
		})
		return records, fetches.Err()
	}
	return "", nil
}

func (p *program) assign(c session.Call) (string, error) {
	starts, err := p.at(c.Args[0], c.Int(1), c.Args[2])
	if err != nil {
		return "", err
	}
	places := map[int32]kgo.Offset{}
	for partition, offset := range starts {
		places[partition] = kgo.NewOffset().At(offset)
	}
	return p.consume(c, c.Args[0], kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Args[0]: places}))
}

func (p *program) join(c session.Call) (string, error) {
	balancers := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	lost := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		p.reader.Lost(partitions[c.Args[1]])
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(c.Args[0]), kgo.ConsumeTopics(c.Args[1]), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.SessionTimeout(10 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			p.reader.Gained(partitions[c.Args[1]])
		}),
		kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost),
	}
	if balancer, named := balancers[c.Args[2]]; named {
		options = append(options, kgo.Balancers(balancer))
	}
	return p.consume(c, c.Args[1], options...)
}

func (p *program) commit(session.Call) (string, error) {
	offsets := map[int32]kgo.EpochOffset{}
	for partition, offset := range p.reader.Next() {
		offsets[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	var failed error
	p.consumer.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{p.topic: offsets}, func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error,
	) {
		if failed = err; err != nil {
			return
		}
		for _, topic := range answer.Topics {
			for _, partition := range topic.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(partition.ErrorCode))
			}
		}
	})
	return "", failed
}

func (p *program) committed(c session.Call) (string, error) {
	answers, err := p.admin.FetchOffsets(ctx, c.Args[0])
	if err = errors.Join(err, answers.Error()); err != nil {
		return "", err
	}
	found := map[int32]int64{}
	for partition := range int32(c.Int(2)) {
		found[partition] = -1
		if one, there := answers.Lookup(c.Args[1], partition); there {
			found[partition] = one.At
		}
	}
	return session.Pairs(found), nil
}

func (p *program) leave(session.Call) (string, error) {
	if p.consumer != nil {
		p.consumer.Close()
	}
	p.consumer = nil
	p.reader = session.NewReader()
	return "", nil
}
