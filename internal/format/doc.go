// Package format writes numbers as people read them: with units, and no more
// digits than matter.
package format
