// Package memory reports the memory of the machine, to refuse in advance what cannot fit.
package memory
