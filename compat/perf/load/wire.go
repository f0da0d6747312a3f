package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Error codes that are answered with another attempt or another step.
const (
	unknownTopicOrPartition  = 3
	leaderNotAvailable       = 5
	notLeader                = 6
	coordinatorLoading       = 14
	coordinatorNotAvailable  = 15
	notCoordinator           = 16
	illegalGeneration        = 22
	unknownMember            = 25
	rebalanceInProgress      = 27
	concurrentTransactions   = 51
	memberIDRequired         = 79
	fencedMemberEpoch        = 110
	retryPause               = 5 * time.Millisecond
	patience                 = 120 * time.Second
	largestAnswer            = 64 << 20
	coordinatorOfGroup       = 0
	coordinatorOfTransaction = 1
)

// A connection with one request in flight.
type conn struct {
	socket      net.Conn
	in          *bufio.Reader
	formatter   *kmsg.RequestFormatter
	correlation int32
	out, answer []byte
}

func dial(broker string) *conn {
	socket, err := net.Dial("tcp", broker)
	if err != nil {
		fail("%v", err)
	}
	return &conn{socket: socket, in: bufio.NewReader(socket), formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("load"))}
}

// ask sends a request of the version it is set to and waits for the answer.
func (c *conn) ask(request kmsg.Request) kmsg.Response {
	length := c.send(request)
	if cap(c.answer) < length {
		c.answer = make([]byte, length)
	}
	body := c.answer[:length]
	if _, err := io.ReadFull(c.in, body); err != nil {
		fail("request %d: %v", request.Key(), err)
	}
	header := 4
	if request.IsFlexible() {
		header = 5 // no broker sets a tagged field in an answer's header
	}
	response := request.ResponseKind()
	if len(body) < header || int32(binary.BigEndian.Uint32(body)) != c.correlation {
		fail("request %d: this is no answer to it", request.Key())
	}
	if err := response.ReadFrom(body[header:]); err != nil {
		fail("request %d: %v", request.Key(), err)
	}
	return response
}

// send sends a request of the version it is set to and answers how long what follows the size of its answer is.
func (c *conn) send(request kmsg.Request) int {
	c.correlation++
	c.out = c.formatter.AppendRequest(c.out[:0], request, c.correlation)
	if err := c.socket.SetDeadline(time.Now().Add(patience)); err != nil {
		fail("%v", err)
	}
	if _, err := c.socket.Write(c.out); err != nil {
		fail("request %d: %v", request.Key(), err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		fail("request %d: %v", request.Key(), err)
	}
	length := int(binary.BigEndian.Uint32(size[:]))
	if length > largestAnswer {
		fail("request %d: an answer of %d bytes", request.Key(), length)
	}
	return length
}

// until repeats an attempt while it answers an error code that passes.
func until(what string, attempt func() int16) {
	for begun := time.Now(); ; time.Sleep(retryPause) {
		code := attempt()
		if code == 0 {
			return
		}
		if !passes(code) || time.Since(begun) > patience {
			fail("%s: error %d", what, code)
		}
	}
}

func passes(code int16) bool {
	switch code {
	case unknownTopicOrPartition, leaderNotAvailable, notLeader, coordinatorLoading, coordinatorNotAvailable, notCoordinator, concurrentTransactions:
		return true
	}
	return false
}

// create makes the topic and waits until all of it is led; it answers the topic's id.
func (c *conn) create(topic string, partitions int, configs map[string]string) [16]byte {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version = 7
	request.TimeoutMillis = 30000
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, int32(partitions), 1
	for key, value := range configs {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		wanted.Configs = append(wanted.Configs, config)
	}
	request.Topics = append(request.Topics, wanted)
	if code := c.ask(request).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
		fail("creating %s: error %d", topic, code)
	}
	var id [16]byte
	until("the leaders of "+topic, func() int16 {
		request := kmsg.NewPtrMetadataRequest()
		request.Version = 12
		named := kmsg.NewMetadataRequestTopic()
		named.Topic = &topic
		request.Topics = append(request.Topics, named)
		answer := c.ask(request).(*kmsg.MetadataResponse).Topics[0]
		if answer.ErrorCode != 0 {
			return answer.ErrorCode
		}
		if len(answer.Partitions) < partitions {
			return leaderNotAvailable
		}
		for _, partition := range answer.Partitions {
			if partition.ErrorCode != 0 {
				return partition.ErrorCode
			}
		}
		id = answer.TopicID
		return 0
	})
	return id
}

// find waits until there is a coordinator for the key, which makes the internal topic where it does not exist.
func (c *conn) find(kind int8, key string) {
	until("the coordinator of "+key, func() int16 {
		request := kmsg.NewPtrFindCoordinatorRequest()
		request.Version = 4
		request.CoordinatorType, request.CoordinatorKeys = kind, []string{key}
		return c.ask(request).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode
	})
}
