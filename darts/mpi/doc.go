// Package mpi connects the processes of a run over MPI.
package mpi
