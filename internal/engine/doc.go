// Package engine builds networks with the head and the loss of a task, plans their
// passes, and runs them on batches, with gradient accumulation over micro-batches. A
// search and a training are steps over an Engine; an Update is what an optimiser does in
// one.
package engine
