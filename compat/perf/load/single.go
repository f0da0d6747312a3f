package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const singleRecordBytes = 100

// single has each connection produce one record after the other to the topic's one partition, each acknowledged by all
// in-sync replicas before the next is sent.
func single(o options) map[string]any {
	dial(o.broker).create(o.topic, 1, nil)
	encoded := batch([]record{{value: noise(singleRecordBytes)}}, 0, time.Now().UnixMilli())
	var done atomic.Int64
	var running sync.WaitGroup
	stop := time.Now().Add(o.warmUp + o.seconds)
	for range o.connections {
		c := dial(o.broker)
		running.Go(func() {
			for time.Now().Before(stop) {
				c.produceTo(o.topic, 0, encoded)
				done.Add(1)
			}
		})
	}
	time.Sleep(time.Until(stop.Add(-o.seconds)))
	begun, before := now(o.pid), done.Load()
	time.Sleep(time.Until(stop))
	seconds, cpu := begun.since()
	produced := float64(done.Load() - before)
	running.Wait()
	if produced == 0 {
		fail("nothing was acknowledged")
	}
	return map[string]any{"records a second": produced / seconds, "CPU µs a record": cpu * 1e6 / produced}
}

func (c *conn) produceTo(topic string, index int32, encoded []byte) {
	request := kmsg.NewPtrProduceRequest()
	request.Version = 12
	request.Acks, request.TimeoutMillis = -1, producedAcksTimeoutMs
	to, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	partition.Partition, partition.Records = index, encoded
	to.Topic, to.Partitions = topic, append(to.Partitions, partition)
	request.Topics = append(request.Topics, to)
	until("Produce", func() int16 {
		return c.ask(request).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	})
}
