package mpi

import (
	"errors"
	"os"

	"unnas/darts"
)

// Run joins the job of the launcher as Start does, calls f, and leaves the job. If f fails
// on any rank, all ranks end: Run returns the error on rank 0, where the text of another
// rank's error begins with its number, and the other ranks exit without a message. Without
// a launcher Run returns the error of f.
func Run(f func(c *Comm) error) error {
	c, err := Start()
	if err != nil {
		return err
	}
	err = errors.Join(darts.Agree(c, f(c)), c.Close())
	if err != nil && c.Rank() > 0 {
		os.Exit(1)
	}
	return err
}
