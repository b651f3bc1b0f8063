package cpuexec

import (
	"fmt"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// A Kernel computes an operator on the CPU.
type Kernel interface {
	// Traits describes the kernel to the passes, for inputs of given shapes.
	Traits(in []ir.Shape) pass.Traits
	// Run computes the outputs. An output without memory is not needed. Every other
	// output is overwritten as a whole.
	Run(c *Context, out, in []Array) error
}

// A Host is an operator of another library.
type Host interface {
	ir.Op
	// Call returns the only output as the library knows it, in memory of its own or of the
	// inputs.
	Call(in []Array) (any, error)
	// Convert returns what kernels read of an output.
	Convert(value any) (Array, error)
}

// An Array is the value of an input or an output of a kernel.
type Array struct {
	Shape ir.Shape
	F     []float32 // a value of type bfloat16 takes half as many
	I     []int32
	// Map is the map to form if the value is deferred; F is nil then.
	Map *kernel.Map
	// Foreign is the value as the library knows it that made it, or the []uint8 of crops: a
	// field for them would be empty in all other arrays of a network.
	Foreign any
}

// Bytes returns the elements of crops; nil for other arrays.
func (a *Array) Bytes() []uint8 {
	b, _ := a.Foreign.([]uint8)
	return b
}

// Len returns the number of stored elements.
func (a *Array) Len() int { return len(a.F) + len(a.I) + len(a.Bytes()) }

// Memory returns the memory of the stored elements in bytes.
func (a *Array) Memory() int64 { return 4*int64(len(a.F)+len(a.I)) + int64(len(a.Bytes())) }

// Needed reports whether an output has memory.
func (a *Array) Needed() bool { return a.F != nil }

// AsMap returns the array as a feature map. A shape of fewer than four dimensions becomes
// one of N rows of C channels.
func (a *Array) AsMap() kernel.Map {
	if a.Map != nil {
		return *a.Map
	}
	n, h, w, c := a.Shape.NHWC()
	return kernel.Plain(n, h, w, c, a.F)
}

// A Context is what kernels use in a run. Its memory is used again by the next call of
// the same method.
type Context struct {
	Pool *kernel.ThreadPool

	maps      []kernel.Map
	sums      []float64
	floats    []float32
	numbers   []int
	separable []kernel.Stage
}

// Sums returns n float64 of undefined content.
func (c *Context) Sums(n int) []float64 { return room(&c.sums, n) }

// Floats returns n floats of undefined content.
func (c *Context) Floats(n int) []float32 { return room(&c.floats, n) }

// asMaps returns arrays as feature maps.
func (c *Context) asMaps(arrays []Array) []kernel.Map {
	maps := room(&c.maps, len(arrays))
	for i := range arrays {
		maps[i] = arrays[i].AsMap()
	}
	return maps
}

// room returns n elements of undefined content in mem, which grows if need be.
func room[T any](mem *[]T, n int) []T {
	if cap(*mem) < n {
		*mem = make([]T, n)
	}
	return (*mem)[:n]
}

// kernelOf returns the kernel of an operator.
func kernelOf(op ir.Op) (Kernel, error) {
	switch op := op.(type) {
	case Kernel:
		return op, nil
	case ir.Conv:
		return conv{op}, nil
	case ir.ConvGrad:
		return convGrad{op}, nil
	case ir.SeparableConv:
		return separableConv{op}, nil
	case ir.SeparableConvGrad:
		return separableConvGrad{op}, nil
	case ir.FactorizedReduce:
		return factorizedReduce{op}, nil
	case ir.FactorizedReduceGrad:
		return factorizedReduceGrad{op}, nil
	case ir.Linear:
		return linear{}, nil
	case ir.LinearGrad:
		return linearGrad{}, nil
	case ir.Upsample:
		return upsample{op}, nil
	case ir.UpsampleGrad:
		return upsampleGrad{op}, nil
	case ir.Moments:
		return moments{}, nil
	case ir.BatchStatistics:
		return batchStatistics{op}, nil
	case ir.RunningStatistics:
		return runningStatistics{op}, nil
	case ir.BatchNorm:
		return batchNorm{op}, nil
	case ir.NormSums:
		return normSums{}, nil
	case ir.BatchNormGrad:
		return batchNormGrad{op}, nil
	case ir.Pool:
		return pool{op}, nil
	case ir.MaxPoolGrad:
		return maxPoolGrad{op}, nil
	case ir.AvgPoolGrad:
		return avgPoolGrad{op}, nil
	case ir.GlobalAvgPool:
		return globalAvgPool{}, nil
	case ir.GlobalAvgPoolGrad:
		return globalAvgPoolGrad{op}, nil
	case ir.ReLU:
		return relu{}, nil
	case ir.ReLUGrad:
		return reluGrad{}, nil
	case ir.Zeros:
		return zeros{}, nil
	case ir.Sum:
		return sum{}, nil
	case ir.Concat:
		return concat{}, nil
	case ir.Channels:
		return channels{op}, nil
	case ir.ChannelsGrad:
		return channelsGrad{op}, nil
	case ir.ToBFloat16:
		return toBFloat16{}, nil
	case ir.FromBFloat16:
		return fromBFloat16{}, nil
	case ir.Excite:
		return excite{}, nil
	case ir.ExciteGrad:
		return exciteGrad{}, nil
	case ir.ScaleImages:
		return scaleImages{}, nil
	case ir.Dropout:
		return dropout{op}, nil
	case ir.AddScaled:
		return addScaled{op}, nil
	case ir.Scale:
		return scale{op}, nil
	case ir.Interleave:
		return interleave{}, nil
	case ir.Deinterleave:
		return deinterleave{op}, nil
	case ir.Mix:
		return mix{op}, nil
	case ir.MixGrad:
		return mixGrad{op}, nil
	case ir.Softmax:
		return softmax{}, nil
	case ir.SoftmaxGrad:
		return softmaxGrad{}, nil
	case ir.GumbelSoftmax:
		return gumbelSoftmax{}, nil
	case ir.GumbelSoftmaxGrad:
		return gumbelSoftmaxGrad{}, nil
	case ir.Dirichlet:
		return dirichlet{}, nil
	case ir.DirichletGrad:
		return dirichletGrad{}, nil
	case ir.NormaliseEdges:
		return normaliseEdges{op}, nil
	case ir.NormaliseEdgesGrad:
		return normaliseEdgesGrad{op}, nil
	case ir.CrossEntropy:
		return crossEntropy{op}, nil
	case ir.CrossEntropyGrad:
		return crossEntropyGrad{op}, nil
	case ir.SquaredError:
		return squaredError{op}, nil
	case ir.SquaredErrorGrad:
		return squaredErrorGrad{op}, nil
	case ir.Contrast:
		return contrast{op}, nil
	case ir.ContrastGrad:
		return contrastGrad{op}, nil
	case ir.Norm:
		return norm{}, nil
	case ir.ClipFactor:
		return clipFactor{op}, nil
	case ir.SGD:
		return sgd{op}, nil
	case ir.Adam:
		return adam{op}, nil
	case ir.Average:
		return average{op}, nil
	case ir.Axpy:
		return axpy{}, nil
	case ir.NormaliseCrops, ir.QuarterTurns, ir.Tiles, ir.Lab:
		return nil, fmt.Errorf("%v makes inputs of crops, which devices do; on the CPU, Sample of the task makes them", op)
	}
	return nil, fmt.Errorf("%v (%T) has no kernel for the CPU", op, op)
}

// readsFirst are the traits of a pure kernel that forms its first count inputs as it reads
// them.
func readsFirst(in []ir.Shape, count int) pass.Traits {
	reads := make([]ir.Form, len(in))
	for i := range min(count, len(in)) {
		reads[i] = ir.Affine
	}
	return pass.Traits{Pure: true, Reads: reads}
}

// pointwise are the traits of a pure kernel that forms all of its inputs as it reads
// them, channel by channel; s is the shape of its largest map.
func pointwise(in []ir.Shape, s ir.Shape, maps int) pass.Traits {
	t := readsFirst(in, len(in))
	t.Scratch = elementwise(s, maps)
	return t
}

// elementwise is the scratch memory of a kernel that reads maps of a shape channel by
// channel.
func elementwise(s ir.Shape, maps int) func() (int, int) {
	return func() (int, int) {
		n, h, w, c := s.NHWC()
		return kernel.ElementwiseScratch(n, h, w, c, maps)
	}
}

// pure are the traits of a kernel that reads stored values and needs no scratch memory.
func pure() pass.Traits { return pass.Traits{Pure: true} }

// output0 is the Repeats of a kernel that can make its first output again.
func output0(i int) bool { return i == 0 }

func window(w ir.Window) kernel.Window {
	return kernel.Window{KH: w.Rows, KW: w.Columns, SH: w.StrideRows, SW: w.StrideColumns, PH: w.PadRows, PW: w.PadColumns, DH: w.DilationRows, DW: w.DilationColumns}
}
