// Package indexfile caches information about data that takes minutes to compute in a
// file: beside the data, or in the user's cache directory if the data is read-only.
package indexfile
