package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"unnas/cell"
)

// A Config holds the hyperparameters of a file of the authors' release under its
// names; keys says what each means.
type Config struct {
	Model struct {
		Type                      string
		InputChannels, NumClasses int
		LossFun                   string
		LabelSmoothingEps         float64
		ASPPChannels              int
		ASPPRates                 []int
		Depth                     int
	}
	NAS struct {
		Genotype                      string
		CustomGenotype                cell.Genotype
		Width, Depth                  int
		Aux                           bool
		AuxWeight, DropProb           float64
		Matrix                        [][]int
		Ops                           []string
		NumStacks, NumModulesPerStack int
	}
	BN struct {
		Eps, Mom             float64
		UsePreciseStats      bool
		NumSamplesPrecise    int
		ZeroInitFinalGamma   bool
		UseCustomWeightDecay bool
		CustomWeightDecay    float64
	}
	Optim struct {
		BaseLR                      float64
		LRPolicy                    string
		Gamma                       float64
		Steps                       []int
		LRMult                      float64
		MaxEpoch                    int
		Momentum, Dampening         float64
		Nesterov                    bool
		WeightDecay                 float64
		WarmupFactor                float64
		WarmupEpochs                int
		IterLR                      bool
		ArchBaseLR, ArchWeightDecay float64
		ArchOptim                   string
		ArchEpoch                   float64
	}
	Train struct {
		Dataset, Split               string
		BatchSize, ImSize            int
		EvalPeriod, CheckpointPeriod int
		AutoResume                   bool
		Weights                      string
		GrayPercentage, Portion      float64
	}
	Test struct {
		Dataset, Split    string
		BatchSize, ImSize int
		Weights           string
	}
	DataLoader struct {
		NumWorkers int
		PinMemory  bool
	}
	ReLUInplace, Benchmark bool
	WarmupIter, NumIter    int

	TaskKey             string
	JigsawGrid, NumGPUs int
	RNGSeed             int
	OutDir, CfgDest     string
	LogDest             string
	LogPeriod           int
	DistBackend, Host   string
	Port                int

	origins map[string]string // where the values of keys come from that are not the default
}

// The default of OUT_DIR, and what the files of the release say: both name no
// folder of a run.
const (
	defaultOutDir = "/tmp"
	hereOutDir    = "."
)

// defaults returns the values of the release before any file is read.
func defaults() *Config {
	c := &Config{origins: map[string]string{}}
	c.Model.InputChannels, c.Model.NumClasses, c.Model.LossFun = 3, 10, "cross_entropy"
	c.Model.ASPPChannels, c.Model.ASPPRates = 256, []int{6, 12, 18}
	c.NAS.Genotype, c.NAS.Width, c.NAS.Depth, c.NAS.AuxWeight = "nas", 16, 20, 0.4
	c.NAS.NumStacks, c.NAS.NumModulesPerStack = 3, 3
	c.BN.Eps, c.BN.Mom, c.BN.NumSamplesPrecise = 1e-5, 0.1, 1024
	o := &c.Optim
	o.BaseLR, o.LRPolicy, o.Gamma, o.LRMult, o.MaxEpoch = 0.1, "cos", 0.1, 0.1, 200
	o.Momentum, o.Nesterov, o.WeightDecay, o.WarmupFactor = 0.9, true, 5e-4, 0.1
	o.ArchBaseLR, o.ArchWeightDecay, o.ArchOptim = 3e-4, 1e-3, "adam"
	c.Train.Split, c.Train.BatchSize, c.Train.ImSize = "train", 128, 32
	c.Train.EvalPeriod, c.Train.CheckpointPeriod, c.Train.AutoResume, c.Train.Portion = 1, 1, true, 1
	c.Test.Split, c.Test.BatchSize, c.Test.ImSize = "val", 200, 32
	c.DataLoader.NumWorkers, c.DataLoader.PinMemory = 8, true
	c.ReLUInplace, c.Benchmark, c.WarmupIter, c.NumIter = true, true, 3, 30
	c.TaskKey, c.JigsawGrid, c.NumGPUs, c.RNGSeed = taskCls, 3, 1, 1
	c.OutDir, c.CfgDest, c.LogDest, c.LogPeriod = defaultOutDir, "config.yaml", "stdout", 10
	c.DistBackend, c.Host, c.Port = "nccl", "localhost", 10001
	return c
}

// The largest files that are read. Those of the release have 1 kB and 3 levels;
// aliases count as what they stand for.
const (
	maxBytes = 1 << 16
	maxNodes = 10_000
	maxDepth = 8
)

// Read returns the hyperparameters of a file and of pairs of a key and a value, which
// come last and win. It refuses values that are out of range or contradict each other.
func Read(path string, pairs []string) (*Config, error) {
	c, err := read(path, pairs)
	if err != nil {
		return nil, err
	}
	return c, c.check()
}

// read is Read without the check.
func read(path string, pairs []string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	c := defaults()
	if err := c.mergeFile(path, text); err != nil {
		return nil, err
	}
	if err := c.mergePairs(pairs); err != nil {
		return nil, err
	}
	return c, nil
}

// mergeFile takes the values that the text of a file has.
func (c *Config) mergeFile(path string, text []byte) error {
	if len(text) > maxBytes {
		return fmt.Errorf("%s has more than %d bytes; settings have 1 kB or so", path, maxBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s is empty", path)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return fmt.Errorf("%s:%d: a second document begins; one file is one run", path, second.Line)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%s: %w", path, err)
	}
	m := merger{c: c, keys: keys(c), place: func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", path, n.Line) }}
	return m.section("", document.Content[0], 0)
}

// mergePairs takes the values of arguments.
func (c *Config) mergePairs(pairs []string) error {
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i]
		if strings.HasPrefix(name, "-") {
			return fmt.Errorf("flag %.60q stands behind a KEY; flags come first", name)
		}
		m := merger{c: c, keys: keys(c), place: func(*yaml.Node) string { return "argument" }}
		k, err := m.find(name, &yaml.Node{})
		if err != nil {
			return err
		}
		if i+1 == len(pairs) {
			return fmt.Errorf("argument: %s has no value; give pairs of KEY VALUE", name)
		}
		value := pairs[i+1]
		if len(value) > maxBytes {
			return fmt.Errorf("argument: %s has a value of more than %d bytes", name, maxBytes)
		}
		node, err := parse(value)
		if err != nil {
			return fmt.Errorf("argument: %s is %.60q: %w", name, value, err)
		}
		if err := m.set(k, name, node); err != nil {
			return err
		}
	}
	return nil
}

// parse returns the node of a single value. An empty one is empty text.
func parse(value string) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}, nil
	}
	return document.Content[0], nil
}

// A merger takes values into a Config.
type merger struct {
	c     *Config
	keys  []key
	place func(*yaml.Node) string
	nodes int // that were looked at
}

// section takes what a mapping has for the keys that begin with a prefix.
func (m *merger) section(prefix string, n *yaml.Node, depth int) error {
	n, err := m.resolve(n, depth)
	if err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		what := "the file"
		if prefix != "" {
			what = "section " + strings.TrimSuffix(prefix, ".")
		}
		return fmt.Errorf("%s: %s is %s, must be keys with values", m.place(n), what, show(n))
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, value := n.Content[i], n.Content[i+1]
		if at.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s: a key is %s, must be text", m.place(at), show(at))
		}
		name := prefix + at.Value
		if line, twice := first[name]; twice {
			return fmt.Errorf("%s: %.60s is there twice, first in line %d; remove one", m.place(at), name, line)
		}
		first[name] = at.Line
		if isSection(m.keys, name) {
			if err := m.section(name+".", value, depth+1); err != nil {
				return err
			}
			continue
		}
		k, err := m.find(name, at)
		if err != nil {
			return err
		}
		if err := m.set(k, name, value); err != nil {
			return err
		}
	}
	return nil
}

// find returns the key of a name.
func (m *merger) find(name string, at *yaml.Node) (key, error) {
	for _, k := range m.keys {
		if k.name == name || k.value == nil && strings.HasPrefix(name, k.name+".") {
			return k, nil
		}
	}
	for _, k := range m.keys {
		if strings.HasPrefix(k.name, name+".") {
			return key{}, fmt.Errorf("%s: %s is a section; name a key of it, such as %s", m.place(at), name, k.name)
		}
	}
	if at.Tag == "!!merge" {
		return key{}, fmt.Errorf("%s: merging by << is not supported; write the keys out", m.place(at))
	}
	return key{}, fmt.Errorf("%s: unknown key %.60q; the nearest is %s", m.place(at), name, nearestKey(m.keys, name))
}

// set takes the value of a key.
func (m *merger) set(k key, name string, n *yaml.Node) error {
	place := m.place(n)
	if err := m.take(k.value, n); err != nil {
		if errors.Is(err, errValue) {
			return fmt.Errorf("%s: %s is %s, must be %s", place, name, show(n), kind(k.value))
		}
		return err
	}
	m.c.origins[k.name] = place
	return nil
}

// errValue says that a value does not have the type of its key.
var errValue = errors.New("wrong type")

// take writes the value of a node to where a pointer of one of the types of keys
// leads. A whole number serves for a number; otherwise types must match.
func (m *merger) take(to any, n *yaml.Node) (err error) {
	if to == nil { // nobody wants it
		return nil
	}
	if n, err = m.resolve(n, 0); err != nil {
		return err
	}
	switch to := to.(type) {
	case *string:
		return scalar(n, to, "!!str")
	case *bool:
		// Python reads plain yes, no, on and off as booleans too, as does Decode then.
		if n.Style == 0 {
			return scalar(n, to, "!!bool", "!!str")
		}
		return scalar(n, to, "!!bool")
	case *int:
		return scalar(n, to, "!!int")
	case *float64:
		var x float64
		if err := scalar(n, &x, "!!float", "!!int"); err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return errValue
		}
		*to = x
		return nil
	case *[]int:
		return list(m, n, to)
	case *[]string:
		return list(m, n, to)
	case *[][]int:
		return list(m, n, to)
	case *[]cell.Edge:
		return list(m, n, to)
	case *cell.Edge:
		return m.tuple(n, &to.Op, &to.From)
	case *cell.Genotype:
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			*to = cell.Genotype{}
			return nil
		}
		return m.tuple(n, &to.Normal, &to.NormalConcat, &to.Reduce, &to.ReduceConcat)
	}
	panic(fmt.Sprintf("keys: a value of type %T", to)) // of the table, not of a file
}

func scalar(n *yaml.Node, to any, tags ...string) error {
	if n.Kind != yaml.ScalarNode {
		return errValue
	}
	for _, tag := range tags {
		if n.ShortTag() == tag && n.Decode(to) == nil {
			return nil
		}
	}
	return errValue
}

// list takes the elements of a sequence.
func list[T any](m *merger, n *yaml.Node, to *[]T) error {
	n, err := sequence(n)
	if err != nil {
		return err
	}
	values := make([]T, len(n.Content))
	for i := range values {
		if err := m.take(&values[i], n.Content[i]); err != nil {
			return err
		}
	}
	*to = values
	return nil
}

// tuple takes a sequence of as many elements as there are pointers.
func (m *merger) tuple(n *yaml.Node, to ...any) error {
	n, err := sequence(n)
	if err != nil {
		return err
	}
	if len(n.Content) != len(to) {
		return errValue
	}
	for i, n := range n.Content {
		if err := m.take(to[i], n); err != nil {
			return err
		}
	}
	return nil
}

// sequence returns a sequence as it is, and that which text such as (8, 12) or
// "[8, 12]" is in Python.
func sequence(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind == yaml.ScalarNode && strings.ContainsAny(n.Value[:min(1, len(n.Value))], "([") {
		parsed, err := parse(strings.NewReplacer("(", "[", ")", "]").Replace(n.Value))
		if err != nil {
			return nil, errValue
		}
		n = parsed
	}
	if n.Kind != yaml.SequenceNode {
		return nil, errValue
	}
	return n, nil
}

// resolve returns what an alias stands for, and counts.
func (m *merger) resolve(n *yaml.Node, depth int) (*yaml.Node, error) {
	if m.nodes++; m.nodes > maxNodes || depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d values or %d levels; settings have few", m.place(n), maxNodes, maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias, nil
	}
	return n, nil
}

// show returns a node in words.
func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.AliasNode:
		return show(n.Alias)
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!str":
		return fmt.Sprintf("%.60q", n.Value)
	}
	return fmt.Sprintf("%.60s", n.Value)
}

// kind returns the type of a key in words.
func kind(value any) string {
	switch value.(type) {
	case *string:
		return "text"
	case *bool:
		return "True or False"
	case *int:
		return "a whole number"
	case *float64:
		return "a finite number"
	case *[]int:
		return "a list of whole numbers, such as [6, 12]"
	case *[]string:
		return "a list of text"
	case *[][]int:
		return "a list of rows of whole numbers"
	}
	return "a list of the edges of the normal cell, its concatenation, and both of the reduction cell, such as [[[sep_conv_3x3, 0], ...], [2, 3], ..., [2, 3]]"
}
