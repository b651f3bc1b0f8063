package pickle

import "io"

// How files of torch.save begin: a zip archive with the pickle data.pkl, or, before
// PyTorch 1.6, the pickle of a magic number, which more pickles follow.
const (
	zipMagic   = "PK\x03\x04"
	torchMagic = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
)

// IsTorchZip reports whether a file may be of torch.save since PyTorch 1.6: a zip archive.
func IsTorchZip(r io.ReaderAt) bool { return begins(r, zipMagic) }

// IsTorchPickles reports whether a file is of torch.save before PyTorch 1.6. Its pickles
// begin at TorchPickles: a version, sizes of types, and the object.
func IsTorchPickles(r io.ReaderAt) bool { return begins(r, torchMagic) }

// TorchPickles is the number of bytes before the pickles of IsTorchPickles.
const TorchPickles = int64(len(torchMagic))

func begins(r io.ReaderAt, magic string) bool {
	b := make([]byte, len(magic))
	n, _ := r.ReadAt(b, 0)
	return n == len(b) && string(b) == magic
}
