package darts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"unnas/darts/dataset"
	"unnas/pretext"
)

// alike returns held with the labels of the classes of the same names among ours, where
// both have names. Warning names those of ours that held lacks, if any.
func alike(ours []string, held Source, task pretext.Task) (same Source, warning string, err error) {
	if held == nil {
		return nil, "", nil
	}
	theirs := about(held).Classes()
	if selfSupervised(task) || ours == nil || theirs == nil || slices.Equal(ours, theirs) {
		return held, "", nil
	}
	label := map[string]int{}
	for i, name := range ours {
		label[name] = i
	}
	labels, seen := make([]int, len(theirs)), map[string]bool{}
	var unknown, absent []string
	for i, name := range theirs {
		seen[name] = true
		known := false
		if labels[i], known = label[name]; !known {
			unknown = append(unknown, name)
		}
	}
	for _, name := range ours {
		if !seen[name] {
			absent = append(absent, name)
		}
	}
	switch distinct := len(label) == len(ours); {
	case unknown != nil:
		err = fmt.Errorf("darts: the images to evaluate on have classes that the images to train on lack: %s; remove them", listed(unknown))
	case !distinct || len(task.Spec().LabelShape) > 1:
		err = fmt.Errorf("darts: the images to train on have the classes %s, those to evaluate on %s; give both the same", listed(ours), listed(theirs))
	}
	if err != nil {
		return nil, "", err
	}
	if absent != nil {
		warning = fmt.Sprintf("no image to evaluate on is of the classes %s; labels are compared by the names of their classes", listed(absent))
	}
	return relabelled{about(held), ours, labels}, warning, nil
}

// listed shows the first names of a list.
func listed(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// relabelled are images with other labels.
type relabelled struct {
	dataset.Wrapper
	classes []string
	labels  []int // for those of Source
}

func (s relabelled) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := s.Source.Load(ctx, i)
	if err != nil || img == nil || img.Label < 0 {
		return img, err
	}
	if img.Label >= len(s.labels) {
		return nil, errors.New("the label has no name among the classes of its source")
	}
	other := *img
	other.Label = s.labels[img.Label]
	return &other, nil
}

func (s relabelled) Classes() []string { return slices.Clone(s.classes) }
