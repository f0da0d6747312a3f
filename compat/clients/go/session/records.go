package session

import (
	"bufio"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const part = 1011

// Header of a record; names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// Record as every client sends and reads it; a nil key or value is null.
type Record struct {
	Partition  int32
	Offset     int64
	Key, Value []byte
	Headers    []Header
}

// Records makes what `produce` sends: call is its arguments TOPIC COUNT PARTITIONS and its options.
func Records(pool []byte, call Call, each func(Record) error) error {
	first, size, partitions := call.Number("from"), call.Number("size"), call.Int(2)
	for i := first; i < first+call.Int(1); i++ {
		record := Record{Partition: int32(i % partitions), Headers: []Header{
			{"h", []byte(strconv.Itoa(i))}, {"h", []byte("again")}, {"e", []byte{}},
		}}
		if i%7 != 3 || i%97 == 5 {
			record.Key = []byte("k" + strconv.Itoa(i))
		}
		if size > 0 {
			record.Value = pool[:size]
		} else if i%97 != 5 {
			start := (i * 1031) % (len(pool) - part)
			record.Value = append([]byte(fmt.Sprintf("%012d:", i)), pool[start:start+part]...)
		}
		if err := each(record); err != nil {
			return err
		}
	}
	return nil
}

func (r Record) line() string {
	key, value := "-", "-"
	if r.Key != nil {
		key = "=" + string(r.Key)
	}
	if r.Value != nil {
		value = fmt.Sprintf("=%d:%08x", len(r.Value), crc32.ChecksumIEEE(r.Value))
	}
	headers := []string{}
	for _, header := range r.Headers {
		headers = append(headers, header.Name+"="+string(header.Value))
	}
	return fmt.Sprintf("%d\t%d\t%s\t%s\t%s\n", r.Partition, r.Offset, key, value, strings.Join(headers, ","))
}

// Reader is `read`, and what a member owns and has read.
type Reader struct {
	// Poll waits for records until the context ends, and answers at most so many.
	Poll   func(context.Context, int) ([]Record, error)
	Paused bool

	lock    sync.Mutex
	owned   map[int32]bool
	next    map[int32]int64
	waiting []Record
	woken   chan struct{}
}

// NewReader reads what is delivered, unless it is given another Poll.
func NewReader() *Reader {
	r := &Reader{owned: map[int32]bool{}, next: map[int32]int64{}, woken: make(chan struct{}, 1)}
	r.Poll = r.Delivered
	return r
}

// Read appends a line for each record to the file.
func (r *Reader) Read(call Call) (string, error) {
	count := call.Int(0)
	seconds, err := strconv.ParseFloat(call.Args[1], 64)
	if err != nil {
		return "", err
	}
	file, err := os.OpenFile(call.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
	defer cancel()
	seen := 0
	for seen < count && ctx.Err() == nil {
		if r.Paused {
			<-ctx.Done()
			break
		}
		records, err := r.Poll(ctx, count-seen)
		if err != nil && ctx.Err() == nil {
			return "", err
		}
		for _, record := range records {
			r.lock.Lock()
			r.next[record.Partition] = record.Offset + 1
			r.lock.Unlock()
			out.WriteString(record.line())
		}
		seen += len(records)
	}
	return strconv.Itoa(seen), out.Flush()
}

// Gained and Lost tell of partitions as the group hands them out; Lost forgets what was read of them.
func (r *Reader) Gained(partitions []int32) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, partition := range partitions {
		r.owned[partition] = true
	}
}

func (r *Reader) Lost(partitions []int32) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, partition := range partitions {
		delete(r.owned, partition)
		delete(r.next, partition)
		r.waiting = slices.DeleteFunc(r.waiting, func(record Record) bool { return record.Partition == partition })
	}
}

// Owned gives the group time to rebalance, and answers what is assigned then.
func (r *Reader) Owned(Call) (string, error) {
	time.Sleep(100 * time.Millisecond)
	r.lock.Lock()
	defer r.lock.Unlock()
	partitions := []int{}
	for partition := range r.owned {
		partitions = append(partitions, int(partition))
	}
	sort.Ints(partitions)
	return strings.Trim(fmt.Sprint(partitions), "[]"), nil
}

// Next is the offset to commit for each partition.
func (r *Reader) Next() map[int32]int64 {
	r.lock.Lock()
	defer r.lock.Unlock()
	next := map[int32]int64{}
	for partition, offset := range r.next {
		next[partition] = offset
	}
	return next
}

// Deliver hands a record to `read`; it never blocks, so that a library's own goroutines go on.
func (r *Reader) Deliver(record Record) {
	r.lock.Lock()
	r.waiting = append(r.waiting, record)
	r.lock.Unlock()
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Delivered is a Poll over what was delivered.
func (r *Reader) Delivered(ctx context.Context, limit int) ([]Record, error) {
	for {
		r.lock.Lock()
		taken := min(limit, len(r.waiting))
		records := r.waiting[:taken:taken]
		r.waiting = r.waiting[taken:]
		r.lock.Unlock()
		if taken > 0 {
			return records, nil
		}
		select {
		case <-r.woken:
		case <-ctx.Done():
			return nil, nil
		}
	}
}
