package ir

import (
	"fmt"
	"math"
)

// Steps of optimisers read and make vectors of parameters. What differs from step to step
// is an input, [1] unless it says otherwise; all else is an attribute.

// Norm is the Euclidean norm of a vector. Its output [3] holds numbers of falling size that
// add up to it in float64.
type Norm struct{}

func (Norm) String() string { return "Norm" }

// Infer returns [3].
func (Norm) Infer(in []Shape) ([]Shape, error) { return []Shape{{3}}, vectors(in) }

// ClipFactor is the factor that clips the norm of a gradient (Pascanu et al., 2013, arXiv
// 1211.5063):
//
//	min(1, Limit/(‖g‖ + 1e-6))
//
// Input: g [n]. Output: [1].
type ClipFactor struct{ Limit float64 }

func (o ClipFactor) String() string { return fmt.Sprintf("ClipFactor{%v}", o.Limit) }

// Infer returns [1].
func (o ClipFactor) Infer(in []Shape) ([]Shape, error) { return []Shape{{1}}, vectors(in) }

// SGD is a step of stochastic gradient descent with momentum, in the form of Sutskever et
// al. (2013) in which the learning rate does not enter the velocity:
//
//	g' = factor·g + Decay·w
//	v' = Momentum·v + g'
//	w' = w - rate·v', or w - rate·(g' + Momentum·v') if Nesterov
//
// Inputs: w, v, g [n], rate, and factor unless it is one. Outputs: w', v'. The velocity
// begins with zeros.
type SGD struct {
	Momentum, Decay float64
	Nesterov        bool
}

func (o SGD) String() string {
	return fmt.Sprintf("SGD{momentum=%v decay=%v%s}", o.Momentum, o.Decay, flag(o.Nesterov, " nesterov"))
}

// Infer returns the shapes of w and v.
func (o SGD) Infer(in []Shape) ([]Shape, error) {
	if err := vectors(in[:3]); err != nil {
		return nil, err
	}
	for _, s := range in[3:] {
		if !s.Equal(Shape{1}) {
			return nil, fmt.Errorf("a rate or a factor of shape %v; want one number", s)
		}
	}
	return in[:2], nil
}

// States returns w and v.
func (o SGD) States() map[int]int { return map[int]int{0: 0, 1: 1} }

// Adam is a step of Adam (Kingma and Ba, 2015, arXiv 1412.6980), except that Decay·w is
// added to the gradient:
//
//	g' = g + Decay·w
//	m' = Beta1·m + (1-Beta1)·g'
//	v' = Beta2·v + (1-Beta2)·g'²
//	w' = w - rate·m'/(spread·√v' + Epsilon)
//
// Inputs: w, m, v, g [n], and rate and spread [2], which are Corrections. Outputs: w', m',
// v'. The moments m and v begin with zeros.
type Adam struct{ Beta1, Beta2, Epsilon, Decay float64 }

func (o Adam) String() string {
	return fmt.Sprintf("Adam{β1=%v β2=%v ε=%v decay=%v}", o.Beta1, o.Beta2, o.Epsilon, o.Decay)
}

// Infer returns the shapes of w, m and v.
func (o Adam) Infer(in []Shape) ([]Shape, error) {
	if err := vectors(in[:4]); err != nil {
		return nil, err
	}
	if !in[4].Equal(Shape{2}) {
		return nil, fmt.Errorf("corrections of shape %v; want two numbers", in[4])
	}
	return in[:3], nil
}

// States returns w, m and v.
func (o Adam) States() map[int]int { return map[int]int{0: 0, 1: 1, 2: 2} }

// Corrections returns the learning rate of a step, counted from one, and the factor of √v,
// corrected for moments that began with zeros.
func (o Adam) Corrections(step int, rate float64) (corrected, spread float32) {
	lack := func(beta float64) float64 { return 1 - math.Pow(beta, float64(step)) }
	return float32(rate / lack(o.Beta1)), float32(1 / math.Sqrt(lack(o.Beta2)))
}

// Average moves an exponential moving average towards x: Decay·average + (1-Decay)·x.
// Inputs: average, x [n]. Output: the new average.
type Average struct{ Decay float64 }

func (o Average) String() string { return fmt.Sprintf("Average{%v}", o.Decay) }

// Infer returns the shape of the average.
func (o Average) Infer(in []Shape) ([]Shape, error) { return in[:1], vectors(in) }

// States returns the average.
func (o Average) States() map[int]int { return map[int]int{0: 0} }

// Axpy is y + a·x. Inputs: y, x [n], a. Output: the new y.
type Axpy struct{}

func (Axpy) String() string { return "Axpy" }

// Infer returns the shape of y.
func (Axpy) Infer(in []Shape) ([]Shape, error) {
	if !in[2].Equal(Shape{1}) {
		return nil, fmt.Errorf("a factor of shape %v; want one number", in[2])
	}
	return in[:1], vectors(in[:2])
}

// States returns y.
func (Axpy) States() map[int]int { return map[int]int{0: 0} }

// vectors returns an error unless all are vectors of the same length.
func vectors(in []Shape) error {
	for _, s := range in {
		if len(s) != 1 || !s.Equal(in[0]) {
			return fmt.Errorf("shapes %v and %v; want vectors of the same length", in[0], s)
		}
	}
	return nil
}
