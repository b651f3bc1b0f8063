// Package tfrecord writes and reads TFRecord files, TensorFlow's record format, used by
// event files of TensorBoard and by the table of NAS-Bench-101.
//
// A record is the length of its data (uint64), the checksum of these eight bytes
// (uint32), the data, and the checksum of the data, all little-endian. Checksums are
// masked CRC-32C, so that data with embedded checksums are protected as well.
package tfrecord
