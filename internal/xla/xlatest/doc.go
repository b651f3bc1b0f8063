// Package xlatest is a kit for tests that run programs on the CPU through XLA.
package xlatest
