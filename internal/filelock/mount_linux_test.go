package filelock

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLocalLocks(t *testing.T) {
	const mounts = `22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
90 22 0:51 / /mnt/none rw,relatime shared:49 - nfs4 server:/a rw,vers=4.2,local_lock=none,addr=10.0.0.1
91 22 0:52 / /mnt/nolock rw,relatime shared:50 - nfs server:/b rw,vers=3,nolock,local_lock=all,addr=10.0.0.1
92 22 0:53 / /mnt/flock rw,relatime - nfs4 server:/c rw,local_lock=flock
93 22 0:54 / /mnt/posix rw,relatime - nfs4 server:/c rw,local_lock=posix
94 22 0:55 /sub /mnt/lustre rw - lustre mgs@tcp:/scratch rw,flock,lazystatfs
95 22 0:56 /sub /mnt/local\040lustre rw - lustre mgs@tcp:/scratch rw,localflock
short line - nfs
`
	for name, c := range map[string]struct {
		minor uint32
		want  string
	}{
		"locks of the server":       {51, ""},
		"no locks":                  {52, "nolock"},
		"flock on this machine":     {53, "local_lock=flock"},
		"fcntl on this machine":     {54, ""},
		"Lustre with locks":         {55, ""},
		"Lustre on this machine":    {56, "localflock"},
		"a device that is no mount": {99, ""},
	} {
		assert.Equal(t, c.want, localLocks([]byte(mounts), 0, c.minor), name)
	}
	assert.Empty(t, localLocks([]byte(mounts), 259, 2))
}
