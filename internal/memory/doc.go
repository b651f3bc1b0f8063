// Package memory tells how much memory the machine has, so that what cannot fit
// is refused before it is tried.
package memory
