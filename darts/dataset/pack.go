package dataset

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"golang.org/x/sync/errgroup"

	"unnas/internal/atomicfile"
	"unnas/internal/filelock"
	"unnas/pretext"
)

// shardImages is the usual number of images in a shard: 270 MB of ImageNet at a shorter
// side of 256 pixels.
const shardImages = 1024

// PackOptions configures [Pack]. The zero value keeps the size of images.
type PackOptions struct {
	Name string // says what the data set is, see PackedName
	// Size is the shorter side in pixels to which larger images are resized; 0 keeps their
	// size. Smaller images are never enlarged.
	Size        int
	Workers     int                     // images decoded at once; 0 is runtime.GOMAXPROCS
	ShardImages int                     // images in a file; 0 is 1024
	Progress    func(done, total int64) // unless nil, called with the number of images written, and in total
}

// Pack writes a data set to the folder dir, which it makes, for [OpenPacked]: images
// decoded and resized, with labels and masks, in shards. ImageNet at a shorter side of 256
// pixels takes 350 GB. Resizing is antialiased (a triangle filter), masks take the nearest
// pixel. The files are the same for any number of workers and on any machine.
//
// Files are written atomically. Packing that was interrupted is resumed by the same call,
// which keeps complete shards. A folder that holds anything else, or another packed data
// set, is an error, as is an image that cannot be loaded.
func Pack(ctx context.Context, src pretext.Source, dir string, o PackOptions) error {
	if err := pack(ctx, src, dir, o); err != nil {
		return fmt.Errorf("dataset: packing into %s: %w", dir, err)
	}
	return nil
}

func pack(ctx context.Context, src pretext.Source, dir string, o PackOptions) (err error) {
	if o.ShardImages == 0 {
		o.ShardImages = shardImages
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Workers < 1 {
		return fmt.Errorf("%d workers, want 0 or more", o.Workers)
	}
	about := Wrapper{src}
	p := packer{src: src, dir: dir, workers: o.Workers, progress: o.Progress, packing: packing{
		Version: packedVersion, Name: o.Name, Images: src.Len(), ShardImages: o.ShardImages, Size: o.Size,
		Decoder: about.Decoder(), Fingerprint: about.Fingerprint(), Classes: about.Classes(),
	}}
	if err := p.validate(); err != nil {
		return err
	}
	text, err := p.encode()
	if err != nil {
		return err
	}
	p.id = identity(text)
	unlock, err := p.prepare(text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for shard := range p.shards() {
		if _, err := p.openShard(shardPath(dir, shard), p.id, shard); err != nil { // it is missing or damaged
			p.missing = append(p.missing, shard)
		} else {
			p.count(p.in(shard))
		}
	}
	return p.run(ctx)
}

// packer packs a data set.
type packer struct {
	packing
	src      pretext.Source
	dir      string
	workers  int
	progress func(done, total int64)
	id       [16]byte
	missing  []int // shards
	done     int   // images
}

// count reports n more images.
func (p *packer) count(n int) {
	p.done += n
	if p.progress != nil {
		p.progress(int64(p.done), int64(p.Images))
	}
}

// packedName matches the names in the folder of a packed data set, also those that a
// killed process leaves.
var packedName = regexp.MustCompile(`^(packed\.json|\d{6,}\.shard|\.(packed\.json|\d{6,}\.shard)\.[0-9a-f]{16}\.tmp)$`)

// prepare makes the folder with packed.json, and locks it. It returns an error if the
// folder holds anything else.
func (p *packer) prepare(text []byte) (unlock func() error, err error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !packedName.MatchString(e.Name()) {
			return nil, fmt.Errorf("the folder holds %s, which does not belong to a packed data set; choose a new or an empty folder", e.Name())
		}
	}
	path := filepath.Join(p.dir, packedFile)
	held, before, err := readPacking(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	case err == nil && !bytes.Equal(before, text):
		err = fmt.Errorf("the folder holds another packed data set (%s); choose another folder, or remove that one", held.differences(p.packing))
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	switch err := filelock.Lock(f); {
	case errors.Is(err, filelock.ErrHeld):
		return nil, errors.Join(fmt.Errorf("another process packs into the folder: %w; wait until it ends", err), f.Close())
	case err != nil && !errors.Is(err, filelock.ErrUnsupported):
		return nil, errors.Join(err, f.Close())
	}
	if err := atomicfile.Sweep(p.dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// loaded is an image or why it could not be loaded.
type loaded struct {
	img   *pretext.Image
	about packedImage
	err   error
}

// job is an image to load.
type job struct {
	image int
	to    chan<- loaded
}

// run writes the missing shards. Workers load images ahead of the goroutine that writes
// them in order, so files and errors do not depend on the number of workers.
func (p *packer) run(ctx context.Context) error {
	jobs := make(chan job)
	ordered := make(chan (<-chan loaded), 2*p.workers)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(jobs)
		return p.dispatch(ctx, jobs, ordered)
	})
	for range p.workers {
		g.Go(func() error {
			for j := range jobs {
				j.to <- p.load(ctx, j.image)
			}
			return nil
		})
	}
	g.Go(func() error {
		for _, shard := range p.missing {
			if err := p.writeShard(ctx, shard, ordered); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// dispatch sends the images of the missing shards to the workers.
func (p *packer) dispatch(ctx context.Context, jobs chan<- job, ordered chan<- (<-chan loaded)) error {
	for _, shard := range p.missing {
		for i := range p.in(shard) {
			to := make(chan loaded, 1)
			select {
			case ordered <- to:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case jobs <- job{shard*p.ShardImages + i, to}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// load loads, resizes and describes an image.
func (p *packer) load(ctx context.Context, i int) (l loaded) {
	if l.img, l.err = p.src.Load(ctx, i); l.err != nil {
		return l
	}
	img := l.img
	if img == nil {
		return loaded{err: fmt.Errorf("image %d: the source returned none", i)}
	}
	if n := img.Width * img.Height; img.Width < 1 || len(img.Pix) != 3*n || img.Mask != nil && len(img.Mask) != n || img.Label < -1 || img.Label > math.MaxInt32 {
		return loaded{err: fmt.Errorf("image %d of %d by %d pixels has %d bytes, a mask of %d and label %d", i, img.Width, img.Height, len(img.Pix), len(img.Mask), img.Label)}
	}
	l.img = shrink(img, p.Size)
	l.about = packedImage{
		Width: uint32(l.img.Width), Height: uint32(l.img.Height), Label: int32(img.Label),
		PixSum: crc32.Checksum(l.img.Pix, castagnoli),
	}
	if l.img.Mask != nil {
		l.about.Masked, l.about.MaskSum = 1, crc32.Checksum(l.img.Mask, castagnoli)
	}
	if err := l.about.check(len(p.Classes)); err != nil {
		return loaded{err: fmt.Errorf("image %d: %w", i, err)}
	}
	return l
}

// writeShard writes a shard of the images that come next.
func (p *packer) writeShard(ctx context.Context, shard int, ordered <-chan (<-chan loaded)) error {
	var failed error // to load, rather than to write
	err := atomicfile.Write(shardPath(p.dir, shard), func(w io.Writer) error {
		head := p.head(p.id, shard)
		if _, err := w.Write(head); err != nil {
			return err
		}
		var table []byte
		for range p.in(shard) {
			l := next(ctx, ordered)
			if failed = l.err; failed != nil {
				return failed
			}
			for _, b := range [][]byte{l.img.Pix, l.img.Mask} {
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			var err error
			if table, err = binary.Append(table, binary.LittleEndian, l.about); err != nil {
				return err
			}
			p.count(1)
		}
		sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, table)
		_, err := w.Write(binary.LittleEndian.AppendUint32(table, sum))
		return err
	})
	if failed != nil {
		return failed
	}
	return err
}

// next returns the image that comes next.
func next(ctx context.Context, ordered <-chan (<-chan loaded)) loaded {
	select {
	case <-ctx.Done():
		return loaded{err: ctx.Err()}
	case from := <-ordered:
		select {
		case <-ctx.Done():
			return loaded{err: ctx.Err()}
		case l := <-from:
			return l
		}
	}
}
