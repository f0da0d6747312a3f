package main

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	transactional = 1 << 4
	// Where the header of a batch has its fields.
	crcAt, coveredFrom, producerIDAt, producerEpochAt = 17, 21, 43, 51
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type record struct{ key, value []byte }

// batch encodes records, of no producer.
func batch(records []record, attributes int16, timestamp int64) []byte {
	var body []byte
	for i, one := range records {
		encoded := kmsg.Record{OffsetDelta: int32(i), Key: one.key, Value: one.value}
		encoded.Length = lengthOf(encoded)
		body = encoded.AppendTo(body)
	}
	header := kmsg.RecordBatch{
		Length: int32(49 + len(body)), PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes,
		LastOffsetDelta: int32(len(records) - 1), FirstTimestamp: timestamp, MaxTimestamp: timestamp,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(records)), Records: body,
	}
	encoded := header.AppendTo(nil)
	seal(encoded)
	return encoded
}

// lengthOf is the length of what follows a record's own length.
func lengthOf(one kmsg.Record) int32 {
	one.Length = 0
	return int32(len(one.AppendTo(nil)) - 1)
}

// produceAs makes a batch one of a producer's, the first after its epoch was raised.
func produceAs(encoded []byte, id int64, epoch int16) {
	binary.BigEndian.PutUint64(encoded[producerIDAt:], uint64(id))
	binary.BigEndian.PutUint16(encoded[producerEpochAt:], uint16(epoch))
	binary.BigEndian.PutUint32(encoded[producerEpochAt+2:], 0)
	seal(encoded)
}

func seal(encoded []byte) {
	binary.BigEndian.PutUint32(encoded[crcAt:], crc32.Checksum(encoded[coveredFrom:], castagnoli))
}

// noise is text of no pattern.
func noise(length int) []byte {
	text := make([]byte, length)
	for i := range text {
		text[i] = byte('!' + rand.IntN(94))
	}
	return text
}
