// Package tfrecord writes and reads the frames of TFRecord files, TensorFlow's files
// of records: event files of TensorBoard and the table of NAS-Bench-101 are such.
//
// A record is the length of its data (uint64), the checksum of these eight bytes
// (uint32), the data, and theirs, all little-endian. A checksum is the CRC-32C,
// masked, so that data which hold checksums of their own have one that is as good.
package tfrecord
