package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	recordBytes           = 1024
	partitionsATurn       = 4
	recordsAPartition     = 25
	recordsATransaction   = partitionsATurn * recordsAPartition
	transactionTimeoutMs  = 60000
	producedAcksTimeoutMs = 30000
)

// transactions has each connection write transaction after transaction, as kafka-clients 4 does (KIP-890): partitions are added
// by the produce request, and every end raises the epoch.
func transactions(o options) map[string]any {
	dial(o.broker).create(o.topic, o.partitions, nil)
	var done, waits atomic.Int64
	for i := range o.connections {
		go producer{dial(o.broker), fmt.Sprintf("%s-%d", o.topic, i), o, &waits}.run(&done)
	}
	time.Sleep(o.warmUp)
	begun, before, waitsBefore := now(o.pid), done.Load(), waits.Load()
	time.Sleep(o.seconds)
	seconds, cpu := begun.since()
	ended := float64(done.Load() - before)
	if ended == 0 {
		fail("no transaction ended")
	}
	return map[string]any{
		"transactions a second": ended / seconds, "records a second": ended * recordsATransaction / seconds,
		"CPU ms a transaction": cpu * 1000 / ended, "retries a transaction": float64(waits.Load()-waitsBefore) / ended,
	}
}

type producer struct {
	*conn
	id string
	options
	waits *atomic.Int64
}

func (p producer) run(done *atomic.Int64) {
	p.find(coordinatorOfTransaction, p.id)
	id, epoch := p.init()
	records := make([]record, recordsAPartition)
	for i := range records {
		records[i].value = noise(recordBytes)
	}
	encoded := batch(records, transactional, time.Now().UnixMilli())
	for {
		produceAs(encoded, id, epoch)
		p.produce(encoded)
		id, epoch = p.end(id, epoch)
		done.Add(1)
	}
}

func (p producer) init() (id int64, epoch int16) {
	until("InitProducerId", func() int16 {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.Version = 5
		request.TransactionalID, request.TransactionTimeoutMillis = &p.id, transactionTimeoutMs
		answer := p.ask(request).(*kmsg.InitProducerIDResponse)
		id, epoch = answer.ProducerID, answer.ProducerEpoch
		return answer.ErrorCode
	})
	return id, epoch
}

func (p producer) produce(encoded []byte) {
	request := kmsg.NewPtrProduceRequest()
	request.Version = 12
	request.TransactionID, request.Acks, request.TimeoutMillis = &p.id, -1, producedAcksTimeoutMs
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = p.topic
	for _, index := range rand.Perm(p.partitions)[:partitionsATurn] {
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Partition, partition.Records = int32(index), encoded
		topic.Partitions = append(topic.Partitions, partition)
	}
	for begun := time.Now(); len(topic.Partitions) > 0; {
		request.Topics = []kmsg.ProduceRequestTopic{topic}
		var again []kmsg.ProduceRequestTopicPartition
		for _, answer := range p.ask(request).(*kmsg.ProduceResponse).Topics[0].Partitions {
			switch {
			case answer.ErrorCode == 0:
			case passes(answer.ErrorCode) && time.Since(begun) < patience:
				partition := kmsg.NewProduceRequestTopicPartition()
				partition.Partition, partition.Records = answer.Partition, encoded
				again = append(again, partition)
			default:
				fail("%s: produce to %d: error %d", p.id, answer.Partition, answer.ErrorCode)
			}
		}
		if topic.Partitions = again; len(again) > 0 {
			p.waits.Add(1)
			time.Sleep(retryPause)
		}
	}
}

func (p producer) end(id int64, epoch int16) (int64, int16) {
	var answer *kmsg.EndTxnResponse
	until("EndTxn", func() int16 {
		request := kmsg.NewPtrEndTxnRequest()
		request.Version = 5
		request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Commit = p.id, id, epoch, true
		answer = p.ask(request).(*kmsg.EndTxnResponse)
		return answer.ErrorCode
	})
	return answer.ProducerID, answer.ProducerEpoch
}
