// Package checkpoint writes and reads the states of a run: a header in JSON, and arrays
// of float32. A Store keeps the newest ones in a directory.
package checkpoint
