// Package sweep works through many independent jobs, on one machine or on many
// that share a folder: the trainings of an experiment, for example, of which there
// are thousands.
//
// A [Manifest] lists the jobs. [Open] keeps it in a folder, and [Sweep.Run] does
// the jobs, or those of one [Shard]. A job is done when there is a file of its
// result, which is written in one piece; so a program that stops, for whatever
// reason, is started again and goes on, and any number of programs may run. Each
// locks the job that it is at. What fails is recorded and tried again, a bounded
// number of times on each host; a host on which job after job fails stops, and
// leaves them to the others.
//
//	s, err := sweep.Open("runs/rankings", manifest)
//	...
//	err = s.Run(ctx, sweep.Options{}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
//		return train(ctx, job.Spec, dir) // dir is the job's own, and still there if it was interrupted
//	})
//
// [Map] does all of it for jobs of one kind.
//
// The folder holds
//
//	manifest.json          the manifest
//	results/NAME.json      what a job has returned
//	failures/NAME/HOST-1.json  why the first attempt on a host failed
//	work/NAME              its own folder, until it is done
//	locks/NAME.lock        locked, and touched every now and then, by the program that does it;
//	                       "done" once it is
//
// The locks are those of the file system, which must have some, unless every
// program has a shard of its own. They stay, since a client of NFS may not see for
// a while what has been written under a lock, but always sees what is in the
// locked file.
//
// The package lies below darts although it belongs to it, since a job may be
// anything.
package sweep
