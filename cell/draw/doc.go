// Package draw draws cells of networks as figures for a paper or a page.
//
// A [Cell] is one cell with all its arrows, a [Pair] both cells of a genotype in a
// compact form that makes those of several searches easy to compare, a [Sheet] many
// pairs, and an [Evolution] the pairs of one search after some of its epochs, also as
// an animation. Each is saved in the format of a file's extension:
//
//	g, err := cell.ParseGenotype(text)
//	…
//	err = draw.Pair{Title: "ImageNet-1K, rotation", Genotype: g}.Save("cells.pdf")
//
// Equal figures give equal bytes. Programs that draw nothing leave this package and
// its fonts out.
package draw
