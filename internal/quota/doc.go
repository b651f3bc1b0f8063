// Package quota bounds the memory that goroutines take together for a while.
package quota
