// Package loader loads the images of a source in batches, ahead of their use and on
// several goroutines. What a batch holds depends on the seed, the epoch and its place
// in it, and not on the number of goroutines.
package loader
