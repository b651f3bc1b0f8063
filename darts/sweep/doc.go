// Package sweep runs many independent jobs, such as the thousands of trainings of an
// experiment, on one machine or on several that share a folder.
//
// A [Manifest] lists the jobs. [Open] stores it in a folder, and [Sweep.Run] runs the
// jobs, or those of one [Shard]. A job is done when the file of its result exists,
// which is written atomically. A program that stops for any reason can be started again
// and continues, and any number of programs may run: each locks the job it runs.
// Failures are recorded and retried a bounded number of times per host; a host on which
// several jobs in a row fail stops, and leaves the jobs to the others.
//
//	s, err := sweep.Open("runs/rankings", manifest)
//	…
//	err = s.Run(ctx, sweep.Options{}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
//		return train(ctx, job.Spec, dir) // dir is the job's work folder, kept if it was interrupted
//	})
//
// [Map] does all of it for jobs of one kind.
//
// The folder has
//
//	manifest.json          the manifest
//	results/NAME.json      the result of a job
//	failures/NAME/HOST-1.json  the error of the first attempt on a host
//	work/NAME              the work folder of a job, until it is done
//	locks/NAME.lock        locked, and touched regularly, by the program that runs the job;
//	                       contains "done" afterwards
//
// The locks are those of the file system, which must support them, unless every program
// has its own shard. Lock files are kept, since an NFS client may not see for a while
// what was written under a lock, but always sees the contents of a locked file.
//
// The package does not depend on package darts, since a job may be anything.
package sweep
