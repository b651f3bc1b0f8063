// Package mpi connects the processes of one run, its ranks, over MPI: several sockets and
// machines then search or train together. A launcher starts the ranks, such as mpirun:
//
//	comm, err := mpi.Start() // one rank without a launcher
//	…
//	if err := work(comm); err != nil {
//		comm.Abort(err) // ends all ranks
//	}
//	err = comm.Close() // waits for all ranks
//
// The library is loaded at run time, so building needs neither it nor a C compiler. It is
// that of the launcher's project: of Open MPI 4 or 5, of MPICH 3 or 4 and what is compatible
// with it (Intel MPI, MVAPICH, Cray MPICH), or one of the standard ABI of MPI 5. The
// environment variable UNNAS_MPI names another, by path; UNNAS_MPI=off makes each process one
// rank of its own. Linux and macOS on amd64 and arm64 can load libraries.
//
// Open MPI 4.1.4 and MPICH 4.0.2 were tried, on Linux, started by their launchers and by
// Slurm 22.05, all on one host. The constants of the standard ABI are those of its header; they
// were tried with a library that passes calls on to MPICH, not with one of MPI 5.
//
// MPI makes signal handlers its own in places. Start restores those of Go, so that
// signal.NotifyContext and panics of nil pointers work as ever.
package mpi
