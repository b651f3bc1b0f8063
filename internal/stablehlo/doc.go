// Package stablehlo writes programs in the text form of StableHLO
// (https://openxla.org/stablehlo), for XLA.
//
// A Builder is a function under construction: its methods add operations, whose shapes
// they check, and return the Values that these make. Operations without effect on the
// results are left out of the text, and equal operations are one. Only operations that
// StableHLO has had from its first releases are used, since the text form has no promise
// of compatibility.
//
// A method panics if its operands do not fit: that is a bug of the caller.
package stablehlo
