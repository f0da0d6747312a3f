// Load for coordinators, disks and many connections: one process, raw requests, as many connections as a case asks for.
//
//	load [flags] transactions | members | commits | fill | compact | commit-many | single | paced | slow
//
// Prints one JSON object: what was reached, and the CPU seconds that the broker took for it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

type options struct {
	broker      string
	pid         int
	topic       string
	partitions  int
	connections int
	seconds     time.Duration
	warmUp      time.Duration
	protocol    string
	groups      int
	members     int
	joins       int
	rebalances  int
	heartbeat   time.Duration
	records     int
	keys        int
}

var cases = map[string]func(options) map[string]any{
	"transactions": transactions,
	"members":      members,
	"commits":      commits,
	"fill":         fill,
	"compact":      compact,
	"commit-many":  commitMany,
	"single":       single,
	"paced":        paced,
	"slow":         slow,
}

func main() {
	var o options
	flag.StringVar(&o.broker, "broker", "", "host:port")
	flag.IntVar(&o.pid, "pid", 0, "the broker's process")
	flag.StringVar(&o.topic, "topic", "", "topic, created here but for paced and slow")
	flag.IntVar(&o.partitions, "partitions", 1, "its partitions")
	flag.IntVar(&o.connections, "connections", 1, "connections with one request in flight each")
	flag.DurationVar(&o.seconds, "time", 8*time.Second, "how long to measure")
	flag.DurationVar(&o.warmUp, "warm-up", 3*time.Second, "how long to run before that")
	flag.StringVar(&o.protocol, "protocol", "classic", "classic or consumer")
	flag.IntVar(&o.groups, "groups", 1, "groups")
	flag.IntVar(&o.members, "members", 1, "members of each group")
	flag.IntVar(&o.joins, "joins", 1, "how often all members join, each time other groups")
	flag.IntVar(&o.rebalances, "rebalances", 1, "how often a member of each group leaves and joins again")
	flag.DurationVar(&o.heartbeat, "heartbeat", 250*time.Millisecond, "between two heartbeats of a member")
	flag.IntVar(&o.records, "records", 1, "records to write")
	flag.IntVar(&o.keys, "keys", 1, "different keys in them")
	flag.Parse()
	run, known := cases[flag.Arg(0)]
	if !known {
		fail("no case %q", flag.Arg(0))
	}
	if err := json.NewEncoder(os.Stdout).Encode(run(o)); err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "load: "+format+"\n", arguments...)
	os.Exit(1)
}
