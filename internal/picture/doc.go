// Package picture writes drawings on a canvas of gonum's vg as SVG, PNG, PDF and GIF.
// Equal drawings give equal bytes at any time.
package picture
