// Package picture writes what is drawn on a canvas of gonum's vg as SVG, PNG, PDF
// and GIF. Equal drawings give equal bytes, whenever they are written.
package picture
