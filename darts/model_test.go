package darts_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/pretext"
	"unnas/segmentation"
)

// trainIn trains a network in a new run directory, two epochs of two steps.
func trainIn(t *testing.T, task pretext.Task, change func(c *darts.TrainConfig)) (path string, r *darts.TrainResult, warnings []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run")
	dir, err := darts.OpenRunDir(path)
	require.NoError(t, err)
	network, _ := tiny()
	c := darts.Training(network.Genotype)
	c.Network, c.Epochs, c.Batch, c.Auxiliary, c.DropPath, c.LR.Base = network, 2, 8, 0, 0, 0.1
	if change != nil {
		change(&c)
	}
	src := drawn(t, 16, 1)
	r, err = darts.Train(t.Context(), src, dataset.Subset(src, []int{1, 3, 5, 7, 9}), task, c, darts.Runtime{Dir: dir, Recorder: record.Func(func(e record.Event) error {
		if w, ok := e.(record.Warning); ok {
			warnings = append(warnings, w.Text)
		}
		return nil
	})})
	require.NoError(t, err)
	require.NoError(t, dir.Close())
	return path, r, warnings
}

// TestLoadModel reads models of each task of the library back from run directories.
func TestLoadModel(t *testing.T) {
	_, classification := tiny()
	view := pretext.ScenesTransform(16)
	plain := view
	plain.Crop = pretext.CropNone
	for _, task := range []pretext.Task{
		classification,
		pretext.Rotation{Transform: view},
		pretext.Colorization{Transform: plain},
		pretext.Jigsaw{Transform: plain, Grid: 2, Permutations: 24, GrayscaleProb: 0.3},
		pretext.RelativePatch{Transform: view, Patch: 4, Gap: 2, GrayscaleProb: 0.3},
		pretext.Reconstruction{Transform: view, Block: 4, Detail: 2, MaskRatio: 0.5},
		pretext.Contrastive{Transform: view, Strength: 0.5, GrayscaleProb: 0.2, Projection: 8, Temperature: 0.5},
		segmentation.Task{Transform: view, ASPP: segmentation.ASPP{Channels: 2, Rates: []int{1}, Classes: 19}},
	} {
		t.Run(task.Name(), func(t *testing.T) {
			path, r, _ := trainIn(t, task, nil)
			m, err := darts.LoadModel(path)
			require.NoError(t, err)
			assert.Equal(t, r.Config.Network, m.Architecture)
			assert.Equal(t, task, m.Task)
			assert.Equal(t, r.Model().Classes, m.Classes)
			assert.Equal(t, r.Params.Weights(), m.Params.Weights())
			assert.Equal(t, r.Params.Running(), m.Params.Running())
			best, err := darts.LoadModel(filepath.Join(path, "best.safetensors"))
			require.NoError(t, err)
			assert.Equal(t, r.BestParams.Weights(), best.Params.Weights())
			assert.Equal(t, r.BestModel().Params, r.BestParams)

			// It evaluates as the training did.
			src := drawn(t, 16, 1)
			e, err := m.Evaluate(t.Context(), dataset.Subset(src, []int{1, 3, 5, 7, 9}), darts.Runtime{Workers: 3})
			require.NoError(t, err)
			assert.Equal(t, 5, e.Images)
			assert.Equal(t, r.Last.ScoreName, e.ScoreName)
			assert.Equal(t, r.Last.ValScore, e.Score)
			if !math.IsNaN(e.Loss) {
				assert.Equal(t, r.Last.ValLoss, e.Loss)
			}
			again := filepath.Join(t.TempDir(), "again.safetensors")
			require.NoError(t, m.Save(again))
			want, err := os.ReadFile(filepath.Join(path, "model.safetensors"))
			require.NoError(t, err)
			got, err := os.ReadFile(again)
			require.NoError(t, err)
			assert.True(t, string(want) == string(got), "the same bytes")
		})
	}
}

// TestModelPredicts compares classes, features and scores of a model with each other.
func TestModelPredicts(t *testing.T) {
	_, task := tiny()
	path, _, _ := trainIn(t, task, nil)
	m, err := darts.LoadModel(path)
	require.NoError(t, err)
	src := drawn(t, 16, 1)
	names := src.Classes()
	assert.Equal(t, names, m.Classes)
	e, err := m.Evaluate(t.Context(), src, darts.Runtime{})
	require.NoError(t, err)
	right, labels, top5 := make([]float64, 8), make([]float64, 8), 0.0
	for i := range src.Len() {
		img, err := src.Load(t.Context(), i)
		require.NoError(t, err)
		all, err := m.Predict(t.Context(), img)
		require.NoError(t, err)
		sum := 0.0
		for k, p := range all[0] {
			assert.Equal(t, names[p.Class], p.Name)
			sum += p.Probability
			if p.Class == img.Label && k < 5 {
				top5++
			}
		}
		assert.InDelta(t, 1, sum, 1e-9)
		labels[img.Label]++
		if all[0][0].Class == img.Label {
			right[img.Label]++
		}
		f, err := m.Features(t.Context(), img)
		require.NoError(t, err)
		require.Equal(t, []int{1, 8, 8, 16}, []int{f[0].Inputs, f[0].Height, f[0].Width, f[0].Channels})
		require.Len(t, f[0].Map, 8*8*16)
		mean := 0.0
		for p := range 64 {
			mean += float64(f[0].Map[16*p+3])
		}
		assert.InDelta(t, mean/64, f[0].Pooled()[3], 1e-6)
		// The linear classifier on the pooled features gives the logits.
		logits, err := m.Logits(t.Context(), img)
		require.NoError(t, err)
		weight, bias := m.Params.Find("classifier.classifier.weight"), m.Params.Find("classifier.classifier.bias")
		w, sumOf := m.Params.Data(weight), float64(m.Params.Data(bias)[2])
		for c, v := range f[0].Pooled() {
			sumOf += float64(v * w[8*c+2])
		}
		assert.InDelta(t, sumOf, logits[0][2], 1e-5)
	}
	total := 0.0
	for k, c := range e.Classes {
		assert.Equal(t, names[k], c.Name)
		total += right[k]
		if labels[k] == 0 {
			assert.True(t, math.IsNaN(c.Score))
			continue
		}
		assert.Equal(t, right[k]/labels[k], c.Score)
	}
	assert.InDelta(t, total/16, e.Score, 1e-12)
	assert.InDelta(t, top5/16, e.Scores["top5"], 1e-12)

	// Several goroutines may use it.
	var all sync.WaitGroup
	img, err := src.Load(t.Context(), 0)
	require.NoError(t, err)
	want, err := m.Logits(t.Context(), img)
	require.NoError(t, err)
	for range 4 {
		all.Go(func() {
			got, err := m.Logits(t.Context(), img, img)
			assert.NoError(t, err)
			assert.Equal(t, slices.Concat(want, want), got)
			_, err = m.Features(t.Context(), img)
			assert.NoError(t, err)
		})
	}
	all.Wait()
}

// TestModelErrors gives each misuse its message.
func TestModelErrors(t *testing.T) {
	network, task := tiny()
	path, r, _ := trainIn(t, task, nil)
	m := r.Model()
	file := filepath.Join(path, "model.safetensors")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	edit := func(old, new string) func() []byte {
		return func() []byte {
			changed := strings.Replace(string(whole), old, new, 1)
			require.False(t, string(whole) == changed, old)
			require.Equal(t, len(whole), len(changed))
			return []byte(changed)
		}
	}
	for name, test := range map[string]struct {
		file func() []byte
		want string
	}{
		"cut short":                 {func() []byte { return whole[:len(whole)-9] }, "the file is cut short"},
		"another format":            {edit(`\"format\":1`, `\"format\":7`), "its description has format 7, this version reads 1"},
		"another kind of task":      {edit(`{\"kind\":\"classification\"`, `{\"kind\":\"classificatiom\"`), `task: unknown kind "classificatiom", want one of classification, rotation,`},
		"another architecture":      {edit(`{\"kind\":\"network\"`, `{\"kind\":\"netwerk\"`), `architecture: unknown kind "netwerk", want one of network,`},
		"other weights":             {edit(`\"width\":2`, `\"width\":1`), "the weights do not fit the network"},
		"an absurd architecture":    {edit(`\"cells\":2,\"reductions\":[1]`, `\"cells\":99,\"reductions\":[]`), "its network has 99 cells, which the 12560 bytes of the file cannot describe"},
		"a description that is cut": {edit(`\"format\":1`, `\"format\":,`), "its description: invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "other")
			require.NoError(t, os.WriteFile(other, test.file(), 0o644))
			_, err := darts.LoadModel(other)
			require.ErrorContains(t, err, "darts: model "+other+": ")
			assert.ErrorContains(t, err, test.want)
		})
	}
	plain := filepath.Join(t.TempDir(), "plain.safetensors")
	f, err := os.Create(plain)
	require.NoError(t, err)
	require.NoError(t, r.Params.WriteSafetensors(f, nil))
	require.NoError(t, f.Close())
	_, err = darts.LoadModel(plain)
	assert.ErrorContains(t, err, "no description of their network; make a Model of architecture, task and parameters")
	_, err = darts.LoadModel(t.TempDir())
	assert.ErrorContains(t, err, "the directory has neither model.safetensors nor supernet.safetensors")
	_, err = darts.LoadModel(plain + "s")
	assert.ErrorIs(t, err, os.ErrNotExist)

	search := filepath.Join(t.TempDir(), "search")
	require.NoError(t, os.MkdirAll(search, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(search, "supernet.safetensors"), nil, 0o644))
	_, err = darts.LoadModel(search)
	assert.ErrorContains(t, err, "the directory holds a search")

	_, err = m.Segment(t.Context(), drawnImage(t))
	assert.ErrorContains(t, err, "task classification does not label pixels of whole images; use Predict")
	_, err = m.Predict(t.Context(), nil)
	assert.ErrorContains(t, err, "darts: image 0 is nil")
	_, err = m.Features(t.Context(), (*pretext.Image)(nil))
	assert.ErrorContains(t, err, "darts: image 0 is nil")
	_, err = m.Evaluate(t.Context(), nil, darts.Runtime{})
	assert.ErrorContains(t, err, "the source of images is nil")
	_, err = m.Evaluate(t.Context(), drawn(t, 3, 1), darts.Runtime{Memory: 1000})
	assert.ErrorContains(t, err, "and there are 1000 B; raise Memory")
	_, err = (&darts.Model{}).Predict(t.Context())
	assert.ErrorContains(t, err, "the model has no Architecture or no Task")
	_, err = (&darts.Model{Architecture: network, Task: task}).Features(t.Context())
	assert.ErrorContains(t, err, "the parameters have no values")
	assert.ErrorContains(t, (&darts.Model{}).Save(plain), "darts: model "+plain+": the model has no Architecture")
	segment := segmentation.Task{Transform: pretext.ScenesTransform(17), ASPP: segmentation.ASPP{Channels: 2, Rates: []int{1}, Classes: 19}}
	p, err := darts.NewParams(network, segment, 1)
	require.NoError(t, err)
	pixels := &darts.Model{Architecture: network, Task: segment, Params: p}
	img := drawnImage(t)
	mask, err := pixels.Segment(t.Context(), img)
	require.NoError(t, err)
	assert.Len(t, mask, img.Width*img.Height)
	_, err = pixels.Predict(t.Context(), img)
	assert.ErrorContains(t, err, "for an image, not one; take its Logits, or Segment")
}

func drawnImage(t *testing.T) *pretext.Image {
	img, err := drawn(t, 1, 1).Load(t.Context(), 0)
	require.NoError(t, err)
	return img
}

// labelless is a task of a program, which is read back by Kinds.
type labelless struct {
	pretext.Rotation
	Extra int `json:"extra"`
}

// TestKindsLoadModel reads a model of a program's own types.
func TestKindsLoadModel(t *testing.T) {
	view := pretext.ScenesTransform(16)
	task := labelless{pretext.Rotation{Transform: view}, 4}
	network, _ := tiny()
	network.Genotype.Normal = slices.Clone(network.Genotype.Normal)
	network.Genotype.Normal[0].Op = "doubled"
	network.Ops = append(network.Ops, doubled{})
	path, r, _ := trainIn(t, task, func(c *darts.TrainConfig) { c.Network = &twice{network, 1} })
	k := kinds()
	_, err := k.LoadModel(path)
	assert.ErrorContains(t, err, `task: unknown kind "darts_test.labelless"`)
	k.Tasks = map[string]func([]byte) (pretext.Task, error){"darts_test.labelless": func(data []byte) (pretext.Task, error) {
		var task labelless
		err := json.Unmarshal(data, &task)
		return task, err
	}}
	m, err := k.LoadModel(path)
	require.NoError(t, err)
	assert.Equal(t, task, m.Task)
	assert.Equal(t, twice{network, 1}, m.Architecture)
	assert.Equal(t, r.Params.Weights(), m.Params.Weights())
	assert.Equal(t, []string{"0°", "90°", "180°", "270°"}, m.Classes)
	_, err = darts.LoadModel(path)
	assert.ErrorContains(t, err, `architecture: unknown kind "darts_test.twice"`)
}

// unspeakable is a task without a JSON form.
type unspeakable struct {
	pretext.Rotation
	Draw func() int
}

// TestModelWithoutDescription keeps the weights of a task that has no JSON form.
func TestModelWithoutDescription(t *testing.T) {
	path, r, warnings := trainIn(t, unspeakable{Rotation: pretext.Rotation{Transform: pretext.ScenesTransform(16)}, Draw: func() int { return 1 }}, nil)
	assert.Contains(t, strings.Join(warnings, "\n"), "the model files of this run will have parameters alone, which LoadModel does not read: task: json: unsupported type")
	_, err := darts.LoadModel(path)
	assert.ErrorContains(t, err, "no description of their network")
	p, err := darts.NewParams(r.Config.Network, r.Model().Task, 3)
	require.NoError(t, err)
	require.NoError(t, p.ReadFile(filepath.Join(path, "model.safetensors")))
	assert.Equal(t, r.Params.Weights(), p.Weights())
}

// TestInit starts a classification from the weights of a rotation.
func TestInit(t *testing.T) {
	_, task := tiny()
	first, r, _ := trainIn(t, pretext.Rotation{Transform: pretext.ScenesTransform(16)}, nil)
	starts := map[string]*darts.TrainResult{}
	for name, path := range map[string]string{"directory": first, "file": filepath.Join(first, "model.safetensors"), "": ""} {
		_, result, warnings := trainIn(t, task, func(c *darts.TrainConfig) { c.Init, c.LR.Base, c.WeightDecay = path, 0, 0 })
		starts[name] = result
		text := strings.Join(warnings, "\n")
		if path == "" {
			assert.NotContains(t, text, "starts with the weights")
			continue
		}
		assert.Contains(t, text, "the network starts with the weights of "+filepath.Join(first, "model.safetensors")+", but for the head, which is of another task or other classes and is drawn: classifier.classifier.weight, classifier.classifier.bias")
	}
	for _, q := range starts[""].Params.List() {
		own, drawn := starts["file"].Params.Data(starts["file"].Params.Find(q.Name)), starts[""].Params.Data(q)
		if strings.HasPrefix(q.Name, "classifier.") {
			assert.Equal(t, drawn, own, q.Name)
		} else {
			assert.Equal(t, r.Params.Data(r.Params.Find(q.Name)), own, q.Name)
		}
	}
	assert.Equal(t, starts["file"].Params.Weights(), starts["directory"].Params.Weights())

	network, _ := tiny()
	wide := network
	wide.Backbone.Width = 4
	src := drawn(t, 8, 1)
	c := darts.Training(network.Genotype)
	c.Network, c.Epochs, c.Batch, c.Auxiliary, c.Init = wide, 1, 8, 0, first
	_, err := darts.Train(t.Context(), src, nil, task, c, darts.Runtime{})
	assert.ErrorContains(t, err, "darts: Init: ops: "+filepath.Join(first, "model.safetensors"))
	assert.ErrorContains(t, err, "of another shape:\n  stem.0.weight [6 3 3 3], in the network [12 3 3 3]")
	c.Init = first + "s"
	_, err = darts.Train(t.Context(), src, nil, task, c, darts.Runtime{})
	assert.ErrorIs(t, err, os.ErrNotExist)
	c.Init = t.TempDir()
	_, err = darts.Train(t.Context(), src, nil, task, c, darts.Runtime{})
	assert.ErrorContains(t, err, "Init: "+c.Init+": the directory has neither model.safetensors nor")
}

// TestInitDrawsTheHeadOfAnotherTask although it has the same shape; that of the same
// task is taken.
func TestInitDrawsTheHeadOfAnotherTask(t *testing.T) {
	rotation := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	first, r, _ := trainIn(t, rotation, nil)
	still := func(c *darts.TrainConfig) { c.Init, c.LR.Base, c.WeightDecay = first, 0, 0 }
	const head = "classifier.classifier.weight"
	_, same, warnings := trainIn(t, rotation, still)
	assert.Empty(t, warnings)
	assert.Equal(t, r.Params.Data(r.Params.Find(head)), same.Params.Data(same.Params.Find(head)))
	turned := labelless{rotation, 1}
	_, other, warnings := trainIn(t, turned, still)
	assert.Contains(t, strings.Join(warnings, "\n"), "which is of another task or other classes and is drawn: "+head)
	_, drawn, _ := trainIn(t, turned, func(c *darts.TrainConfig) { still(c); c.Init = "" })
	assert.Equal(t, drawn.Params.Data(drawn.Params.Find(head)), other.Params.Data(other.Params.Find(head)))
	assert.Equal(t, r.Params.Data(r.Params.Find("stem.0.weight")), other.Params.Data(other.Params.Find("stem.0.weight")))
}

// TestEvaluateRefuses weights that are not finite, which no class is right with.
func TestEvaluateRefuses(t *testing.T) {
	network, task := tiny()
	p, err := darts.NewParams(network, task, 1)
	require.NoError(t, err)
	p.Weights()[3] = float32(math.NaN())
	m := &darts.Model{Architecture: network, Task: task, Params: p}
	_, err = m.Evaluate(t.Context(), drawn(t, 9, 1), darts.Runtime{})
	assert.ErrorIs(t, err, darts.ErrDiverged)
	_, err = m.Features(t.Context(), drawnImage(t))
	assert.ErrorContains(t, err, "features are not finite numbers")
	segment := segmentation.Task{Transform: pretext.ScenesTransform(17), ASPP: segmentation.ASPP{Channels: 2, Rates: []int{1}, Classes: 19}}
	p, err = darts.NewParams(network, segment, 1)
	require.NoError(t, err)
	m = &darts.Model{Architecture: network, Task: &segment, Params: p}
	_, err = m.Segment(t.Context(), drawnImage(t))
	require.NoError(t, err)
	_, err = m.Features(t.Context(), drawnImage(t))
	require.NoError(t, err)
	plain := *drawnImage(t)
	plain.Mask = nil
	_, err = m.Logits(t.Context(), &plain)
	assert.NoError(t, err, "no mask is needed")
	m = &darts.Model{Architecture: network, Task: segment, Params: p}
	_, err = m.Evaluate(t.Context(), struct{ darts.Source }{drawn(t, 2, 1)}, darts.Runtime{Memory: 1000})
	assert.ErrorContains(t, err, "the evaluation needs ")
	for _, m := range []*darts.Model{{Architecture: network, Task: (*segmentation.Task)(nil), Params: p}, {Architecture: (*cell.Network)(nil), Task: task, Params: p}} {
		_, err = m.Predict(t.Context(), &plain)
		assert.ErrorContains(t, err, "the model has no Architecture or no Task")
	}
}

// TestFeaturesOfTheWholeImage are the same for all tasks whose network takes images.
func TestFeaturesOfTheWholeImage(t *testing.T) {
	network, task := tiny()
	p, err := darts.NewParams(network, task, 1)
	require.NoError(t, err)
	img := drawnImage(t)
	want, err := (&darts.Model{Architecture: network, Task: task, Params: p}).Features(t.Context(), img)
	require.NoError(t, err)
	view := pretext.ScenesTransform(16)
	for _, other := range []pretext.Task{
		pretext.Rotation{Transform: view}, pretext.Reconstruction{Transform: view, Block: 4, Detail: 2, MaskRatio: 0.5},
		pretext.Contrastive{Transform: view, Strength: 0.5, GrayscaleProb: 0.2, Projection: 8, Temperature: 0.5},
	} {
		q, err := darts.NewParams(network, other, 2)
		require.NoError(t, err)
		for _, to := range q.List() {
			if from := p.Find(to.Name); from != nil && !strings.HasPrefix(to.Name, "classifier.") {
				copy(q.Data(to), p.Data(from))
			}
		}
		got, err := (&darts.Model{Architecture: network, Task: other, Params: q}).Features(t.Context(), img)
		require.NoError(t, err)
		assert.Equal(t, want, got, other.Name())
	}
}

// TestInitSearch starts from the weights and the alphas of another search.
func TestInitSearch(t *testing.T) {
	space := cell.DARTS(cell.CIFARStem, 2, 3)
	space.Ops, space.Nodes = space.Ops[3:5], 1
	c := darts.DARTS()
	c.Space, c.Epochs, c.Batch = space, 1, 4
	src := drawn(t, 8, 1)
	path := filepath.Join(t.TempDir(), "run")
	dir, err := darts.OpenRunDir(path)
	require.NoError(t, err)
	first, err := darts.Search(t.Context(), src, pretext.Rotation{Transform: pretext.ScenesTransform(16)}, c, darts.Runtime{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, dir.Close())
	c.Init, c.LR.Base, c.LR.Min, c.WeightDecay, c.ArchLR = path, 0, 0, 0, 0
	_, task := tiny()
	second, err := darts.Search(t.Context(), src, task, c, darts.Runtime{})
	require.NoError(t, err)
	assert.Equal(t, first.Normal, second.Normal)
	assert.Equal(t, first.Params.Data(first.Params.Find("stem.0.weight")), second.Params.Data(second.Params.Find("stem.0.weight")))
}

// TestInitIsNotReadOnResume resumes where the file of the first weights is gone.
func TestInitIsNotReadOnResume(t *testing.T) {
	_, task := tiny()
	first, _, _ := trainIn(t, pretext.Rotation{Transform: pretext.ScenesTransform(16)}, nil)
	var config darts.TrainConfig
	path, r, _ := trainIn(t, task, func(c *darts.TrainConfig) { c.Init = first; config = *c })
	require.NoError(t, os.RemoveAll(first))
	dir, err := darts.OpenRunDir(path)
	require.NoError(t, err)
	src := drawn(t, 16, 1)
	again, err := darts.Train(t.Context(), src, dataset.Subset(src, []int{1, 3, 5, 7, 9}), task, config, darts.Runtime{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, dir.Close())
	assert.Equal(t, r.Params.Weights(), again.Params.Weights())
}

// TestFreeze lets only the parameters learn that no prefix names, to the same bits with
// and without gradient accumulation and averages.
func TestFreeze(t *testing.T) {
	_, task := tiny()
	for name, change := range map[string]func(c *darts.TrainConfig){
		"plain":                 func(*darts.TrainConfig) {},
		"gradient accumulation": func(c *darts.TrainConfig) { c.MicroBatch = 4 },
		"averages":              func(c *darts.TrainConfig) { c.EMADecay = 0.5 },
		"no clipping":           func(c *darts.TrainConfig) { c.GradClip = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			_, still, _ := trainIn(t, task, func(c *darts.TrainConfig) { change(c); c.LR.Base = 0 })
			_, r, _ := trainIn(t, task, func(c *darts.TrainConfig) { change(c); c.Freeze = []string{"stem", "cells.0."} })
			_, all, _ := trainIn(t, task, change)
			for _, q := range r.Params.List() {
				before, after := still.Params.Data(still.Params.Find(q.Name)), r.Params.Data(q)
				if strings.HasPrefix(q.Name, "stem") || strings.HasPrefix(q.Name, "cells.0.") {
					assert.Equal(t, before, after, q.Name)
					assert.Equal(t, make([]float32, len(after)), r.Params.Grad(q), "its gradient is not computed")
					assert.NotEqual(t, before, all.Params.Data(all.Params.Find(q.Name)), q.Name)
				} else {
					assert.NotEqual(t, before, after, q.Name)
				}
			}
		})
	}
	network, _ := tiny()
	c := darts.Training(network.Genotype)
	c.Network, c.Epochs, c.Batch, c.Auxiliary = network, 1, 8, 0
	for want, frozen := range map[string][]string{
		`Freeze has "body.", with which no parameter begins; parameters begin with stem, cells.0, cells.1, classifier`: {"stem", "body."},
		"Freeze leaves no parameter to learn": {""},
	} {
		c.Freeze = frozen
		_, err := darts.Train(t.Context(), drawn(t, 8, 1), nil, task, c, darts.Runtime{})
		assert.ErrorContains(t, err, "darts: "+want)
	}
}

// TestScoresOfClasses names the classes of pixels.
func TestScoresOfClasses(t *testing.T) {
	task := segmentation.Task{Transform: pretext.ScenesTransform(16), ASPP: segmentation.ASPP{Channels: 2, Rates: []int{1}, Classes: 19}}
	path, r, _ := trainIn(t, task, nil)
	m, err := darts.LoadModel(path)
	require.NoError(t, err)
	m.Classes = nil
	for i := range 19 {
		m.Classes = append(m.Classes, fmt.Sprint("class ", i))
	}
	src := drawn(t, 16, 1)
	unnamed := struct{ darts.Source }{dataset.Subset(src, []int{1, 3, 5, 7, 9})} // whose classes are those of images
	e, err := m.Evaluate(t.Context(), unnamed, darts.Runtime{})
	require.NoError(t, err)
	assert.Equal(t, "miou", e.ScoreName)
	require.Len(t, e.Classes, 19)
	assert.Equal(t, "class 18", e.Classes[18].Name)
	for k, c := range e.Classes {
		if want, ok := r.Last.Scores[fmt.Sprintf("iou_%d", k)]; ok {
			assert.Equal(t, want, c.Score)
		} else {
			assert.True(t, math.IsNaN(c.Score))
		}
	}
	assert.Contains(t, e.Scores, "accuracy")
	assert.Len(t, e.Scores, 1)
}
