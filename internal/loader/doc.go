// Package loader is a data loader: it prefetches the images of a source in batches on
// several goroutines. The contents of a batch depend on the seed, the epoch and the
// index of the batch, not on the number of goroutines.
package loader
