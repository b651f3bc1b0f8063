// Package indexfile keeps what takes minutes to find out about data in a file: beside
// the data, or in the cache folder of the user where the data is read-only.
package indexfile
