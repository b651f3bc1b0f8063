package scenes

import (
	"context"
	"fmt"
	"slices"

	"unnas/internal/rng"
	"unnas/pretext"
)

const (
	minScene = 16   // smallest side of a scene in pixels
	maxScene = 4096 // largest side
)

// Set is a data set of small street and country scenes, drawn on Load. Every scene
// shows one object of its class, near and large, in varying surroundings: road, meadow
// or square, time of day, season, weather, and smaller objects of all classes in the
// background.
//
// Masks have the 19 evaluation classes of Cityscapes (Cordts et al., 2016, arXiv
// 1604.01685), as train ids: 0 road, 1 sidewalk, 2 building, 3 wall, 4 fence, 5 pole, 6
// traffic light, 7 traffic sign, 8 vegetation, 9 terrain, 10 sky, 11 person, 12 rider,
// 13 car, 14 truck, 15 bus, 16 train, 17 motorcycle, 18 bicycle. Trucks, trains and
// motorcycles do not occur.
type Set struct {
	n, width, height int
	seed             uint64
}

// New returns n scenes of width×height pixels, sides of 16 to 4096. Image i depends
// only on the seed, i and the size: a longer data set starts with the images of a
// shorter one. Another size of the same aspect ratio shows the same scenes. Classes
// alternate, so they are balanced.
func New(n, width, height int, seed uint64) (*Set, error) {
	if n <= 0 {
		return nil, fmt.Errorf("scenes: %d scenes, want 1 or more", n)
	}
	if min(width, height) < minScene || max(width, height) > maxScene {
		return nil, fmt.Errorf("scenes: scenes of %d by %d pixels, want sides of %d to %d", width, height, minScene, maxScene)
	}
	return &Set{n: n, width: width, height: height, seed: seed}, nil
}

// Len returns the number of scenes.
func (d *Set) Len() int { return d.n }

// Classes returns the names of the classes in order: bus, car, cyclist, house,
// person, sign, tower, tree.
func (d *Set) Classes() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return slices.Clip(names)
}

// Fingerprint identifies the scenes by their number, size and seed.
func (d *Set) Fingerprint() string {
	return fmt.Sprintf("scenes %d %d %d %d", d.n, d.width, d.height, d.seed)
}

// Load draws scene i, 0 to Len-1, with its label and mask.
func (d *Set) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("scenes: drawing scene %d: %w", i, err)
	}
	if i < 0 || i >= d.n {
		return nil, fmt.Errorf("scenes: scene %d, want 0 to %d", i, d.n-1)
	}
	label := i % len(kinds())
	k := kinds()[label]
	s := newScene(newCanvas(d.width, d.height), rng.New(d.seed, "scene", 0, i), k)
	s.draw(k)
	return s.image(label), nil
}
