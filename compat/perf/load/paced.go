package main

import (
	"fmt"
	"net"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	pacedRecordBytes = 1024
	pacedEvery       = time.Second
	// What a slow consumer takes at once, and how long it waits then.
	slowPiece, slowPause = 8 << 10, 125 * time.Millisecond
	// More than the sockets between hold.
	slowAnswerBytes   = 4 << 20
	slowReceiveBuffer = 16 << 10
)

// paced has each connection produce one record a second, at a moment of the second that is its own, to a partition that is there
// already. Latencies run from the moment at which the record was due to its acknowledgement.
func paced(o options) map[string]any {
	encoded := batch([]record{{value: noise(pacedRecordBytes)}}, 0, time.Now().UnixMilli())
	connected := make([]*conn, o.connections)
	for at := range connected {
		connected[at] = dial(o.broker)
	}
	start := time.Now().Add(100 * time.Millisecond)
	measured := start.Add(o.warmUp)
	end := measured.Add(o.seconds)
	var all []time.Duration
	var guard sync.Mutex
	var running sync.WaitGroup
	var sent atomic.Int64
	for at, c := range connected {
		running.Go(func() {
			var own []time.Duration
			for due := start.Add(pacedEvery * time.Duration(at) / time.Duration(o.connections)); due.Before(end); due = due.Add(pacedEvery) {
				time.Sleep(time.Until(due))
				c.produceTo(o.topic, int32(at%o.partitions), encoded)
				sent.Add(1)
				if !due.Before(measured) {
					own = append(own, time.Since(due))
				}
			}
			guard.Lock()
			all = append(all, own...)
			guard.Unlock()
		})
	}
	time.Sleep(time.Until(measured))
	fmt.Println("begin")
	running.Wait()
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	figures := map[string]any{"records": len(all), "seconds": o.seconds.Seconds(), "requests": len(all), "all requests": sent.Load()}
	for name, share := range map[string]float64{"p50 ms": 0.5, "p99 ms": 0.99, "p99.9 ms": 0.999, "max ms": 1} {
		figures[name] = float64(all[min(len(all)-1, int(share*float64(len(all))))].Microseconds()) / 1000
	}
	return figures
}

// slow has each connection fetch from the beginning of a partition and take the answer in small pieces with pauses between, again
// and again.
func slow(o options) map[string]any {
	var taken atomic.Int64
	var running sync.WaitGroup
	end := time.Now().Add(o.warmUp + o.seconds)
	for at := range o.connections {
		c := dial(o.broker)
		if err := c.socket.(*net.TCPConn).SetReadBuffer(slowReceiveBuffer); err != nil {
			fail("%v", err)
		}
		running.Go(func() {
			piece := make([]byte, slowPiece)
			var left int
			for time.Now().Before(end) {
				if left == 0 {
					left = c.askSlowly(o.topic, int32(at%o.partitions))
				}
				got, err := c.in.Read(piece[:min(left, slowPiece)])
				if err != nil {
					fail("a slow consumer: %v", err)
				}
				left -= got
				taken.Add(int64(got))
				time.Sleep(slowPause)
			}
		})
	}
	time.Sleep(time.Until(end.Add(-o.seconds)))
	fmt.Println("begin")
	before := taken.Load()
	time.Sleep(time.Until(end))
	bytes := taken.Load() - before
	if bytes == 0 {
		fail("slow consumers got nothing")
	}
	running.Wait()
	return map[string]any{"bytes": bytes, "seconds": o.seconds.Seconds()}
}

// askSlowly sends a fetch from offset 0 and answers how many bytes follow the size of the answer.
func (c *conn) askSlowly(topic string, partition int32) int {
	request := kmsg.NewPtrFetchRequest()
	request.Version = 12
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 500, 1, slowAnswerBytes
	request.SessionEpoch = -1
	of, at := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	at.Partition, at.PartitionMaxBytes = partition, slowAnswerBytes
	of.Topic, of.Partitions = topic, append(of.Partitions, at)
	request.Topics = append(request.Topics, of)
	length := c.send(request)
	if length < slowAnswerBytes/2 {
		fail("a slow consumer was answered %d bytes", length)
	}
	return length
}
