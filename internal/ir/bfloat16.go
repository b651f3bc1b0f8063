package ir

// ToBFloat16 rounds its input to the nearest bfloat16, ties to even. Input: x. Output: y,
// of type bfloat16, which whoever makes the step must set.
type ToBFloat16 struct{}

func (ToBFloat16) String() string { return "ToBFloat16" }

// Infer returns the shape of x.
func (ToBFloat16) Infer(in []Shape) ([]Shape, error) { return in, nil }

// FromBFloat16 is its input, of type bfloat16, as float32.
type FromBFloat16 struct{}

func (FromBFloat16) String() string { return "FromBFloat16" }

// Infer returns the shape of x.
func (FromBFloat16) Infer(in []Shape) ([]Shape, error) { return in, nil }
