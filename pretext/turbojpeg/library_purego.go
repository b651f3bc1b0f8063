//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package turbojpeg

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// files are the names of the library. Those with a path are Homebrew's, which the
// system does not search.
var files = map[string][]string{
	"linux": {"libturbojpeg.so.0"},
	"darwin": {
		"libturbojpeg.0.dylib",
		"/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.0.dylib",
		"/usr/local/opt/jpeg-turbo/lib/libturbojpeg.0.dylib",
	},
}

// TJPF_RGB, TJPF_CMYK and TJFLAG_ACCURATEDCT of turbojpeg.h.
const (
	formatRGB    = 0
	formatCMYK   = 11
	flagAccurate = 4096
)

// library holds functions of the TurboJPEG API, version 2 and later.
type library struct {
	tjInitDecompress func() uintptr
	tjDestroy        func(handle uintptr) int32

	tjDecompress2 func(handle uintptr, file unsafe.Pointer, size uint, pix unsafe.Pointer, width, pitch, height, format, flags int32) int32
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
		"tjInitDecompress": &l.tjInitDecompress,
		"tjDestroy":        &l.tjDestroy,
		"tjDecompress2":    &l.tjDecompress2,
	} {
		symbol, err := purego.Dlsym(at, name)
		if err != nil {
			return nil, fmt.Errorf("libjpeg-turbo is too old; install version 2 or later: %w", err)
		}
		purego.RegisterFunc(f, symbol)
	}
	giveBack()
	return l.decode, nil
}

// giveBack makes glibc return large blocks to the system when they are freed. Otherwise each
// thread that decoded a large image would keep its memory.
func giveBack() {
	symbol, err := purego.Dlsym(purego.RTLD_DEFAULT, "mallopt")
	if runtime.GOOS != "linux" || err != nil { // another C library
		return
	}
	const mmapThreshold = -3 // M_MMAP_THRESHOLD
	var mallopt func(parameter, value int32) int32
	purego.RegisterFunc(&mallopt, symbol)
	mallopt(mmapThreshold, 1<<20)
}

// decode decodes a file. It returns false if the library reports an error or a warning.
func (l *library) decode(pix, file []byte, width, height, components int) bool {
	if components != 4 {
		return l.decompress(pix, file, width, height, 3, formatRGB)
	}
	inks := make([]byte, 4*width*height)
	if !l.decompress(inks, file, width, height, 4, formatCMYK) {
		return false
	}
	for i := range width * height {
		from, to := (*[4]byte)(inks[4*i:]), (*[3]byte)(pix[3*i:])
		for c := range to { // Adobe stores inks inverted
			to[c] = uint8((int(from[c])*int(from[3]) + 127) / 255)
		}
	}
	return true
}

// decompress fills pix in a format of size bytes per pixel.
func (l *library) decompress(pix, file []byte, width, height, size, format int) bool {
	handle := l.tjInitDecompress() // one per call: handles are not safe for concurrent use
	if handle == 0 {
		return false
	}
	defer l.tjDestroy(handle)
	bad := l.tjDecompress2(handle, unsafe.Pointer(unsafe.SliceData(file)), uint(len(file)), unsafe.Pointer(unsafe.SliceData(pix)),
		int32(width), int32(size*width), int32(height), int32(format), flagAccurate)
	runtime.KeepAlive(file)
	runtime.KeepAlive(pix)
	return bad == 0
}
