package benchmark

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"unnas/darts/rank"
	"unnas/internal/pickle"
)

// isTorch reports whether a file is of torch.save.
func isTorch(r io.ReaderAt) bool {
	return pickle.IsTorchZip(r) || pickle.IsTorchPickles(r)
}

// allowed are the names in the file of the API. Numbers of NumPy are read; nothing else of
// it matters here.
var allowed = pickle.Allowed{
	"collections.OrderedDict": func(pickle.Tuple) (any, error) { return pickle.NewDict(), nil },
	"__builtin__.set":         func(pickle.Tuple) (any, error) { return pickle.NewDict(), nil },
	"numpy.dtype":             func(pickle.Tuple) (any, error) { return pickle.NewDict(), nil },
	"_codecs.encode": func(args pickle.Tuple) (any, error) {
		if len(args) == 0 {
			return nil, errors.New("no text")
		}
		return args[0], nil
	},
	"numpy.core.multiarray.scalar":  scalar,
	"numpy._core.multiarray.scalar": scalar,
}

// scalar returns the number of (type, bytes), of 8 bytes as in Latin-1.
func scalar(args pickle.Tuple) (any, error) {
	if len(args) == 2 {
		if text, ok := args[1].(string); ok {
			var b []byte
			for _, r := range text {
				b = append(b, byte(r))
			}
			if len(b) == 8 {
				return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
			}
		}
	}
	return nil, nil
}

// readTorch reads the results of NAS-Bench-201 from the file of its API.
func readTorch(r io.ReaderAt, size int64) (*Table, error) {
	c := &collector{}
	if err := c.read(r, size); err != nil {
		return nil, fmt.Errorf("not a file of NAS-Bench-201's API, with arch2infos: %w", err)
	}
	return c.table()
}

// read passes the pickle in the file to c.
func (c *collector) read(r io.ReaderAt, size int64) error {
	if pickle.IsTorchPickles(r) {
		const at = pickle.TorchPickles
		d := c.decoder(io.NewSectionReader(r, at, size-at), at, size)
		for range 3 { // version, sizes of types, the object
			if _, err := d.Decode(); err != nil {
				return err
			}
		}
		return nil
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(archive.File, func(f *zip.File) bool { return path.Base(f.Name) == "data.pkl" })
	if i < 0 {
		return errors.New("the archive has no data.pkl")
	}
	f := archive.File[i]
	if f.UncompressedSize64 > uint64(size) {
		return fmt.Errorf("data.pkl of %d bytes in a file of %d; the file is damaged", f.UncompressedSize64, size)
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = c.decoder(in, 0, int64(f.UncompressedSize64)).Decode()
	return err
}

func (c *collector) decoder(r io.Reader, at, size int64) *pickle.Decoder {
	d := pickle.NewDecoder(r, at, size, allowed)
	d.Entry, d.Large = c.entry, true
	return d
}

// collector keeps the accuracies of the cells while the file is read.
type collector struct {
	archs []string
	means []map[string]float64 // of each
	err   error
}

// unread are entries of a run that take memory and are not read.
var unread = []string{
	"train_acc1es", "train_acc5es", "train_losses", "train_times", "eval_losses", "eval_times", "net_state_dict", "arch_config",
}

// entry takes the results of each cell when they are complete, and drops what is not read.
func (c *collector) entry(key, value any) (keep bool) {
	dict, nested := value.(*pickle.Dict)
	if name, named := key.(string); named {
		if drop := slices.Contains(unread, name); drop && nested {
			*dict = *pickle.NewDict()
			return false
		}
		return true
	}
	if !nested {
		return false
	}
	if _, full := dict.Values["full"].(*pickle.Dict); full {
		c.add(dict)
		*dict = *pickle.NewDict() // which the decoder remembers
		return false
	}
	return true
}

// sets are the metrics by data set and images of evaluation.
var sets = []struct{ dataset, images, metric string }{
	{"cifar10", "ori-test", "cifar10_test"},
	{"cifar10-valid", "x-valid", "cifar10_val"},
	{"cifar100", "x-test", "cifar100_test"},
	{"cifar100", "x-valid", "cifar100_val"},
	{"ImageNet16-120", "x-test", "imagenet16_120_test"},
	{"ImageNet16-120", "x-valid", "imagenet16_120_val"},
}

// short is the suffix of metrics of the short trainings.
const short = "_12ep"

// add takes the results of a cell.
func (c *collector) add(info *pickle.Dict) {
	sums, counts := map[string]float64{}, map[string]float64{}
	arch := ""
	for suffix, key := range map[string]string{"": "full", short: "less"} {
		state, _ := info.Values[key].(*pickle.Dict)
		if state == nil {
			continue
		}
		if name, ok := state.Values["arch_str"].(string); ok {
			arch = name
		}
		results, _ := state.Values["all_results"].(*pickle.Dict)
		if results == nil {
			continue
		}
		for _, one := range results.Others {
			run, _ := one.(*pickle.Dict)
			if run == nil {
				continue
			}
			accuracies, _ := run.Values["eval_acc1es"].(*pickle.Dict)
			epochs, _ := run.Values["epochs"].(int)
			if accuracies == nil {
				continue
			}
			for _, s := range sets {
				v, ok := accuracies.Values[fmt.Sprintf("%s@%d", s.images, epochs-1)].(float64)
				if run.Values["name"] == s.dataset && ok {
					sums[s.metric+suffix] += v
					counts[s.metric+suffix]++
				}
			}
		}
	}
	if arch == "" {
		c.err = errors.Join(c.err, fmt.Errorf("cell %d has no arch_str", len(c.archs)))
		return
	}
	for metric := range sums {
		sums[metric] /= counts[metric]
	}
	c.archs, c.means = append(c.archs, arch), append(c.means, sums)
}

// table returns the metrics that all cells have.
func (c *collector) table() (*Table, error) {
	if c.err != nil {
		return nil, c.err
	}
	if len(c.archs) == 0 {
		return nil, errors.New("the file has no results of cells (arch2infos)")
	}
	scores := &rank.Table{Key: archColumn, Archs: c.archs}
	for _, suffix := range []string{"", short} {
		for _, s := range sets {
			column := rank.Column{Name: s.metric + suffix}
			for _, means := range c.means {
				if v, ok := means[column.Name]; ok {
					column.Values = append(column.Values, v)
				}
			}
			if len(column.Values) == len(c.archs) {
				scores.Columns = append(scores.Columns, column)
			}
		}
	}
	if err := scores.Validate(); err != nil {
		return nil, err
	}
	return newTable(scores)
}
