// Package nearest finds what a misspelled name may have meant.
package nearest
