package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/pretext"
)

// A packed data set is a folder with a file packed.json and shards 000000.shard, ... A
// shard holds, in little-endian order, a packedHead, the red, green and blue bytes of
// its images, each followed by the bytes of its mask, if it has one, a packedImage for
// each image, and the CRC-32C of the packedHead and all of these.
const (
	packedFile    = "packed.json"
	packedMagic   = "unnaspak"
	packedVersion = 1
	packedHeads   = 32
	packedEntry   = 24
	packedSum     = 4

	maxPackedFile   = 1 << 26 // bytes of packed.json
	maxShardImages  = 1 << 20
	maxPackedSide   = 1 << 16 // of PackOptions.Size
	maxPackedPixels = 1 << 26 // of an image, as pretext decodes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packing is the contents of packed.json.
type packing struct {
	Version     int      `json:"version"`
	Name        string   `json:"name"`         // of the data set
	Images      int      `json:"images"`       // in all shards
	ShardImages int      `json:"shard_images"` // in each shard but the last
	Size        int      `json:"size"`         // shorter side of larger images in pixels; 0: as in the original
	Decoder     string   `json:"decoder"`      // of the original
	Fingerprint string   `json:"fingerprint"`  // of the original
	Classes     []string `json:"classes"`
}

// packedHead begins a shard.
type packedHead struct {
	Magic    [8]byte
	Version  uint32
	Shard    uint32
	Identity [16]byte // of packed.json
}

// packedImage describes an image of a shard.
type packedImage struct {
	Width, Height   uint32
	Label           int32
	Masked          uint32 // 1 with a mask, else 0
	PixSum, MaskSum uint32 // CRC-32C of the pixels and of the mask
}

// encode returns the text of packed.json.
func (p packing) encode() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "\t")
	return append(text, '\n'), err
}

// parsePacking reads the text of packed.json.
func parsePacking(text []byte) (packing, error) {
	var p packing
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var version struct{ Version int }
	switch err := json.Unmarshal(text, &version); {
	case err != nil:
		return p, fmt.Errorf("%w; pack the data set anew", err)
	case version.Version != packedVersion:
		return p, fmt.Errorf("version %d, want %d; pack the data set anew, or use the release that packed it", version.Version, packedVersion)
	}
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%w; pack the data set anew", err)
	}
	return p, p.validate()
}

func (p packing) validate() error {
	switch {
	case p.Images < 1 || p.Images > math.MaxInt32:
		return fmt.Errorf("%d images, want 1 to %d", p.Images, math.MaxInt32)
	case p.ShardImages < 1 || p.ShardImages > maxShardImages:
		return fmt.Errorf("%d images in a shard, want 1 to %d", p.ShardImages, maxShardImages)
	case p.Size < 0 || p.Size > maxPackedSide:
		return fmt.Errorf("size %d, want 0 to %d", p.Size, maxPackedSide)
	}
	return nil
}

// identity is what shards know packed.json by.
func identity(text []byte) (id [16]byte) {
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

// shards returns the number of shards, and in the number of images of one.
func (p packing) shards() int { return (p.Images + p.ShardImages - 1) / p.ShardImages }

func (p packing) in(shard int) int { return min(p.ShardImages, p.Images-shard*p.ShardImages) }

// head returns how a shard begins.
func (p packing) head(id [16]byte, shard int) []byte {
	h := packedHead{Version: packedVersion, Shard: uint32(shard), Identity: id}
	copy(h.Magic[:], packedMagic)
	b, _ := binary.Append(nil, binary.LittleEndian, h) // which has a fixed size
	return b
}

// check returns an error if an image is not valid.
func (m packedImage) check(classes int) error {
	switch {
	case m.Width == 0 || m.Height == 0 || uint64(m.Width)*uint64(m.Height) > maxPackedPixels:
		return fmt.Errorf("%d by %d pixels, want 1 to %d in all", m.Width, m.Height, maxPackedPixels)
	case m.Label < -1 || classes > 0 && int(m.Label) >= classes:
		return fmt.Errorf("label %d of %d classes", m.Label, classes)
	case m.Masked > 1 || m.Masked == 0 && m.MaskSum != 0:
		return fmt.Errorf("mask %d, want 0 or 1", m.Masked)
	}
	return nil
}

// bytes returns the sizes of the pixels and of the mask.
func (m packedImage) bytes() (pix, mask int64) {
	n := int64(m.Width) * int64(m.Height)
	return 3 * n, n * int64(m.Masked)
}

// errOtherShard reports a shard that is not of this packed.json.
var errOtherShard = errors.New("it is not a shard of the " + packedFile + " beside it")

// parseShard reads the images of a shard of size bytes. The memory it takes is bounded by
// that size.
func (p packing) parseShard(r io.ReaderAt, size int64, id [16]byte, shard int) ([]packedImage, error) {
	n := p.in(shard)
	tail := int64(n)*packedEntry + packedSum
	if size < packedHeads+tail {
		return nil, fmt.Errorf("it has %d bytes, want %d or more for %d images", size, packedHeads+tail, n)
	}
	head := make([]byte, packedHeads)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if !bytes.Equal(head, p.head(id, shard)) {
		return nil, errOtherShard
	}
	table := make([]byte, tail)
	if _, err := r.ReadAt(table, size-tail); err != nil {
		return nil, err
	}
	entries, sum := table[:n*packedEntry], binary.LittleEndian.Uint32(table[n*packedEntry:])
	if crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, entries) != sum {
		return nil, errors.New("wrong checksum of its table")
	}
	images := make([]packedImage, n)
	if _, err := binary.Decode(entries, binary.LittleEndian, images); err != nil {
		return nil, err
	}
	want := packedHeads + tail
	for i, m := range images {
		if err := m.check(len(p.Classes)); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		pix, mask := m.bytes()
		want += pix + mask
	}
	if want != size {
		return nil, fmt.Errorf("it has %d bytes, want %d", size, want)
	}
	return images, nil
}

// shardPath returns the path of a shard.
func shardPath(dir string, shard int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.shard", shard))
}

// openShard reads the images of the shard in a file.
func (p packing) openShard(path string, id [16]byte, shard int) ([]packedImage, error) {
	size, err := fileSize(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return p.parseShard(f, size, id, shard)
}

// readPacking reads packed.json of a folder, and returns its text too. The error of a
// folder without one is fs.ErrNotExist.
func readPacking(dir string) (packing, []byte, error) {
	path := filepath.Join(dir, packedFile)
	size, err := fileSize(path)
	if err != nil {
		return packing{}, nil, err
	}
	if size > maxPackedFile {
		return packing{}, nil, fmt.Errorf("%s has %d bytes, want at most %d", path, size, maxPackedFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return packing{}, nil, err
	}
	p, err := parsePacking(text)
	if err != nil {
		return p, nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, text, nil
}

// Packed is a data set that [Pack] wrote: images without compression, which load at the
// speed of memory or of the disk.
type Packed struct {
	of     packing
	dir    string
	masks  bool
	images []placedImage
	digest string
}

// placedImage is an image and where it begins in its shard.
type placedImage struct {
	packedImage
	at int64
}

// OpenPacked opens a data set that [Pack] wrote: split All in dir itself, Train, Val and
// Test in the folder of that name in dir. With the option NoMasks images have no masks.
//
// It reads the tables of all shards. Missing, truncated and damaged files, and those of
// another data set, are errors with the file and the remedy; damaged pixels are errors of
// Load.
func OpenPacked(ctx context.Context, dir string, split Split, o Options) (*Packed, error) {
	if err := o.check("a packed data set", "NoMasks"); err != nil {
		return nil, err
	}
	root := dir
	dir = filepath.Join(dir, string(split))
	p, text, err := readPacking(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("dataset: no packed data set in %s, %w; it has %s", dir, err, namesOf(packedSplits(root)))
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	d := &Packed{of: p, dir: dir, masks: !o.NoMasks}
	id := identity(text)
	var tableErr error
	d.digest = fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "packed %q\n", p.Classes)
		for shard := range p.shards() {
			if tableErr = d.add(ctx, h, id, shard); tableErr != nil {
				return
			}
			o.progress(shard+1, p.shards())
		}
		hidden := o.NoMasks && slices.ContainsFunc(d.images, func(m placedImage) bool { return m.Masked > 0 })
		fmt.Fprintf(h, "%t\n", hidden)
	})
	if tableErr != nil {
		return nil, fmt.Errorf("dataset: %w", tableErr)
	}
	return d, nil
}

// add adds the images of a shard, and writes them to h.
func (d *Packed) add(ctx context.Context, h hash.Hash, id [16]byte, shard int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("opening %s: %w", d.dir, err)
	}
	path := shardPath(d.dir, shard)
	images, err := d.of.openShard(path, id, shard)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: shard %d of %d; pack the data set again, which keeps the shards that are there", err, shard, d.of.shards())
	case err != nil:
		return fmt.Errorf("%s is damaged: %w; %s", path, err, packedRemedy)
	}
	at := int64(packedHeads)
	for _, m := range images {
		d.images = append(d.images, placedImage{m, at})
		pix, mask := m.bytes()
		at += pix + mask
	}
	return binary.Write(h, binary.LittleEndian, images)
}

// packedRemedy is the remedy for a damaged shard.
const packedRemedy = "remove it and pack the data set again, which keeps the other shards"

// packedSplits returns the splits of a packed data set that dir holds.
func packedSplits(dir string) (splits []Split) {
	for _, split := range []Split{All, Train, Val, Test} {
		if exists(filepath.Join(dir, string(split), packedFile)) {
			splits = append(splits, split)
		}
	}
	return splits
}

// namesOf names splits in an error.
func namesOf(splits []Split) string {
	if len(splits) == 0 {
		return "none in its folders either"
	}
	var names []string
	for _, s := range splits {
		names = append(names, fmt.Sprintf("split %q", s))
	}
	return strings.Join(names, ", ")
}

// PackedName reports whether dir has a packed data set, in itself or as splits in the
// folders train, val and test, and returns the Name that it was packed with.
func PackedName(dir string) (name string, packed bool, err error) {
	splits := packedSplits(dir)
	if len(splits) == 0 {
		return "", false, nil
	}
	p, _, err := readPacking(filepath.Join(dir, string(splits[0])))
	if err != nil {
		return "", true, fmt.Errorf("dataset: %w", err)
	}
	return p.Name, true, nil
}

// Len returns the number of images.
func (d *Packed) Len() int { return len(d.images) }

// Classes returns the names of the classes of the original.
func (d *Packed) Classes() []string { return slices.Clone(d.of.Classes) }

// Fingerprint identifies the data set by the checksums, sizes and labels of its images.
func (d *Packed) Fingerprint() string { return d.digest }

// Original returns the fingerprint of the data set that was packed, empty if it had none.
func (d *Packed) Original() string { return d.of.Fingerprint }

// Decoder says how the images were packed and what decoded JPEG files then, for the record
// of a run, such as "packed, shorter side 256, image/jpeg, pixels 1c291ca3". It begins with
// "packed, ".
func (d *Packed) Decoder() string {
	how := "packed, original size"
	if d.of.Size > 0 {
		how = fmt.Sprintf("packed, shorter side %d", d.of.Size)
	}
	if d.of.Decoder != "" {
		how += ", " + d.of.Decoder
	}
	return how
}

// DecodesImages returns false: Load only reads.
func (d *Packed) DecodesImages() bool { return false }

// Load reads image i, 0 to Len-1. Pixels or a mask with a wrong checksum are an error that
// names the file.
func (d *Packed) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	m := d.images[i]
	path := shardPath(d.dir, i/d.of.ShardImages)
	pix, mask := m.bytes()
	if !d.masks {
		mask = 0
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	data := make([]byte, pix+mask)
	if _, err := f.ReadAt(data, m.at); err != nil {
		return nil, fmt.Errorf("dataset: %s: image %d: %w; %s", path, i, err, packedRemedy)
	}
	img := &pretext.Image{Width: int(m.Width), Height: int(m.Height), Label: int(m.Label), Pix: data[:pix:pix]}
	if mask > 0 {
		img.Mask = data[pix:]
	}
	if crc32.Checksum(img.Pix, castagnoli) != m.PixSum || mask > 0 && crc32.Checksum(img.Mask, castagnoli) != m.MaskSum {
		return nil, fmt.Errorf("dataset: %s is damaged: image %d: wrong checksum; %s", path, i, packedRemedy)
	}
	return img, nil
}

// differences returns how a packing differs from another.
func (p packing) differences(other packing) string {
	var all []string
	for _, f := range []struct {
		name     string
		its, our any
	}{
		{"name", p.Name, other.Name},
		{"images", p.Images, other.Images},
		{"images in a shard", p.ShardImages, other.ShardImages},
		{"size", p.Size, other.Size},
		{"decoder", p.Decoder, other.Decoder},
		{"fingerprint", p.Fingerprint, other.Fingerprint},
		{"classes", p.Classes, other.Classes},
	} {
		if its, our := fmt.Sprintf("%.80q", fmt.Sprint(f.its)), fmt.Sprintf("%.80q", fmt.Sprint(f.our)); its != our {
			all = append(all, fmt.Sprintf("%s %s → %s", f.name, its, our))
		}
	}
	if all == nil {
		return "classes"
	}
	return strings.Join(all, ", ")
}
