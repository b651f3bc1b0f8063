package pretext

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"unnas/internal/quota"
)

// A stream reads a file into memory on demand.
type stream struct {
	ctx  context.Context
	r    io.Reader
	file []byte // bytes read so far
	size int64  // of the file, 0 if not known
	most int    // limit of the bytes read
	err  error  // the end: io.EOF, or the error of r
}

// errTooLarge reports a file that exceeds maxFile.
var errTooLarge = invalid("image file of more than %d bytes; shrink it", maxFile)

// errTooFar reports a read beyond the current limit of a stream.
var errTooFar = errors.New("the file is too large")

func newStream(ctx context.Context, r io.Reader) *stream {
	s := &stream{ctx: ctx, r: r}
	switch r := r.(type) {
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := r.Stat(); err == nil {
			s.size = info.Size()
		}
	case interface{ Len() int }:
		s.size = int64(r.Len())
	}
	return s
}

// fill reads until the first n bytes of the file are in memory.
func (s *stream) fill(n int) error {
	for len(s.file) < n && s.err == nil {
		if n > s.most {
			return errTooFar
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if len(s.file) == cap(s.file) {
			s.file = slices.Grow(s.file, 1<<12)
		}
		var read int
		read, s.err = s.r.Read(s.file[len(s.file):min(cap(s.file), s.most)])
		s.file = s.file[:len(s.file)+read]
	}
	if len(s.file) >= n {
		return nil
	}
	return s.err
}

// load checks the size of the image, waits until decoding it fits in memory, and reads the
// rest of the file. release frees the memory quota, unless the context does so later.
func (s *stream) load(width, height int, bytes int64) (release func(), err error) {
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	if s.size > maxFile {
		return nil, errTooLarge
	}
	if bytes > maxMemory {
		return nil, invalid("image of %d by %d pixels takes %d bytes to decode, want at most %d; save it without progression, or smaller", width, height, bytes, maxMemory)
	}
	if release, err = quota.Take(s.ctx, bytes+max(s.size, int64(len(s.file)))); err != nil {
		return nil, err
	}
	if err := s.all(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// all reads the rest of the file.
func (s *stream) all() error {
	s.file = slices.Grow(s.file, max(0, int(s.size)+1-len(s.file))) // one more, to see the end
	s.most = maxFile + 1
	err := s.fill(maxFile + 1)
	switch {
	case err == nil || errors.Is(err, errTooFar):
		return errTooLarge
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// ErrInvalidImage is the error of Decode for the contents of a file: not an image, damaged,
// or over a limit. Other errors are those of the reader and of the context.
var ErrInvalidImage = errors.New("invalid image")

// invalidImage is an error that is also ErrInvalidImage.
type invalidImage struct{ error }

func (e invalidImage) Unwrap() []error { return []error{e.error, ErrInvalidImage} }

func invalid(format string, args ...any) error { return invalidImage{fmt.Errorf(format, args...)} }
