package darts

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"unnas/ops"
	"unnas/pretext"
)

// headScopes are the scopes of the layers that depend on the task.
var headScopes = []string{"classifier", ops.AuxiliaryHead}

// initialise sets parameters to those of a file or a run directory, unless path is
// empty or dir has a checkpoint to resume from. The head keeps the values that were
// drawn if it is that of another task or of other classes, and where it has another
// shape; the warning names these parameters.
func initialise(p *ops.Params, path string, dir *RunDir, task pretext.Task, classes []string) (warning string, err error) {
	if path == "" || dir != nil && dir.begun().Batch > 0 {
		return "", nil
	}
	file := path
	if info, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("Init: %w; give a run directory or a file of weights", err)
	} else if info.IsDir() {
		if file, err = weightsIn(path); err != nil {
			return "", fmt.Errorf("Init: %s: %w", path, err)
		}
	}
	drawn := p.Clone()
	kept, err := p.ReadPretrained(file, headScopes...)
	if err != nil {
		return "", fmt.Errorf("Init: %w", err)
	}
	if otherHead(file, task, classes) {
		if kept, err = p.CopyScopes(drawn, headScopes...); err != nil {
			return "", fmt.Errorf("Init: %w", err)
		}
	}
	if kept == nil {
		return "", nil
	}
	return fmt.Sprintf("the network starts with the weights of %s, but for the head, which is of another task or other classes and is drawn: %s", file, listed(kept)), nil
}

// otherHead reports whether a file describes the model of another task, or of classes
// with other names.
func otherHead(file string, task pretext.Task, classes []string) bool {
	d, err := readDescription(file)
	if err != nil {
		return false // it has no description: the head fits, or not, by its shape
	}
	form, err := writeTask(task)
	if err != nil {
		return true
	}
	before, err := kindIn(d.Task)
	now, e := kindIn(form)
	return err != nil || e != nil || before != now || d.Classes != nil && classes != nil && !slices.Equal(d.Classes, classes)
}

// span is a range of the weights, all of which learn.
type span struct{ from, to int }

// free returns the ranges of the weights that learn: all but those whose names begin
// with one of the prefixes. The parameters are in the order of the weights.
func free(p *ops.Params, frozen []string) ([]span, error) {
	var spans []span
	matched := make([]bool, len(frozen))
	at := 0
	for _, q := range p.List() {
		if q.Alpha {
			continue
		}
		n := q.Shape.TotalSize()
		if i := slices.IndexFunc(frozen, func(prefix string) bool { return strings.HasPrefix(q.Name, prefix) }); i >= 0 {
			for k, prefix := range frozen {
				matched[k] = matched[k] || strings.HasPrefix(q.Name, prefix)
			}
		} else if k := len(spans) - 1; k >= 0 && spans[k].to == at {
			spans[k].to += n
		} else {
			spans = append(spans, span{at, at + n})
		}
		at += n
	}
	if i := slices.Index(matched, false); i >= 0 {
		return nil, fmt.Errorf("Freeze has %q, with which no parameter begins; parameters begin with %s", frozen[i], strings.Join(scopes(p), ", "))
	}
	if spans == nil {
		return nil, errors.New("Freeze leaves no parameter to learn; freeze the stem and some cells, for example")
	}
	return spans, nil
}

// scopes returns the first parts of the names of parameters, two of those that are
// numbered.
func scopes(p *ops.Params) []string {
	var all []string
	for _, q := range p.List() {
		parts := strings.SplitN(q.Name, ".", 3)
		name := parts[0]
		if len(parts) > 1 && parts[0] == "cells" {
			name += "." + parts[1]
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
