//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package turbojpeg

import (
	"fmt"
	"runtime"
)

// open says that there is no way to call the library.
func open() (decoder, error) {
	return nil, fmt.Errorf("cannot call libjpeg-turbo on %s/%s; leave out Use, image/jpeg decodes too", runtime.GOOS, runtime.GOARCH)
}
