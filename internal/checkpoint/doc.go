// Package checkpoint writes and reads checkpoints of a run: a JSON header, and arrays
// of float32. A Store keeps the newest ones in a directory.
package checkpoint
