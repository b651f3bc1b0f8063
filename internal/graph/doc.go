// Package graph joins Gorgonia to the programs of package ir. Nothing below it knows
// Gorgonia.
//
// Apply adds operators to expression graphs: a tuple node computes all outputs, and
// getter nodes select one each. Grad adds gradients by one reverse sweep. Compile turns
// the nodes that others are computed from into a program, which package cpuexec plans.
// Operations of Gorgonia's, or a user's, become steps that call them, one at a time. A
// Machine is a plan with memory. It is a gorgonia.VM.
//
// The values of wanted nodes lie in memory of their own, and stay until a machine in the
// same arena that wants them runs again.
//
// Differs from gorgonia.TapeMachine: values of nodes that are not wanted are not bound,
// gradients do not accumulate over runs, a gorgonia.Read sets its variable to the value
// of the node rather than to a copy, gorgonia.Set is refused, and results do not depend on
// the number of cores.
package graph
