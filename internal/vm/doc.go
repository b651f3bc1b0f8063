// Package vm runs Gorgonia graphs by a plan made once.
//
// Compile walks back from the wanted nodes, so nothing else is computed; finds
// for every value when it is made and last read; and lays all values into one
// block of memory, re-using what is no longer read. Left folds of additions, as
// users and gorgonia.Grad make them, become one step. Maps that all readers can
// form themselves (graph.Form) take no memory. Steps that read the same map become
// one where their kernels can (graph.Fusible). A plan may also compute maps twice
// rather than keep them (Options.Recompute).
//
// A Machine is a plan with memory. It is a gorgonia.VM. Several machines may
// share an Arena if they never run at the same time. Kernels of this library run
// on all cores and a step of them allocates nothing. Other operations, Gorgonia's or
// a user's, run through their Do method, one at a time.
// The values of wanted nodes lie in memory of their own, and stay until a machine
// in the same arena that wants them runs again.
//
// Differs from gorgonia.TapeMachine: values of nodes that are not wanted are
// not bound, gradients do not accumulate over runs, a gorgonia.Read sets its
// variable to the value of the node rather than to a copy, gorgonia.Set is
// refused, and results do not depend on the number of cores.
package vm
