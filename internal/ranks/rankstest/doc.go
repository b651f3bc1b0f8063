// Package rankstest connects ranks that are goroutines of one process, for tests.
package rankstest
