// Package memory tells how much memory there is, so that what cannot fit
// is refused before it is tried.
package memory
