// Package turbojpeg decodes JPEG files with libjpeg-turbo, several times faster
// than in Go and with the pixels that Python programs see through OpenCV and
// Pillow. A program that wants it calls [Use] before it loads images.
//
// The library is looked for when the program runs, so nothing is needed to build
// it, not even a C compiler. Debian and Ubuntu have it in the package
// libturbojpeg0 or libturbojpeg, Homebrew in jpeg-turbo.
package turbojpeg
