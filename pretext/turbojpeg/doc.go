// Package turbojpeg decodes JPEG files with libjpeg-turbo, several times faster
// than in Go and with the pixels that Python programs see through OpenCV and
// Pillow. [Decoder] is an option of data sets:
//
//	decoder, err := turbojpeg.Decoder()
//	…
//	images, err := dataset.OpenFolder(ctx, "photos", dataset.All, dataset.Options{Decoder: decoder})
//
// The library is looked for when the program runs, so nothing is needed to build
// it, not even a C compiler. Debian and Ubuntu have it in the package
// libturbojpeg0 or libturbojpeg, Homebrew in jpeg-turbo.
package turbojpeg
