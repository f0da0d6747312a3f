// Moves records from one topic to another exactly once, as one of several workers of a group, and aborts one transaction
// in five on purpose. Twin of java/Worker.java, which tells more.
//
//	franz-go-worker BOOTSTRAP FROM TO GROUP TRANSACTIONAL-ID PROTOCOL RECORDS PAUSE-MS
package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	if err := work(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(args []string) error {
	stopping, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	to := args[3]
	most, pause := number(args[7]), time.Duration(number(args[8]))*time.Millisecond
	session, err := kgo.NewGroupTransactSession(options(args)...)
	if err != nil {
		return err
	}
	defer session.Close()
	for stopping.Err() == nil {
		fetches := session.PollRecords(stopping, most)
		records := fetches.Records()
		if len(records) == 0 {
			continue
		}
		if err := move(session, to, records, pause); err != nil {
			return err
		}
	}
	return nil
}

func options(args []string) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(args[1]), kgo.ConsumeTopics(args[2]), kgo.ConsumerGroup(args[4]), kgo.TransactionalID(args[5]),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200 * time.Millisecond),
		// A killed worker is to be missed before the broker is killed again.
		kgo.SessionTimeout(2500 * time.Millisecond), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.RequestTimeoutOverhead(5 * time.Second), kgo.RequestRetries(1000),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}
	if args[6] == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return options
}

func move(session *kgo.GroupTransactSession, to string, records []*kgo.Record, pause time.Duration) error {
	background := context.Background()
	aborts := rand.Intn(5) == 0
	if err := session.Begin(); err != nil {
		return err
	}
	var failed atomic.Bool
	for _, record := range records {
		value := append([]byte("done "), record.Value...)
		if aborts {
			value = []byte("aborted")
		}
		session.Produce(background, &kgo.Record{Topic: to, Key: record.Key, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(true)
			}
		})
	}
	time.Sleep(pause)
	if !aborts {
		if err := session.Client().Flush(background); err != nil {
			return err
		}
	}
	committed, err := session.End(background, kgo.TransactionEndTry(!aborts && !failed.Load()))
	if err != nil {
		return err
	}
	switch {
	case committed:
		fmt.Println("commit", len(records))
	case aborts:
		fmt.Println("abort", len(records))
	default:
		fmt.Println("refused a rebalance or a failed record")
	}
	return nil
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return value
}
