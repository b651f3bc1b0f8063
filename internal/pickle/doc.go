// Package pickle reads the pickles of data sets and weights: protocol 2, with
// dictionaries, lists, tuples, numbers and strings, and the few objects that a caller
// allows by name.
//
// It runs no code of the file. A pickle may only name and call functions of the caller;
// any other name is an error. The memory of values is limited by the size of the file
// and the number of opcodes. A value may contain itself, so callers must limit the
// depth of their traversal.
package pickle
