// Package picture writes what is drawn on a canvas of gonum's vg as SVG, PNG and
// PDF. Equal drawings give equal bytes, on every machine and at any time.
package picture
