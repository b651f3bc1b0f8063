package dataset

import (
	"encoding/binary"
	"hash/crc32"
)

// SealShard appends the checksum to the head, pixels and table of a shard of n images.
func SealShard(b []byte, n int) []byte {
	table := b[packedHeads:]
	table = table[max(0, len(table)-n*packedEntry):]
	sum := crc32.Update(crc32.Checksum(b[:packedHeads], castagnoli), castagnoli, table)
	return binary.LittleEndian.AppendUint32(b, sum)
}
