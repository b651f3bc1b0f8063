package atomicfile

import "os"

// Fault, unless nil, is called before each operation that changes the disk: "create",
// "write", "sync", "rename", "link", "remove" and "truncate", with the path. Its error
// replaces the operation. Unsynced disables syncing. Both are for tests of full disks
// and killed processes, and of anything except power failures; they must not be set
// while files are written.
var (
	Fault    func(operation, path string) error
	Unsynced bool
)

func fault(operation, path string) error {
	if Fault == nil {
		return nil
	}
	return Fault(operation, path)
}

// File is an *os.File whose writes, syncs and truncations call Fault.
type File struct{ *os.File }

// Write is os.File.Write.
func (f File) Write(b []byte) (int, error) {
	if err := fault("write", f.Name()); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

// Sync is os.File.Sync, unless Unsynced.
func (f File) Sync() error {
	if err := fault("sync", f.Name()); err != nil || Unsynced {
		return err
	}
	return f.File.Sync()
}

// Truncate is os.File.Truncate.
func (f File) Truncate(size int64) error {
	if err := fault("truncate", f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// OpenFile is os.OpenFile.
func OpenFile(path string, flag int, perm os.FileMode) (File, error) {
	if flag&os.O_CREATE != 0 {
		if err := fault("create", path); err != nil {
			return File{}, err
		}
	}
	f, err := os.OpenFile(path, flag, perm)
	return File{f}, err
}

// Remove is os.Remove.
func Remove(path string) error {
	if err := fault("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}
