package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	recordsABatch = 1000
	valueBytes    = 100
	// Shares no factor with a round number of keys, so that each key comes round equally often.
	stride       = 7919
	segmentBytes = 32 << 20
	topicConfig  = 2
)

// fill writes records whose keys recur into one partition, which nothing is compacted in yet.
func fill(o options) map[string]any {
	dial(o.broker).create(o.topic, 1, map[string]string{"segment.bytes": fmt.Sprint(segmentBytes), "min.cleanable.dirty.ratio": "0.01"})
	begun, value := time.Now(), noise(valueBytes)
	var running sync.WaitGroup
	for worker := range o.connections {
		c := dial(o.broker)
		running.Go(func() {
			for from := worker * recordsABatch; from < o.records; from += o.connections * recordsABatch {
				records := make([]record, min(recordsABatch, o.records-from))
				for i := range records {
					key := int64(from+i) * stride % int64(o.keys)
					records[i] = record{fmt.Appendf(nil, "key-%010d", key), value}
				}
				c.produce(o.topic, batch(records, 0, time.Now().UnixMilli()))
			}
		})
	}
	running.Wait()
	return map[string]any{"records a second": float64(o.records) / time.Since(begun).Seconds()}
}

func (c *conn) produce(topic string, encoded []byte) {
	request := kmsg.NewPtrProduceRequest()
	request.Version = 12
	request.Acks, request.TimeoutMillis = -1, producedAcksTimeoutMs
	wanted, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	partition.Records = encoded
	wanted.Topic, wanted.Partitions = topic, []kmsg.ProduceRequestTopicPartition{partition}
	request.Topics = []kmsg.ProduceRequestTopic{wanted}
	until("produce to "+topic, func() int16 {
		return c.ask(request).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	})
}

// compact lets the cleaner have the topic.
func compact(o options) map[string]any {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Version = 1
	topic, config := kmsg.NewIncrementalAlterConfigsRequestResource(), kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	value := "compact"
	config.Name, config.Value, config.Op = "cleanup.policy", &value, kmsg.IncrementalAlterConfigOpSet
	topic.ResourceType, topic.ResourceName = topicConfig, o.topic
	topic.Configs = append(topic.Configs, config)
	request.Resources = append(request.Resources, topic)
	if code := dial(o.broker).ask(request).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
		fail("configuring %s: error %d", o.topic, code)
	}
	return map[string]any{}
}
