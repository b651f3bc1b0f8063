// Package ir is the intermediate representation of what networks and optimisers compute:
// programs of typed values and steps.
//
// A Step applies an operator to values and makes new ones. An operator is a plain struct
// of attributes that describes what is computed: the shapes of its outputs, its gradient,
// and its cost. How it is computed is the matter of an executor. The operators of this
// package are in files by kind; an operator of another package is any type that
// implements Op.
//
// A Program lists its inputs, its steps in an order in which they can run, its results,
// and its states: values such as running statistics, of which a run makes new ones. All
// random numbers are inputs. Training and evaluation are different programs
// (Evaluable).
//
// Feature maps have the shape [N, H, W, C]. The first output of an operator is the one
// with a gradient.
package ir
