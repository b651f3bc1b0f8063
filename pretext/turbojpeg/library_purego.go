//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package turbojpeg

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// files are the names of the library. Those with a path are where Homebrew keeps
// it, which the system does not search.
var files = map[string][]string{
	"linux": {"libturbojpeg.so.0"},
	"darwin": {
		"libturbojpeg.0.dylib",
		"/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.0.dylib",
		"/usr/local/opt/jpeg-turbo/lib/libturbojpeg.0.dylib",
	},
}

// What the library's header, turbojpeg.h, calls TJCS_YCbCr, TJCS_GRAY, TJPF_RGB
// and TJFLAG_ACCURATEDCT.
const (
	spaceYCbCr   = 1
	spaceGrey    = 2
	formatRGB    = 0
	flagAccurate = 4096
)

// library holds functions of the TurboJPEG API. Those of version 2 are in all
// later versions too.
type library struct {
	tjInitDecompress func() uintptr
	tjDestroy        func(handle uintptr) int32

	tjDecompressHeader3 func(handle uintptr, file unsafe.Pointer, size uint, width, height, sampling, space unsafe.Pointer) int32
	tjDecompress2       func(handle uintptr, file unsafe.Pointer, size uint, pix unsafe.Pointer, width, pitch, height, format, flags int32) int32
}

// open loads the library.
func open() (decoder, error) {
	var at uintptr
	var err error
	for _, name := range files[runtime.GOOS] {
		if at, err = purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("libjpeg-turbo is not installed; install libturbojpeg0 (Debian), libturbojpeg (Ubuntu) or jpeg-turbo (Homebrew): %w", err)
	}
	l := &library{}
	for name, f := range map[string]any{
		"tjInitDecompress":    &l.tjInitDecompress,
		"tjDestroy":           &l.tjDestroy,
		"tjDecompressHeader3": &l.tjDecompressHeader3,
		"tjDecompress2":       &l.tjDecompress2,
	} {
		symbol, err := purego.Dlsym(at, name)
		if err != nil {
			return nil, fmt.Errorf("libjpeg-turbo is too old; install version 2 or later: %w", err)
		}
		purego.RegisterFunc(f, symbol)
	}
	return l.decode, nil
}

// decode decodes files whose colours are grey or YCbCr. It returns false for
// others, and if the library has anything to say against the file.
func (l *library) decode(pix, file []byte, width, height int) bool {
	handle := l.tjInitDecompress() // for this call alone: handles are not for many threads
	if handle == 0 {
		return false
	}
	defer l.tjDestroy(handle)
	from, size := unsafe.Pointer(unsafe.SliceData(file)), uint(len(file))
	var found struct{ width, height, sampling, space int32 }
	if l.tjDecompressHeader3(handle, from, size, unsafe.Pointer(&found.width), unsafe.Pointer(&found.height),
		unsafe.Pointer(&found.sampling), unsafe.Pointer(&found.space)) != 0 {
		return false
	}
	if int(found.width) != width || int(found.height) != height || found.space != spaceYCbCr && found.space != spaceGrey {
		return false
	}
	bad := l.tjDecompress2(handle, from, size, unsafe.Pointer(unsafe.SliceData(pix)), found.width, 3*found.width, found.height, formatRGB, flagAccurate)
	runtime.KeepAlive(file)
	runtime.KeepAlive(pix)
	return bad == 0
}
