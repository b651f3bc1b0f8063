// Package draw draws cells as figures.
//
// A [Cell] is one cell with all its arrows, a [Pair] both cells of a genotype in a
// compact form for comparison, a [Sheet] many pairs, and an [Evolution] the pairs of
// one search after several epochs, also as an animation. Each is saved in the format of
// the file's extension:
//
//	g, err := cell.ParseGenotype(text)
//	…
//	err = draw.Pair{Title: "ImageNet-1K, rotation", Genotype: g}.Save("cells.pdf")
//
// Equal figures give equal bytes. The package is separate from cell so that programs
// without drawings do not link fonts.
package draw
