package mpi

import (
	"errors"
	"os"

	"unnas/darts"
)

// Run joins the job of the launcher as Start does, calls f, and leaves the job. An error of
// f that all ranks know of, as those of runs (darts.RankError), is returned on rank 0; other
// ranks exit without a message. Any other error ends the job with Abort, since the other
// ranks may wait for this one. Without a launcher Run returns the error of f.
func Run(f func(c *Comm) error) error {
	c, err := Start()
	if err != nil {
		return err
	}
	err = f(c)
	if err == nil || c.Size() == 1 {
		return errors.Join(err, c.Close())
	}
	if _, known := darts.RankError(err); !known {
		c.Abort(err)
	}
	if e := c.Close(); e != nil || c.Rank() == 0 {
		return errors.Join(err, e)
	}
	os.Exit(1)
	return nil
}
