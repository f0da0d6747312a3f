package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const commitPartitions = 10

// commits has each connection commit ten partitions for its group, again and again.
func commits(o options) map[string]any {
	first := dial(o.broker)
	first.create(o.topic, commitPartitions, nil)
	type span struct{ from, to time.Time }
	var measured span
	var running sync.WaitGroup
	stop := time.Now().Add(o.warmUp + o.seconds)
	latencies := make([][]span, o.connections)
	for i := range o.connections {
		group := fmt.Sprintf("%s-%d", o.topic, i%o.groups)
		first.find(coordinatorOfGroup, group)
		c := dial(o.broker)
		running.Go(func() {
			for offset := int64(0); time.Now().Before(stop); offset++ {
				from := time.Now()
				c.commit(group, o.topic, commitPartitions, offset)
				latencies[i] = append(latencies[i], span{from, time.Now()})
			}
		})
	}
	time.Sleep(time.Until(stop.Add(-o.seconds)))
	begun := now(o.pid)
	time.Sleep(time.Until(stop))
	_, cpu := begun.since()
	measured = span{begun.at, time.Now()}
	running.Wait()
	var inside []time.Duration
	for _, of := range latencies {
		for _, one := range of {
			if one.to.After(measured.from) && one.to.Before(measured.to) {
				inside = append(inside, one.to.Sub(one.from))
			}
		}
	}
	if len(inside) == 0 {
		fail("nothing was committed")
	}
	slices.Sort(inside)
	at := func(share float64) float64 { return inside[int(share*float64(len(inside)-1))].Seconds() * 1000 }
	return map[string]any{
		"commits a second": float64(len(inside)) / measured.to.Sub(measured.from).Seconds(),
		"CPU µs a commit":  cpu * 1e6 / float64(len(inside)), "p50 ms": at(0.5), "p99 ms": at(0.99),
	}
}

func (c *conn) commit(group, topic string, partitions int, offset int64) {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Version = 9
	request.Group, request.Generation = group, -1
	committed := kmsg.NewOffsetCommitRequestTopic()
	committed.Topic = topic
	for index := range partitions {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.LeaderEpoch = int32(index), offset, 0
		committed.Partitions = append(committed.Partitions, partition)
	}
	request.Topics = append(request.Topics, committed)
	until("OffsetCommit of "+group, func() int16 {
		for _, topic := range c.ask(request).(*kmsg.OffsetCommitResponse).Topics {
			for _, partition := range topic.Partitions {
				if partition.ErrorCode != 0 {
					return partition.ErrorCode
				}
			}
		}
		return 0
	})
}

// commitMany writes that many committed offsets: each group commits all its partitions again and again.
func commitMany(o options) map[string]any {
	first := dial(o.broker)
	first.create(o.topic, o.partitions, nil)
	var running sync.WaitGroup
	for worker := range o.connections {
		c := dial(o.broker)
		running.Go(func() {
			for group := worker; group < o.groups; group += o.connections {
				name := fmt.Sprintf("%s-%d", o.topic, group)
				c.find(coordinatorOfGroup, name)
				for offset := range o.records / o.groups / o.partitions {
					c.commit(name, o.topic, o.partitions, int64(offset+1))
				}
			}
		})
	}
	running.Wait()
	return map[string]any{"committed last": o.records / o.groups / o.partitions}
}
