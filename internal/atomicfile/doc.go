// Package atomicfile writes files that are either the old or the new one, never
// a part of it, whatever happens while they are written.
//
// It knows nothing of what the files hold: checksums and the number of files
// kept are up to the caller.
package atomicfile
