// Package ranks keeps the processes of one run in step. A Group wraps a communicator: it
// votes on errors, gathers data of any length and measures the time that a rank waits for
// others. A group of one needs no communicator and costs nothing.
package ranks
