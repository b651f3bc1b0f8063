//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package turbojpeg

import (
	"fmt"
	"runtime"
)

// open returns an error: the library cannot be called here.
func open() (decoder, error) {
	return nil, fmt.Errorf("cannot call libjpeg-turbo on %s/%s; use image/jpeg, the default decoder", runtime.GOOS, runtime.GOARCH)
}
