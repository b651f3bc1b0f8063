package filelock

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// shared returns ErrUnsupported if other machines that mount the file's folder do not
// see its locks.
func shared(f *os.File) error {
	var stat unix.Stat_t
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || unix.Fstat(int(f.Fd()), &stat) != nil {
		return nil // unknown
	}
	if option := localLocks(mounts, unix.Major(stat.Dev), unix.Minor(stat.Dev)); option != "" {
		return fmt.Errorf("%w (%s: the folder is mounted with %s)", ErrUnsupported, f.Name(), option)
	}
	return nil
}

// local are the mount options of NFS, Lustre and SMB for locks that other machines do
// not see.
var local = []string{"nolock", "local_lock=flock", "local_lock=all", "localflock", "nobrl"}

// localLocks returns the first option in local of a device in the mount table, or "".
// proc_pid_mountinfo(5) describes the table.
func localLocks(mounts []byte, major, minor uint32) string {
	device := fmt.Sprintf("%d:%d", major, minor)
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		mount, super, ok := strings.Cut(lines.Text(), " - ")
		fields, of := strings.Fields(mount), strings.Fields(super)
		if !ok || len(fields) < 3 || fields[2] != device || len(of) < 3 {
			continue
		}
		for _, option := range strings.Split(of[2], ",") {
			if slices.Contains(local, option) {
				return option
			}
		}
	}
	return ""
}
