package main

import (
	"fmt"
	"math/rand"
	"sync"
	"time"
)

const (
	sessionTimeoutMs   = 30000
	rebalanceTimeoutMs = 30000
)

// members lets all members of all groups join at once, some times over in new groups, and then one of each group leave and join
// again, some times over. It measures until every group is stable: all members have the same generation or epoch, and the same
// number of partitions. All figures are means.
func members(o options) map[string]any {
	topicID := dial(o.broker).create(o.topic, o.partitions, nil)
	var joining, rebalancing mean
	var c *crew
	for join := range o.joins {
		if c != nil {
			c.disband()
		}
		c = gather(o, topicID, join)
		begun := now(o.pid)
		c.join(o.protocol)
		joining.add(begun.since())
	}
	for rebalance := range o.rebalances {
		time.Sleep(2 * o.heartbeat) // what follows the last step of the rebalance before is not this one's
		begun := now(o.pid)
		c.replace(rebalance % o.members)
		rebalancing.add(begun.since())
	}
	return map[string]any{
		"join s": joining.of(joining.seconds), "join CPU s": joining.of(joining.cpu),
		"rebalance s": rebalancing.of(rebalancing.seconds), "rebalance CPU s": rebalancing.of(rebalancing.cpu),
	}
}

type mean struct{ seconds, cpu, count float64 }

func (m *mean) add(seconds, cpu float64) {
	m.seconds, m.cpu, m.count = m.seconds+seconds, m.cpu+cpu, m.count+1
}

func (m *mean) of(sum float64) float64 { return sum / max(m.count, 1) }

// All members of all groups.
type crew struct {
	*stage
	groups [][]*member
}

func gather(o options, topicID [16]byte, join int) *crew {
	c := &crew{newStage(o.groups, o.members, o.partitions/o.members), make([][]*member, o.groups)}
	first := dial(o.broker)
	for group := range c.groups {
		name := fmt.Sprintf("%s-%d-%d", o.topic, join, group)
		first.find(coordinatorOfGroup, name)
		for index := range o.members {
			c.groups[group] = append(c.groups[group], &member{
				conn: dial(o.broker), stage: c.stage, at: place{group, index}, group: name, topic: o.topic, topicID: topicID,
				partitions: o.partitions, pause: o.heartbeat, leaves: make(chan departure, 1),
			})
		}
	}
	return c
}

func (c *crew) join(protocol string) {
	for _, group := range c.groups {
		for _, one := range group {
			if protocol == "consumer" {
				go one.runConsumer()
			} else {
				go one.runClassic()
			}
		}
	}
	c.await()
}

// replace has one member of each group leave and join again.
func (c *crew) replace(index int) {
	var going sync.WaitGroup
	going.Add(len(c.groups))
	for _, group := range c.groups {
		group[index].leaves <- departure{&going, false}
	}
	going.Wait()
	c.await()
}

func (c *crew) disband() {
	var gone sync.WaitGroup
	for _, group := range c.groups {
		gone.Add(len(group))
		for _, one := range group {
			one.leaves <- departure{&gone, true}
		}
	}
	gone.Wait()
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
	leaves     chan departure
	id         string
	generation int32 // or epoch
}

// phase is when a member's first heartbeat is due: members of many processes do not beat in step. Both brokers get the same ones.
func (m *member) phase() time.Duration {
	return time.Duration(rand.New(rand.NewSource(int64(m.at.group)<<16 | int64(m.at.member))).Int63n(int64(m.pause)))
}

// A member is to leave, and to tell: when it is none for now, or when it has left for good.
type departure struct {
	told    *sync.WaitGroup
	forGood bool
}

// depart leaves the group; it answers whether for good.
func (m *member) depart(as departure, leave func()) bool {
	m.stage.report(m.at, standing{})
	if as.forGood {
		defer as.told.Done()
		defer m.socket.Close()
	} else {
		as.told.Done()
	}
	leave()
	return as.forGood
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
