// Package pickle reads the pickles that data sets and weights come in: of
// protocol 2, made of dictionaries, lists, tuples, numbers and text, and of the
// few objects that a caller allows by name.
//
// It runs no code of the file. What a pickle may name and call are functions of
// the caller; any other name is refused. The memory that values take is bounded by
// the size of the file and by a number of opcodes, and a value that holds itself is
// built as it is, so whoever walks values must not go deeper than they know the
// file to be.
package pickle
