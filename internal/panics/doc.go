// Package panics turns recovered panics into errors that keep the stack.
package panics
