// Package irtest is a kit for tests of executors: a list of all operators with data for
// them, and programs of random networks.
package irtest
