// Package quota limits the temporary memory of several goroutines together.
package quota
