// Package atomicfile writes files atomically: readers see either the old or the new
// file, never a part of it.
//
// Checksums and the number of files kept are up to the caller.
package atomicfile
