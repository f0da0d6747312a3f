package main

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	joining = 0
	leaving = -1
)

// runConsumer is a member of a consumer group (KIP-848): it tells what it owns and is told what to own.
func (m *member) runConsumer() {
	m.id, m.generation = newMemberID(), joining
	var owned []int32
	beat := time.NewTimer(m.phase())
	defer beat.Stop()
	for {
		answer := m.heartbeat(owned)
		// What was assigned is taken at once and told at once.
		for answer.Assignment != nil {
			owned = []int32{}
			for _, topic := range answer.Assignment.Topics {
				owned = append(owned, topic.Partitions...)
			}
			answer = m.heartbeat(owned)
		}
		m.stage.report(m.at, standing{m.generation, len(owned)})
		select {
		case as := <-m.leaves:
			if m.depart(as, m.leaveConsumer) {
				return
			}
			m.id, m.generation, owned = newMemberID(), joining, nil
		case <-beat.C:
			beat.Reset(m.pause)
		}
	}
}

// heartbeat joins, goes on or leaves, as the member's epoch says.
func (m *member) heartbeat(owned []int32) *kmsg.ConsumerGroupHeartbeatResponse {
	request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	request.Version = 1
	for begun := time.Now(); ; {
		request.Group, request.MemberID, request.MemberEpoch = m.group, m.id, m.generation
		request.RebalanceTimeoutMillis, request.SubscribedTopicNames, request.Topics = -1, nil, nil
		if m.generation == joining {
			request.RebalanceTimeoutMillis, request.SubscribedTopicNames = rebalanceTimeoutMs, []string{m.topic}
			request.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		} else if owned != nil {
			topic := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			topic.TopicID, topic.Partitions = m.topicID, owned
			request.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{topic}
		}
		answer := m.ask(request).(*kmsg.ConsumerGroupHeartbeatResponse)
		switch code := answer.ErrorCode; {
		case code == 0:
			m.generation = answer.MemberEpoch
			return answer
		case code == fencedMemberEpoch || code == unknownMember:
			m.generation, owned = joining, nil
		case passes(code) && time.Since(begun) < patience:
			time.Sleep(retryPause)
		default:
			fail("ConsumerGroupHeartbeat of %s: error %d", m.group, code)
		}
	}
}

func (m *member) leaveConsumer() {
	m.generation = leaving
	m.heartbeat(nil)
}

func newMemberID() string {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		fail("%v", err)
	}
	return base64.RawURLEncoding.EncodeToString(id)
}
