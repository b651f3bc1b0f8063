package release

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"unnas/cell"
	"unnas/examples/unnas/internal/nearest"
)

// A key is a setting of the authors' release.
type key struct {
	name  string
	value any // pointer to its field; nil if the value, or those of a section, are not used
	rule  rule
	note  string
	in    uses
}

// uses are what a key does in a search and in a training.
type uses struct{ search, train use }

func both(u use) uses { return uses{u, u} }

// A use is what a key does in a run. The zero use is to honour all values of the
// rule.
type use struct {
	only any    // the one value that is taken; nil: all of the rule
	idle bool   // whether it has no effect
	with string // what it has no effect without; empty: nothing
	when bool   // whether that is there
}

var idle = use{idle: true}

func only(value any) use { return use{only: value} }

func with(what string, when bool) use { return use{with: what, when: when} }

// A rule says which values there are: one of some texts, or numbers from low to
// high. The zero rule takes all.
type rule struct {
	texts     []string
	low, high float64
}

func among(texts ...string) rule { return rule{texts: texts} }

func from(low, high float64) rule { return rule{low: low, high: high} }

// takes says whether a value, a pointer, is one of the rule.
func (r rule) takes(value any) bool {
	switch v := value.(type) {
	case *string:
		return r.texts == nil || slices.Contains(r.texts, *v)
	case *int:
		return r.low == r.high || float64(*v) >= r.low && float64(*v) <= r.high
	case *float64:
		return r.low == r.high || *v >= r.low && *v <= r.high
	}
	return true
}

func (r rule) String() string {
	if r.texts != nil {
		return fmt.Sprintf("one of %q", r.texts)
	}
	return fmt.Sprintf("from %s to %s", number(r.low), number(r.high))
}

// many bounds what only has to be positive.
const many = 1 << 24

// keys returns all keys of the release, bound to the fields of c.
func keys(c *Config) []key {
	count, share, positive := from(0, many), from(0, 1), from(1, many)
	sets := among(cifar10, imagenet, imagenet22k, cityscapes)
	splits := among("train", "val", "test")
	cells, bench := with("TYPE nas", c.Model.Type == nas), with("TYPE nas_bench", c.Model.Type == nasBench)
	return []key{
		{name: "MODEL.TYPE", value: &c.Model.Type, rule: among(nasSearch, nas, nasBench), note: "what runs: nas_search searches a cell, nas trains a network of cells, nas_bench one of cells of NAS-Bench-101"},
		{name: "MODEL.DEPTH", value: &c.Model.Depth, in: both(idle), note: "of networks that are not made of cells"},
		{name: "MODEL.INPUT_CHANNELS", value: &c.Model.InputChannels, note: "1 with TASK col, else 3"},
		{name: "MODEL.NUM_CLASSES", value: &c.Model.NumClasses, rule: from(2, many), note: "as many as the task has: 4 for rot, 313 for col; 24 (2×2), 1000 or 2000 (3×3) permutations for jig"},
		{name: "MODEL.LOSS_FUN", value: &c.Model.LossFun, rule: among("cross_entropy", smoothed), in: uses{search: only("cross_entropy")}, note: "labels are not smoothed in a search; they can be in a training with TASK cls"},
		{name: "MODEL.LABEL_SMOOTHING_EPS", value: &c.Model.LabelSmoothingEps, rule: share, in: uses{idle, with("LOSS_FUN label_smoothed_cross_entropy", c.Model.LossFun == smoothed)}, note: "share of a label that the other classes have"},
		{name: "MODEL.ASPP_CHANNELS", value: &c.Model.ASPPChannels, rule: positive, in: both(with("TASK seg", c.TaskKey == taskSeg)), note: "channels of each branch of the head"},
		{name: "MODEL.ASPP_RATES", value: &c.Model.ASPPRates, in: both(with("TASK seg", c.TaskKey == taskSeg)), note: "dilations of its branches, one to three"},

		{name: "RESNET", in: both(idle), note: "of networks that are not made of cells"},
		{name: "ANYNET", in: both(idle), note: "of networks that are not made of cells"},
		{name: "REGNET", in: both(idle), note: "of networks that are not made of cells"},
		{name: "EN", in: both(idle), note: "of networks that are not made of cells"},

		{name: "NAS.GENOTYPE", value: &c.NAS.Genotype, rule: among(append(cell.GenotypeNames(), customGenotype)...), in: uses{idle, cells}, note: "the cells of a network that is trained"},
		{name: "NAS.CUSTOM_GENOTYPE", value: &c.NAS.CustomGenotype, in: uses{idle, with("GENOTYPE custom", c.Model.Type == nas && c.NAS.Genotype == customGenotype)}, note: "those of GENOTYPE custom"},
		{name: "NAS.WIDTH", value: &c.NAS.Width, rule: positive, note: "channels of the first cell"},
		{name: "NAS.DEPTH", value: &c.NAS.Depth, rule: positive, in: uses{train: cells}, note: "cells"},
		{name: "NAS.AUX", value: &c.NAS.Aux, in: uses{idle, cells}, note: "auxiliary head"},
		{name: "NAS.AUX_WEIGHT", value: &c.NAS.AuxWeight, rule: from(0, 100), in: uses{idle, with("AUX True", c.Model.Type == nas && c.NAS.Aux)}, note: "weight of its loss"},
		{name: "NAS.DROP_PROB", value: &c.NAS.DropProb, rule: from(0, 0.99), in: uses{idle, cells}, note: "drop path: the probability p towards which it rises, p·e/E in epoch e of E, from 0"},
		{name: "NAS.MATRIX", value: &c.NAS.Matrix, in: uses{idle, bench}, note: "edges of a cell of NAS-Bench-101"},
		{name: "NAS.OPS", value: &c.NAS.Ops, in: uses{idle, bench}, note: "its operations"},
		{name: "NAS.NUM_STACKS", value: &c.NAS.NumStacks, rule: positive, in: uses{idle, bench}, note: "stacks of such cells"},
		{name: "NAS.NUM_MODULES_PER_STACK", value: &c.NAS.NumModulesPerStack, rule: positive, in: uses{idle, bench}, note: "cells of a stack"},

		{name: "BN.EPS", value: &c.BN.Eps, in: both(only(1e-5)), note: "fixed, as for networks of cells in the release"},
		{name: "BN.MOM", value: &c.BN.Mom, in: both(only(0.1)), note: "fixed, as for networks of cells in the release"},
		{name: "BN.USE_PRECISE_STATS", value: &c.BN.UsePreciseStats, in: uses{search: only(false)}, note: "statistics are taken anew before each evaluation; they play no part in a search"},
		{name: "BN.NUM_SAMPLES_PRECISE", value: &c.BN.NumSamplesPrecise, rule: positive, in: uses{idle, with("USE_PRECISE_STATS True", c.BN.UsePreciseStats)}, note: "over this many images"},
		{name: "BN.ZERO_INIT_FINAL_GAMMA", value: &c.BN.ZeroInitFinalGamma, in: both(idle), note: "of networks that are not made of cells"},
		{name: "BN.USE_CUSTOM_WEIGHT_DECAY", value: &c.BN.UseCustomWeightDecay, in: both(only(false)), note: "all weights decay alike"},
		{name: "BN.CUSTOM_WEIGHT_DECAY", value: &c.BN.CustomWeightDecay, rule: share, in: both(idle), note: "of USE_CUSTOM_WEIGHT_DECAY"},

		{name: "OPTIM.BASE_LR", value: &c.Optim.BaseLR, rule: from(0, 1e6), note: "learning rate of the weights"},
		{name: "OPTIM.LR_POLICY", value: &c.Optim.LRPolicy, rule: among(policyCos, policySteps, policyExp), note: "how it falls"},
		{name: "OPTIM.GAMMA", value: &c.Optim.Gamma, rule: share, in: both(with("LR_POLICY exp", c.Optim.LRPolicy == policyExp)), note: "factor of each epoch"},
		{name: "OPTIM.STEPS", value: &c.Optim.Steps, in: both(with("LR_POLICY steps", c.Optim.LRPolicy == policySteps)), note: "epochs at which it falls; the first is 0, when it does not"},
		{name: "OPTIM.LR_MULT", value: &c.Optim.LRMult, rule: share, in: both(with("LR_POLICY steps", c.Optim.LRPolicy == policySteps)), note: "factor of each step"},
		{name: "OPTIM.MAX_EPOCH", value: &c.Optim.MaxEpoch, rule: from(1, 1e6), note: "passes over the images that the weights learn from"},
		{name: "OPTIM.MOMENTUM", value: &c.Optim.Momentum, rule: from(0, 0.9999), note: "of the weights' SGD"},
		{name: "OPTIM.DAMPENING", value: &c.Optim.Dampening, rule: share, in: both(only(0.0)), note: "SGD has no dampening here"},
		{name: "OPTIM.NESTEROV", value: &c.Optim.Nesterov, in: uses{search: only(false)}, note: "the momentum of a search is not Nesterov's"},
		{name: "OPTIM.WEIGHT_DECAY", value: &c.Optim.WeightDecay, rule: share, note: "of the weights"},
		{name: "OPTIM.WARMUP_FACTOR", value: &c.Optim.WarmupFactor, rule: share, note: "part of the rate to begin with"},
		{name: "OPTIM.WARMUP_EPOCHS", value: &c.Optim.WarmupEpochs, rule: count, note: "epochs until it is the whole"},
		{name: "OPTIM.ITER_LR", value: &c.Optim.IterLR, note: "the rate changes with every step, not every epoch"},
		{name: "OPTIM.ARCH_BASE_LR", value: &c.Optim.ArchBaseLR, rule: from(0, 1e6), in: uses{train: idle}, note: "learning rate of the architecture parameters"},
		{name: "OPTIM.ARCH_WEIGHT_DECAY", value: &c.Optim.ArchWeightDecay, rule: share, in: uses{train: idle}, note: "of the architecture parameters"},
		{name: "OPTIM.ARCH_OPTIM", value: &c.Optim.ArchOptim, rule: among("adam", "sgd"), in: uses{only("adam"), idle}, note: "the architecture parameters learn by Adam"},
		{name: "OPTIM.ARCH_EPOCH", value: &c.Optim.ArchEpoch, rule: count, in: uses{train: idle}, note: "epoch in which the architecture parameters begin to learn; a whole one"},

		{name: "TRAIN.DATASET", value: &c.Train.Dataset, rule: sets, note: "the images; -data says where they are"},
		{name: "TRAIN.SPLIT", value: &c.Train.Split, rule: splits, in: both(only("train")), note: "networks learn from images for training"},
		{name: "TRAIN.BATCH_SIZE", value: &c.Train.BatchSize, rule: positive, note: "images of a step, of all GPUs together"},
		{name: "TRAIN.IM_SIZE", value: &c.Train.ImSize, rule: from(1, 1<<14), note: "side in pixels of what the network sees of an image; jig cuts it into tiles"},
		{name: "TRAIN.EVAL_PERIOD", value: &c.Train.EvalPeriod, rule: count, in: uses{search: idle}, note: "epochs from one evaluation to the next, 0: only the last; a search validates after every epoch"},
		{name: "TRAIN.CHECKPOINT_PERIOD", value: &c.Train.CheckpointPeriod, rule: count, in: both(idle), note: "there is a checkpoint after every epoch, and every ten minutes; the last two are kept"},
		{name: "TRAIN.AUTO_RESUME", value: &c.Train.AutoResume, note: "resume the run in OUT_DIR"},
		{name: "TRAIN.WEIGHTS", value: &c.Train.Weights, note: "weights to start from: a file of PyTorch or safetensors, or a run directory; a run in OUT_DIR that is resumed has its own"},
		{name: "TRAIN.GRAY_PERCENTAGE", value: &c.Train.GrayPercentage, rule: share, in: both(with("TASK jig", c.TaskKey == taskJig)), note: "share of images that lose their colours, 0 to 1"},
		{name: "TRAIN.PORTION", value: &c.Train.Portion, rule: share, in: uses{train: only(1.0)}, note: "share of images that the weights learn from; in a search below 1, the architecture parameters have the rest"},

		{name: "TEST.DATASET", value: &c.Test.Dataset, rule: among(append([]string{""}, sets.texts...)...), in: uses{search: idle}, note: "a search tests nothing; a training needs that of TRAIN.DATASET"},
		{name: "TEST.SPLIT", value: &c.Test.Split, rule: splits, in: uses{search: idle}, note: "a training needs test for cifar10, else val"},
		{name: "TEST.BATCH_SIZE", value: &c.Test.BatchSize, rule: positive, in: both(idle), note: "results do not depend on it"},
		{name: "TEST.IM_SIZE", value: &c.Test.ImSize, rule: from(1, 1<<14), in: uses{with("cityscapes or TASK jig", c.Train.Dataset == cityscapes || c.TaskKey == taskJig && c.Train.Dataset != cifar10), with("any but cifar10", c.Train.Dataset != cifar10)}, note: "shorter side to which images are scaled before the crop: on average for cityscapes; for jig on ImageNet 256/255 of TRAIN.IM_SIZE; for other tasks there 256/224, in tests"},
		{name: "TEST.WEIGHTS", value: &c.Test.Weights, in: both(idle), note: "weights to test, as for TRAIN.WEIGHTS: unnas -cfg then trains nothing; no effect in unnas train -cfg"},

		{name: "DATA_LOADER.NUM_WORKERS", value: &c.DataLoader.NumWorkers, rule: from(0, 1<<10), note: "goroutines that load images, 0 counts as 1; results do not depend on it"},
		{name: "DATA_LOADER.PIN_MEMORY", value: &c.DataLoader.PinMemory, in: both(idle), note: "of GPUs"},
		{name: "MEM.RELU_INPLACE", value: &c.ReLUInplace, in: both(idle), note: "memory is always planned so"},
		{name: "CUDNN.BENCHMARK", value: &c.Benchmark, in: both(idle), note: "of GPUs"},
		{name: "PREC_TIME.WARMUP_ITER", value: &c.WarmupIter, rule: count, in: both(idle), note: "speed is shown while it runs"},
		{name: "PREC_TIME.NUM_ITER", value: &c.NumIter, rule: count, in: both(idle), note: "speed is shown while it runs"},
		{name: "PREC_TIME.BATCH_SIZE", in: both(idle), note: "had no effect in the release either"},
		{name: "PREC_TIME.ENABLED", in: both(idle), note: "had no effect in the release either"},

		{name: "NUM_GPUS", value: &c.NumGPUs, rule: from(1, 1<<10), in: uses{search: idle}, note: "in a search one network sees the whole batch; in a training each part of the batch is a micro-batch of gradient accumulation, normalised by itself; the batch must be a multiple"},
		{name: "TASK", value: &c.TaskKey, rule: among(taskCls, taskSeg, taskRot, taskCol, taskJig), note: "what the network learns; empty is cls"},
		{name: "JIGSAW_GRID", value: &c.JigsawGrid, rule: from(2, 3), in: both(with("TASK jig", c.TaskKey == taskJig)), note: "tiles along a side"},
		{name: "OUT_DIR", value: &c.OutDir, note: "folder of the run; . and /tmp name none: there is a new one in runs"},
		{name: "CFG_DEST", value: &c.CfgDest, in: both(idle), note: "all keys are kept as " + File},
		{name: "RNG_SEED", value: &c.RNGSeed, rule: from(0, 1<<53), note: "of everything random; equal seeds give equal results"},
		{name: "LOG_DEST", value: &c.LogDest, rule: among("stdout", "file"), in: both(only("stdout")), note: "the folder of the run has everything as metrics.jsonl"},
		{name: "LOG_PERIOD", value: &c.LogPeriod, rule: count, in: both(idle), note: "metrics.jsonl has every step"},
		{name: "DIST_BACKEND", value: &c.DistBackend, in: both(idle), note: "of several GPUs"},
		{name: "HOST", value: &c.Host, in: both(idle), note: "of several GPUs"},
		{name: "PORT", value: &c.Port, rule: from(0, 65535), in: both(idle), note: "of several GPUs"},
		{name: "DOWNLOAD_CACHE", in: both(idle), note: "nothing is downloaded"},
	}
}

// isSection says whether keys begin with a name and a dot.
func isSection(keys []key, name string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") })
}

// number returns a number in its shortest form.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 9, 64) }

// text returns a value, or that behind a pointer, as YAML has it.
func text(value any) string {
	text := strings.TrimSpace(string(encode(node(reflect.Indirect(reflect.ValueOf(value)).Interface()))))
	if len(text) > 60 {
		text = text[:60] + "..."
	}
	return text
}

// Searches says whether the run is a search, not a training.
func (c *Config) Searches() bool { return c.Model.Type == nasSearch }

// use returns what a key does in the run.
func (c *Config) use(k key) use {
	if c.Searches() {
		return k.in.search
	}
	return k.in.train
}

// checkValues returns an error if a value is not one of its rule.
func (c *Config) checkValues() error {
	for _, k := range keys(c) {
		if !k.rule.takes(k.value) {
			return c.Fault(k.name, "is %s, must be %s", text(k.value), k.rule)
		}
	}
	return nil
}

// checkUses returns an error if a key has a value that the run cannot honour.
func (c *Config) checkUses() error {
	run := "training"
	if c.Searches() {
		run = "search"
	}
	for _, k := range keys(c) {
		if only := c.use(k).only; only != nil && reflect.ValueOf(k.value).Elem().Interface() != only {
			return c.Fault(k.name, "is %s, but a %s takes %s alone: %s", text(k.value), run, text(only), k.note)
		}
	}
	return nil
}

// idle returns the names of the keys that were given and have no effect in the run.
func (c *Config) idle() []string {
	var names []string
	for _, k := range keys(c) {
		u := c.use(k)
		if _, given := c.origins[k.name]; given && (u.idle || u.with != "" && !u.when) {
			names = append(names, k.name)
		}
	}
	return names
}

// Fault returns an error about a key, which says where its value comes from.
func (c *Config) Fault(name, format string, values ...any) error {
	origin := "default"
	if o, given := c.origins[name]; given {
		origin = o
	}
	return fmt.Errorf("%s: %s %w", origin, name, fmt.Errorf(format, values...))
}

// nearestKey returns the key or section that is most like a name: as a whole, or,
// almost as good, in another section.
func nearestKey(keys []key, name string) string {
	name = strings.ToUpper(name[:min(len(name), nearest.Longest)])
	best, least := "", 0
	for _, k := range keys {
		section, _, _ := strings.Cut(k.name, ".")
		for candidate, d := range map[string]int{
			k.name:  min(nearest.Distance(name, k.name), 1+nearest.Distance(last(name), last(k.name))),
			section: nearest.Distance(name, section),
		} {
			if best == "" || d < least || d == least && candidate < best {
				best, least = candidate, d
			}
		}
	}
	return best
}

func last(name string) string { return name[strings.LastIndex(name, ".")+1:] }

// Table returns what all keys do, as Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| key | default | in a search | in a training | |\n|---|---|---|---|---|\n")
	for _, k := range keys(defaults()) {
		value := ""
		if k.value != nil {
			value = "`" + text(k.value) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.name, value, k.in.search, k.in.train, k.note)
	}
	return b.String()
}

func (u use) String() string {
	switch {
	case u.idle:
		return "no effect"
	case u.only != nil:
		return "only `" + text(u.only) + "`"
	case u.with != "":
		return "with " + u.with
	}
	return "honoured"
}
