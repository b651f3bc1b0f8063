// Package xla runs programs (package ir) on devices that XLA compiles for, through a plugin
// (package pjrt).
//
// Compile writes a program as StableHLO (package stablehlo), one function of this package
// for each operator, found by its type in rules. It merges and fuses nothing itself: XLA
// does. A Plan bound to memory is an Executable, which runs as that of package cpuexec
// does. All inputs of a type are one argument, and all results and new values of states one
// result, since each argument costs a microsecond. Inputs that hold a batch of images are
// arguments by themselves, which can be sent before the run (Sent).
//
// A Device may be several, which run replicas of each program at once.
//
// An operator of another package cannot run on a device; Compile refuses it by name.
//
// Numbers are float32, and those of convolutions and products as Options.Precision says.
// Sums are in the order that XLA chooses, so that results equal those of package cpuexec
// but for rounding. Bits are those of one plugin version on one kind of device.
package xla
