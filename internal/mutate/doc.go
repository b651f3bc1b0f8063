// Command mutate breaks the wiring of the library, one line at a time, and reports
// which breaks no test notices.
//
//	go run ./internal/mutate [-run regexp] [-jobs n] [-short]
//
// Tools that mutate every operator of a program make thousands of mutants, most of
// them in arithmetic that reference tests see anyway. These are chosen by hand: each
// swaps, drops or misplaces something that types allow, such as the batch that a pass
// reads or the loss that a weight multiplies. A mutant lives in an overlay of the go
// command, so the working tree stays as it is. The tests must pass without a mutant
// first. A full run takes half an hour on two cores.
package main
