package main

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const protocolName = "range"

// runClassic is a member of a classic group: it joins, is told its partitions, and sends heartbeats.
func (m *member) runClassic() {
	m.joinClassic()
	beat := time.NewTimer(m.phase())
	defer beat.Stop()
	for {
		select {
		case as := <-m.leaves:
			if m.depart(as, m.leaveClassic) {
				return
			}
			m.id = ""
			m.joinClassic()
		case <-beat.C:
			beat.Reset(m.pause)
			request := kmsg.NewPtrHeartbeatRequest()
			request.Version = 4
			request.Group, request.Generation, request.MemberID = m.group, m.generation, m.id
			switch code := m.ask(request).(*kmsg.HeartbeatResponse).ErrorCode; {
			case code == 0 || passes(code):
			case code == rebalanceInProgress || code == illegalGeneration:
				m.joinClassic()
			case code == unknownMember:
				m.id = ""
				m.joinClassic()
			default:
				fail("Heartbeat of %s: error %d", m.group, code)
			}
		}
	}
}

// joinClassic repeats JoinGroup and SyncGroup until the member has its partitions.
func (m *member) joinClassic() {
	for begun := time.Now(); time.Since(begun) < patience; {
		answer := m.askToJoin()
		switch code := answer.ErrorCode; {
		case code == 0:
			m.id, m.generation = answer.MemberID, answer.Generation
			if owned, told := m.sync(answer); told {
				m.stage.report(m.at, standing{m.generation, owned})
				return
			}
		case code == memberIDRequired:
			m.id = answer.MemberID
		case code == unknownMember:
			m.id = ""
		case passes(code):
			time.Sleep(retryPause)
		default:
			fail("JoinGroup of %s: error %d", m.group, code)
		}
	}
	fail("%s could not be joined", m.group)
}

func (m *member) askToJoin() *kmsg.JoinGroupResponse {
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Version, subscription.Topics = 1, []string{m.topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = protocolName, subscription.AppendTo(nil)
	request := kmsg.NewPtrJoinGroupRequest()
	request.Version = 9
	request.Group, request.MemberID, request.ProtocolType = m.group, m.id, "consumer"
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = sessionTimeoutMs, rebalanceTimeoutMs
	request.Protocols = append(request.Protocols, protocol)
	return m.ask(request).(*kmsg.JoinGroupResponse)
}

// sync answers how many partitions the member got; not told if the group rebalances again.
func (m *member) sync(joined *kmsg.JoinGroupResponse) (owned int, told bool) {
	kind, name := "consumer", protocolName
	request := kmsg.NewPtrSyncGroupRequest()
	request.Version = 5
	request.Group, request.Generation, request.MemberID = m.group, m.generation, m.id
	request.ProtocolType, request.Protocol = &kind, &name
	if joined.LeaderID == m.id {
		request.GroupAssignment = m.share(joined.Members)
	}
	answer := m.ask(request).(*kmsg.SyncGroupResponse)
	switch code := answer.ErrorCode; {
	case code == 0:
	case code == rebalanceInProgress || code == illegalGeneration || passes(code):
		return 0, false
	case code == unknownMember:
		m.id = ""
		return 0, false
	default:
		fail("SyncGroup of %s: error %d", m.group, code)
	}
	assignment := kmsg.NewConsumerMemberAssignment()
	if err := assignment.ReadFrom(answer.MemberAssignment); err != nil {
		fail("SyncGroup of %s: %v", m.group, err)
	}
	for _, topic := range assignment.Topics {
		owned += len(topic.Partitions)
	}
	return owned, true
}

// share deals the partitions out, one after the other.
func (m *member) share(to []kmsg.JoinGroupResponseMember) []kmsg.SyncGroupRequestGroupAssignment {
	assignments := make([]kmsg.SyncGroupRequestGroupAssignment, 0, len(to))
	for i, one := range to {
		topic := kmsg.NewConsumerMemberAssignmentTopic()
		topic.Topic = m.topic
		for partition := i; partition < m.partitions; partition += len(to) {
			topic.Partitions = append(topic.Partitions, int32(partition))
		}
		assignment := kmsg.NewConsumerMemberAssignment()
		assignment.Version, assignment.Topics = 1, append(assignment.Topics, topic)
		entry := kmsg.NewSyncGroupRequestGroupAssignment()
		entry.MemberID, entry.MemberAssignment = one.MemberID, assignment.AppendTo(nil)
		assignments = append(assignments, entry)
	}
	return assignments
}

func (m *member) leaveClassic() {
	leaver := kmsg.NewLeaveGroupRequestMember()
	leaver.MemberID = m.id
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Version = 5
	request.Group, request.Members = m.group, append(request.Members, leaver)
	if code := m.ask(request).(*kmsg.LeaveGroupResponse).ErrorCode; code != 0 {
		fail("LeaveGroup of %s: error %d", m.group, code)
	}
}
