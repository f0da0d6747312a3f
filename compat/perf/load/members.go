package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	sessionTimeoutMs   = 30000
	rebalanceTimeoutMs = 30000
)

// members lets all members of all groups join at once, and then one of each group leave and join again, some times over. It
// measures until every group is stable: all members have the same generation or epoch, and the same number of partitions.
func members(o options) map[string]any {
	first := dial(o.broker)
	topicID := first.create(o.topic, o.partitions, nil)
	s := newStage(o.groups, o.members, o.partitions/o.members)
	all := make([]*member, 0, o.groups*o.members)
	for group := range o.groups {
		name := fmt.Sprintf("%s-%d", o.topic, group)
		first.find(coordinatorOfGroup, name)
		for index := range o.members {
			all = append(all, &member{
				conn: dial(o.broker), stage: s, at: place{group, index}, group: name, topic: o.topic, topicID: topicID,
				partitions: o.partitions, pause: o.heartbeat, leaves: make(chan *sync.WaitGroup, 1),
			})
		}
	}
	run := (*member).runClassic
	if o.protocol == "consumer" {
		run = (*member).runConsumer
	}
	begun := now(o.pid)
	for _, one := range all {
		go run(one)
	}
	s.await()
	joinSeconds, joinCPU := begun.since()
	var seconds, cpu float64
	for round := range o.rebalances {
		time.Sleep(2 * o.heartbeat) // what follows the last step of the rebalance before is not this one's
		begun := now(o.pid)
		var going sync.WaitGroup
		going.Add(o.groups)
		for group := range o.groups {
			all[group*o.members+round%o.members].leaves <- &going
		}
		going.Wait()
		s.await()
		took, used := begun.since()
		seconds, cpu = seconds+took, cpu+used
	}
	rounds := float64(o.rebalances)
	return map[string]any{
		"join s": joinSeconds, "join CPU s": joinCPU, "rebalance s": seconds / rounds, "rebalance CPU s": cpu / rounds,
	}
}

// One member on a connection of its own.
type member struct {
	*conn
	stage      *stage
	at         place
	group      string
	topic      string
	topicID    [16]byte
	partitions int
	pause      time.Duration
	leaves     chan *sync.WaitGroup
	id         string
	generation int32 // or epoch
}

// goes says that the member is none for now.
func (m *member) goes(going *sync.WaitGroup) {
	m.stage.report(m.at, standing{})
	going.Done()
}

type place struct{ group, member int }

// What a member was told: its generation or epoch, and how many partitions it owns.
type standing struct {
	generation int32
	owned      int
}

// The stage knows which groups are stable.
type stage struct {
	sync.Mutex
	changed   *sync.Cond
	standings [][]standing
	each      int
	stable    []bool
	unstable  int
}

func newStage(groups, members, each int) *stage {
	s := &stage{standings: make([][]standing, groups), each: each, stable: make([]bool, groups), unstable: groups}
	s.changed = sync.NewCond(s)
	for group := range s.standings {
		s.standings[group] = make([]standing, members)
	}
	return s
}

func (s *stage) report(at place, is standing) {
	s.Lock()
	defer s.Unlock()
	group := s.standings[at.group]
	group[at.member] = is
	stable := true
	for _, one := range group {
		stable = stable && one.generation == group[0].generation && one.owned == s.each
	}
	if stable == s.stable[at.group] {
		return
	}
	s.stable[at.group] = stable
	if s.unstable--; !stable {
		s.unstable += 2
	}
	s.changed.Broadcast()
}

func (s *stage) await() {
	late := time.AfterFunc(patience, func() { fail("the groups did not become stable") })
	defer late.Stop()
	s.Lock()
	defer s.Unlock()
	for s.unstable > 0 {
		s.changed.Wait()
	}
}
