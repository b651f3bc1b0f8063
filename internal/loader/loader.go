package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"unnas/internal/format"
	"unnas/internal/panics"
	"unnas/internal/quota"
	"unnas/internal/rng"
	"unnas/pretext"
)

// noLabel is the label that losses and metrics ignore.
const noLabel = -1

// ringSize returns the number of batches in memory: the one in use and two prefetched,
// or enough that every worker has an image to load while another batch is ready.
func ringSize(batch, workers int) int { return max(3, 2+(workers+batch-1)/batch) }

// Options configures a loader.
type Options struct {
	Batch   int          // images in a batch
	Workers int          // goroutines that decode and sample
	Seed    uint64       // seed of order and augmentation
	Purpose string       // name of the random streams, unique among the loaders of a run
	Train   bool         // random order, random samples, full batches only
	Quota   *quota.Quota // memory quota for decoding; nil: unlimited
	Wrap    bool         // repeat endlessly, in a new order for each pass
	Shard   Shard        // the share of one of several processes; zero for all
	// Crops is the task as one whose inputs are made of crops on a device; nil makes the
	// inputs here.
	Crops pretext.CropTask
}

// A Shard is the share of rank Rank of Ranks in an epoch: an equal part of every batch, in
// the order of ranks, or, of Whole batches, every Ranks-th one from number Rank on.
type Shard struct {
	Rank, Ranks int
	Whole       bool
}

// part returns the part of a full batch that is in the shard.
func (s Shard) part(batch int) (from, to int) {
	if s.Whole {
		return 0, batch
	}
	n := batch / s.Ranks
	return s.Rank * n, (s.Rank + 1) * n
}

// A Loader makes batches of some images of a source. Their contents do not depend on
// the number of workers. Only one epoch may be open at a time.
type Loader struct {
	Options
	src     pretext.Source
	task    pretext.TaskData
	indices []int
	from    int   // where in a batch the images of the shard begin
	images  int   // in a batch of the shard
	each    sizes // of an image
	ring    []*slot
}

// sizes are the lengths of what a batch has of an image.
type sizes struct{ inputs, crops, numbers, labels, targets int }

// sizesOf returns the sizes for a task, or for its crops unless they are nil.
func sizesOf(spec pretext.Spec, crops pretext.CropTask) sizes {
	if crops == nil {
		return sizes{inputs: spec.InputLen(), labels: spec.LabelLen(), targets: spec.TargetLen()}
	}
	c := crops.CropSpec()
	return sizes{crops: c.CropLen(), numbers: c.Numbers, labels: c.LabelLen(), targets: spec.TargetLen()}
}

// bytes returns the memory that a batch has for an image.
func (s sizes) bytes() int64 {
	return int64(s.crops) + 4*int64(s.inputs+s.numbers+s.labels+s.targets)
}

// A Batch is the input of one step: inputs, or crops of images and numbers of which a device
// makes them.
type Batch struct {
	X      []float32 // [batch·Inputs, Height, Width, Channels]
	C      []uint8   // [batch, Height, Width, 3]
	N      []float32 // [batch, Numbers]
	Y      []int32   // [batch, LabelShape...]
	T      []float32 // [batch, TargetShape...]
	Images int       // number of real images; the others have only ignored labels and targets
	// Sent are copies of the batch on their way, closed before its memory gets another one.
	Sent io.Closer
}

// newBatch returns a batch of a number of images.
func newBatch(images int, each sizes) Batch {
	return Batch{
		X: make([]float32, images*each.inputs), C: make([]uint8, images*each.crops), N: make([]float32, images*each.numbers),
		Y: make([]int32, images*each.labels), T: make([]float32, images*each.targets),
	}
}

// Part returns micro-batch i of parts.
func (b *Batch) Part(i, parts int) Batch {
	return Batch{
		X: partOf(b.X, i, parts), C: partOf(b.C, i, parts), N: partOf(b.N, i, parts),
		Y: partOf(b.Y, i, parts), T: partOf(b.T, i, parts), Images: b.Images / parts, Sent: b.Sent,
	}
}

// partOf returns part i of parts equal parts of a slice.
func partOf[T any](all []T, i, parts int) []T {
	n := len(all) / parts
	return all[i*n:][:n:n]
}

// A slot is the memory of a batch and the state of its loading.
type slot struct {
	Batch
	errs  []error       // of each image
	left  atomic.Int32  // images not loaded yet
	ready chan struct{} // receives a value once all are loaded
}

// A job loads one image into its place in a batch.
type job struct {
	slot  *slot
	place int
	image int
	pass  int // number of earlier passes of the epoch over all images
}

// New returns a loader of the images of src with the given indices.
func New(src pretext.Source, task pretext.TaskData, indices []int, o Options) (*Loader, error) {
	spec := task.Spec()
	if o.Shard.Ranks == 0 {
		o.Shard.Ranks = 1
	}
	l := &Loader{Options: o, src: src, task: task, indices: indices}
	switch {
	case o.Workers < 1:
		return nil, fmt.Errorf("darts: %d loader workers, want 1 or more", o.Workers)
	case o.Batch < 1:
		return nil, fmt.Errorf("darts: a batch of %d images, want 1 or more", o.Batch)
	case len(indices) == 0:
		return nil, fmt.Errorf("darts: no images for %s: add images or change the fraction", o.Purpose)
	case !o.Shard.Whole && (o.Batch%o.Shard.Ranks != 0 || !o.Train && o.Shard.Ranks > 1):
		return nil, fmt.Errorf("darts: a batch of %d images cannot be divided between %d ranks: make it a multiple", o.Batch, o.Shard.Ranks)
	case o.Train && o.Batch > len(indices):
		return nil, fmt.Errorf("darts: a batch of %d images is larger than the %d images for %s: lower the batch or add images",
			o.Batch, len(indices), o.Purpose)
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("darts: task: %w", err)
	}
	if o.Crops != nil {
		if err := o.Crops.CropSpec().Validate(spec); err != nil {
			return nil, fmt.Errorf("darts: task: %w", err)
		}
	}
	l.each = sizesOf(spec, o.Crops)
	for _, i := range indices {
		if i < 0 || i >= src.Len() {
			return nil, fmt.Errorf("darts: image %d, want 0 to below the %d images of the source", i, src.Len())
		}
	}
	from, to := o.Shard.part(o.Batch)
	l.from, l.images = from, to-from
	for range ringSize(l.images, o.Workers) {
		l.ring = append(l.ring, &slot{Batch: newBatch(l.images, l.each), errs: make([]error, l.images)})
	}
	return l, nil
}

// Bytes returns the memory of the batches of a loader of batch images in a batch of its
// shard, with Options.Crops.
func Bytes(spec pretext.Spec, crops pretext.CropTask, batch, workers int) int64 {
	return int64(ringSize(batch, workers)) * int64(batch) * sizesOf(spec, crops).bytes()
}

// Steps returns the number of batches in a pass over all images; an incomplete last
// batch of training is dropped.
func (l *Loader) Steps() int {
	if l.Train {
		return len(l.indices) / l.Batch
	}
	return (len(l.indices) + l.Batch - 1) / l.Batch
}

// Images returns the number of images of the shard in a pass over all images.
func (l *Loader) Images() int {
	if !l.Shard.Whole && l.Shard.Ranks > 1 {
		return l.images * l.Steps() // full batches
	}
	n := 0
	for step := l.Shard.Rank; step < l.Steps(); step += l.Shard.Ranks {
		n += min(l.Batch, len(l.indices)-step*l.Batch)
	}
	return n
}

// order returns the images in the order of one pass.
func (l *Loader) order(epoch, pass int) []int {
	if !l.Train {
		return l.indices
	}
	order := rng.Perm(rng.New(l.Seed, l.Purpose+" order", epoch, pass), len(l.indices))
	for i, j := range order {
		order[i] = l.indices[j]
	}
	return order
}

// Epoch starts to load the batches of an epoch after the first skip, which a resumed
// run has done. The caller must close the result.
func (l *Loader) Epoch(ctx context.Context, number, skip int) *Batches {
	b := &Batches{
		l: l, number: number,
		jobs:   make(chan job),
		loaded: make(chan *slot, len(l.ring)),
		free:   make(chan *slot, len(l.ring)),
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	if skip < 0 || skip > l.Steps() && !l.Wrap {
		b.err = fmt.Errorf("darts: cannot resume after %d of the %d steps of an epoch: the run had other data or another batch", skip, l.Steps())
		return b
	}
	for _, s := range l.ring {
		s.ready = make(chan struct{}, 1)
		b.free <- s
	}
	b.running.Go(func() { b.dispatch(skip) })
	for range l.Workers {
		b.running.Go(b.work)
	}
	return b
}

// Batches iterates over the batches of an epoch.
type Batches struct {
	l       *Loader
	number  int // of the epoch
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	jobs   chan job
	loaded chan *slot // loading or ready, in the order of the epoch
	free   chan *slot
	given  *slot // result of the last call of Next
	ahead  *slot // result of the next one, if Peek has received it
	err    error // why there is no next batch
}

// Next returns the next batch, which is valid until the next call, and io.EOF after the
// last batch. An image that fails ends the epoch at its batch, so errors do not depend
// on the number of workers.
func (b *Batches) Next() (*Batch, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.given != nil {
		b.free <- b.given
		b.given = nil
	}
	s, err := b.wait()
	if err != nil {
		b.err = err
		return nil, err
	}
	b.given = s
	return &s.Batch, nil
}

// Peek returns what Next will return, if it is loaded already; otherwise nil.
func (b *Batches) Peek() *Batch {
	if b.ahead == nil {
		select {
		case b.ahead = <-b.loaded:
		default:
		}
	}
	s := b.ahead
	if s == nil || s.left.Load() > 0 || errors.Join(s.errs[:s.Images]...) != nil {
		return nil
	}
	b.l.pad(s)
	return &s.Batch
}

// wait returns the next slot once all its images are loaded.
func (b *Batches) wait() (*slot, error) {
	s := b.ahead
	if b.ahead = nil; s == nil {
		select {
		case s = <-b.loaded:
		case <-b.ctx.Done():
		}
	}
	if s != nil {
		select {
		case <-s.ready:
		case <-b.ctx.Done():
		}
	}
	switch {
	case b.ctx.Err() != nil: // first, since it makes loads fail and closes loaded
		return nil, b.ctx.Err()
	case s == nil:
		return nil, io.EOF
	}
	for _, err := range s.errs[:s.Images] {
		if err != nil {
			return nil, err
		}
	}
	b.l.pad(s)
	return s, nil
}

// pad fills the rest of a batch with repeated images with ignored labels and targets.
func (l *Loader) pad(s *slot) {
	if s.Images == l.images {
		return
	}
	for i := s.Images; i < l.images; i++ {
		from := i % s.Images
		copy(imageOf(s.X, i, l.each.inputs), imageOf(s.X, from, l.each.inputs))
		copy(imageOf(s.C, i, l.each.crops), imageOf(s.C, from, l.each.crops))
		copy(imageOf(s.N, i, l.each.numbers), imageOf(s.N, from, l.each.numbers))
	}
	for i := range s.Y[s.Images*l.each.labels:] {
		s.Y[s.Images*l.each.labels+i] = noLabel
	}
	for i := range s.T[s.Images*l.each.targets:] {
		s.T[s.Images*l.each.targets+i] = pretext.IgnoreValue
	}
}

// imageOf returns what a batch has of image i, n elements of each.
func imageOf[T any](all []T, i, n int) []T { return all[i*n:][:n:n] }

// Close stops loading and waits until all goroutines of the epoch have ended.
func (b *Batches) Close() {
	b.cancel()
	b.running.Wait()
}

// dispatch sends the images of the epoch to the workers, batch by batch, as slots
// become free.
func (b *Batches) dispatch(skip int) {
	defer close(b.jobs)
	defer close(b.loaded)
	l, steps := b.l, b.l.Steps()
	first, stride := skip, 1
	if l.Shard.Whole {
		first, stride = skip+l.Shard.Rank, l.Shard.Ranks
	}
	var order []int
	ordered := -1 // the pass of order
	for n := first; n < steps || l.Wrap; n += stride {
		pass, step := n/steps, n%steps
		if ordered != pass {
			order, ordered = l.order(b.number, pass), pass
		}
		images := order[step*l.Batch : min((step+1)*l.Batch, len(order))]
		images = images[l.from:min(l.from+l.images, len(images))]
		var s *slot
		select {
		case s = <-b.free:
		case <-b.ctx.Done():
			return
		}
		if s.Sent != nil {
			_ = s.Sent.Close() // an error of what a run has read is that run's
			s.Sent = nil
		}
		s.Images = len(images)
		s.left.Store(int32(len(images)))
		b.loaded <- s // has room for all slots
		for place, image := range images {
			select {
			case b.jobs <- job{s, place, image, pass}:
			case <-b.ctx.Done():
				return
			}
		}
	}
}

// work loads images until there are no more.
func (b *Batches) work() {
	for j := range b.jobs {
		j.slot.errs[j.place] = b.load(j)
		if j.slot.left.Add(-1) == 0 {
			j.slot.ready <- struct{}{}
		}
	}
}

// load loads the sample of one image into its place. A panic of the source or the task,
// which may be user code, becomes an error.
func (b *Batches) load(j job) (err error) {
	l := b.l
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("darts: image %d: panic: %w", j.image, panics.Recovered(p))
		}
	}()
	ctx, end := l.Quota.Lease(b.ctx)
	defer end()
	img, err := l.src.Load(ctx, j.image)
	if err != nil {
		return fmt.Errorf("darts: load image %d: %w", j.image, err)
	}
	labels, targets := imageOf(j.slot.Y, j.place, l.each.labels), imageOf(j.slot.T, j.place, l.each.targets)
	// Each pass of an epoch has its own random streams.
	r := rng.New(l.Seed, l.Purpose, b.number, j.image+j.pass*l.src.Len())
	if l.Crops != nil {
		dst := pretext.CropSample{Crop: imageOf(j.slot.C, j.place, l.each.crops), Numbers: imageOf(j.slot.N, j.place, l.each.numbers), Labels: labels, Targets: targets}
		err = l.Crops.Crop(dst, img, l.Train, r)
	} else {
		err = l.task.Sample(pretext.Sample{Inputs: imageOf(j.slot.X, j.place, l.each.inputs), Labels: labels, Targets: targets}, img, l.Train, r)
	}
	if err != nil {
		return fmt.Errorf("darts: sample image %d: %w", j.image, err)
	}
	for i, v := range targets {
		if !format.Finite(float64(v)) {
			return fmt.Errorf("darts: sample image %d: target %d of %v is %v, want a finite number or pretext.IgnoreValue", j.image, i, l.task.Spec().TargetShape, v)
		}
	}
	return nil
}
