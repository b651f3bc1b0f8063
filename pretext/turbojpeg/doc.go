// Package turbojpeg decodes JPEG files with libjpeg-turbo, several times faster than
// image/jpeg and to the pixels of OpenCV and Pillow. [Decoder] is an option of data sets:
//
//	decoder, err := turbojpeg.Decoder()
//	…
//	images, err := dataset.OpenFolder(ctx, "photos", dataset.All, dataset.Options{Decoder: decoder})
//
// The library is loaded at run time, so building needs neither it nor a C compiler. It is in
// Debian's package libturbojpeg0, Ubuntu's libturbojpeg and Homebrew's jpeg-turbo.
package turbojpeg
