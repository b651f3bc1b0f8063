package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

func packCommand() *command {
	return &command{
		name:    "pack",
		summary: "decode and resize a data set once, so that it loads at memory speed",
		about: "Pack writes the images of a data set to the folder of -out, decoded and resized, where all\n" +
			"commands find them by -data. It is resumed by the same command. ImageNet-1K takes 350 GB.",
		examples: []example{
			{"unnas pack -data imagenet -out packed", "shorter sides of 256 pixels; then unnas search -data packed"},
			{"unnas pack -data photos -out packed -size 0", "images of yours in their size"},
		},
		flags:    "data dataset subset size list index jpeg seed workers out quiet",
		texts:    map[string]string{"size": "shorter side of larger images; 0 keeps their size [256; cityscapes 0]", "out": "folder for the packed data set"},
		defaults: map[string]string{"data": "none: needed"},
		run:      runPack,
	}
}

// packedSize is the shorter side of packed images, of which evaluations on ImageNet see
// the centre.
const packedSize = 256

func runPack(ctx context.Context, c *call) error {
	switch {
	case c.data == "":
		return usagef("-data is missing: give the folder of the data set to pack, such as -data imagenet")
	case c.Out == "":
		return usagef("-out is missing: give a new folder for the packed data set, such as -out packed")
	}
	k, err := c.kind()
	if err != nil {
		return err
	}
	if err := c.checkOut(c.Out); err != nil {
		return err
	}
	size := packedSize
	if k.name == preset.Cityscapes { // whose transforms need more
		size = 0
	}
	if c.given["size"] {
		size = c.size
	}
	decoder, err := c.JPEG.Decoder("")
	if err != nil {
		return err
	}
	splits, err := c.openPackable(ctx, k, decoder)
	if err != nil {
		return err
	}
	if err := checkPacked(c.Out, splits); err != nil {
		return err
	}
	var total int64
	for _, s := range splits {
		o := dataset.PackOptions{Name: k.name, Size: size, Workers: c.Runtime.Workers}
		dir := filepath.Join(c.Out, string(s.split))
		if err := c.pack(ctx, s.images, dir, o); err != nil {
			if ctx.Err() != nil {
				fmt.Fprintln(c.notes, "stopped; the same command resumes it")
			}
			return err
		}
		noteUnreadable(s.images, c.notes)
		bytes, err := folderBytes(dir)
		if err != nil {
			return err
		}
		total += bytes
		fmt.Fprintf(c.notes, "%s: %d images, %s\n", dir, s.images.Len(), amount(bytes))
	}
	_, err = fmt.Fprintf(c.out, "%s holds %s in %s; give it as -data\n", c.Out, k.title, amount(total))
	return err
}

// A packable is a split of a data set that is packed.
type packable struct {
	split  dataset.Split
	images darts.Source
}

// openPackable opens the splits of the data set of -data.
func (c *call) openPackable(ctx context.Context, k kind, decoder *pretext.Decoder) (all []packable, err error) {
	splits := []dataset.Split{dataset.Train, k.val}
	switch k.name {
	case preset.ImageNet22K:
		splits = []dataset.Split{dataset.All}
	case folder:
		splits = nil
		for _, split := range []dataset.Split{dataset.Train, dataset.Val, dataset.Test} {
			switch has, err := dataset.HasSplit(c.data, split); {
			case err != nil:
				return nil, err
			case has:
				splits = append(splits, split)
			}
		}
		if !slices.Contains(splits, dataset.Train) {
			splits = []dataset.Split{dataset.All}
		}
	}
	for _, split := range splits {
		labelled, err := c.openSplit(ctx, k, c.data, split, nil, decoder)
		if err != nil {
			return nil, err
		}
		draw := c.sampleVal
		if split == dataset.Train || split == dataset.All {
			draw = c.sample
		}
		images, err := draw(labelled)
		if err != nil {
			return nil, err
		}
		all = append(all, packable{split, images})
	}
	return all, nil
}

// checkPacked returns an error if a folder holds anything but splits to pack; dataset.Pack
// looks into these, and at a folder without splits.
func checkPacked(out string, splits []packable) error {
	if splits[0].split == dataset.All {
		return nil
	}
	entries, err := os.ReadDir(out)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	for _, e := range entries {
		if !slices.ContainsFunc(splits, func(s packable) bool { return string(s.split) == e.Name() }) {
			return fmt.Errorf("-out %s holds %s, which does not belong to this data set; give a new or an empty folder", out, e.Name())
		}
	}
	return nil
}

// pack packs a split and prints the progress.
func (c *call) pack(ctx context.Context, src darts.Source, dir string, o dataset.PackOptions) error {
	p := session.NewProgress(c.notes, "packing "+dir, "images")
	defer p.Close()
	o.Progress = func(done, total int64) { p.Update(int(done), int(total)) }
	return dataset.Pack(ctx, src, dir, o)
}

// amount returns a number of bytes in words.
func amount(bytes int64) string {
	if bytes < 1e9 {
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}

// folderBytes returns the size of the files in a folder.
func folderBytes(dir string) (n int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, nil
}
