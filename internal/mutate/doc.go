// Command mutate breaks the wiring of the library, one line at a time, and reports the
// breaks that no test detects.
//
//	go run ./internal/mutate [-run regexp] [-jobs n] [-short]
//
// Tools that mutate every operator make thousands of mutants, most of them in
// arithmetic that reference tests cover. These mutants are chosen by hand: each swaps,
// drops or misplaces something that the types allow, such as the batch that a pass
// reads or the loss that a weight multiplies. A mutant lives in an overlay of the go
// command, so the working tree is unchanged. The tests must pass without mutants. A
// full run takes half an hour on two cores.
package main
