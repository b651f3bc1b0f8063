package graph

import (
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"weak"

	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// foreign is an operation of Gorgonia's, or a user's, in a program.
type foreign struct {
	op    gorgonia.Op
	value *ir.Value          // of the result
	slots map[*float32]*slot // of inputs that kernels made, by their first element
	args  []gorgonia.Value
}

var _ cpuexec.Host = (*foreign)(nil)

func (f *foreign) String() string { return f.op.String() }

// Infer returns the shape that Gorgonia inferred.
func (f *foreign) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{f.value.Shape}, nil }

// foreignLock serialises Gorgonia's operations: some of them change their inputs for a
// moment.
var foreignLock sync.Mutex

// Call calls Do.
func (f *foreign) Call(in []cpuexec.Array) (any, error) {
	f.args = f.args[:0]
	for _, a := range in {
		if v, ok := a.Foreign.(gorgonia.Value); ok {
			f.args = append(f.args, v)
			continue
		}
		s, ok := f.slots[&a.F[0]]
		if !ok {
			s = newSlot(a.F, a.Shape)
			f.slots[&a.F[0]] = s
		}
		s.refresh()
		f.args = append(f.args, s.value)
	}
	foreignLock.Lock()
	defer foreignLock.Unlock()
	return f.op.Do(f.args...)
}

// Convert returns what kernels read of a result.
func (f *foreign) Convert(value any) (cpuexec.Array, error) {
	v, _ := value.(gorgonia.Value)
	return checked(v, f.value)
}

// The parts of Gorgonia that have no exported way in, checked when the program starts so
// that another version of Gorgonia cannot change results silently.
var (
	childrenField  = field(reflect.TypeFor[gorgonia.Node](), "children", reflect.TypeFor[gorgonia.Nodes]())
	additionType   reflect.Type // of the operation of gorgonia.Add
	additionString string       // of an addition of tensors of equal shape
	readType       reflect.Type // of the operation of gorgonia.Read
	intoField      []int
)

func init() {
	g := gorgonia.NewGraph()
	x := gorgonia.NewVector(g, gorgonia.Float32, gorgonia.WithShape(2), gorgonia.WithName("x"))
	y := gorgonia.NewVector(g, gorgonia.Float32, gorgonia.WithShape(2), gorgonia.WithName("y"))
	sum := gorgonia.Must(gorgonia.Add(x, y))
	if c := Children(sum); len(c) != 2 || c[0] != x || c[1] != y {
		incompatible("the children of a node")
	}
	additionType, additionString = reflect.TypeOf(sum.Op()), sum.Op().String()
	if difference := gorgonia.Must(gorgonia.Sub(x, y)); difference.Op().String() == additionString {
		incompatible("the operation of an addition")
	}
	var v gorgonia.Value
	read := gorgonia.Read(sum, &v)
	readType = reflect.TypeOf(read.Op())
	intoField = field(readType, "into", reflect.TypeFor[*gorgonia.Value]())
	if readInto(read.Op()) != &v {
		incompatible("the variable of a Read")
	}
}

// field returns the index of a field that must be of a type.
func field(of reflect.Type, name string, want reflect.Type) []int {
	f, ok := of.FieldByName(name)
	if !ok || f.Type != want {
		incompatible(fmt.Sprintf("field %s of %v", name, of))
	}
	return f.Index
}

func incompatible(what string) {
	panic(fmt.Sprintf("unnas: this version of gorgonia.org/gorgonia differs in %s from v0.9.18; require that version in go.mod", what))
}

// isAddition reports whether a node adds two float32 values of equal shape.
func isAddition(n *gorgonia.Node) bool {
	if reflect.TypeOf(n.Op()) != additionType || n.Op().String() != additionString {
		return false
	}
	for _, child := range Children(n) {
		if child.Dtype() != gorgonia.Float32 || !child.Shape().Eq(n.Shape()) {
			return false
		}
	}
	return true
}

// isRead reports whether an operation is that of gorgonia.Read.
func isRead(o gorgonia.Op) bool { return o != nil && reflect.TypeOf(o) == readType }

// readInto returns the variable that gorgonia.Read was given.
func readInto(o gorgonia.Op) *gorgonia.Value {
	return (*gorgonia.Value)(reflect.ValueOf(o).FieldByIndex(intoField).UnsafePointer())
}

// modes holds the mode that each of Gorgonia's operations is in, by its node. It does not
// keep nodes alive.
var modes = nodeModes{training: map[weak.Pointer[gorgonia.Node]]bool{}}

type nodeModes struct {
	sync.Mutex
	training map[weak.Pointer[gorgonia.Node]]bool
}

// set puts the operation of a node into a mode, unless a machine did so before:
// Gorgonia's batch normalisation forgets its running statistics each time.
func (m *nodeModes) set(n *gorgonia.Node, training bool) error {
	m.Lock()
	defer m.Unlock()
	key := weak.Make(n)
	last, known := m.training[key]
	if known && last == training {
		return nil
	}
	if err := n.Op().(gorgonia.TrainModeOp).SetTraining(training); err != nil {
		return fmt.Errorf("graph: %v: %w", n.Op(), err)
	}
	m.training[key] = training
	if !known {
		runtime.AddCleanup(n, func(key weak.Pointer[gorgonia.Node]) {
			m.Lock()
			defer m.Unlock()
			delete(m.training, key)
		}, key)
	}
	return nil
}
